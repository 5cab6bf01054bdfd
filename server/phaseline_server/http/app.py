"""The Quart-Trio app: all routes, and all errors as JSON."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import structlog
from quart import Response, has_request_context, request
from quart import websocket as websocket_request
from quart.routing import QuartRule
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge
from werkzeug.routing import PathConverter

from phaseline.errors import PhaselineError, TooLarge
from phaseline.text import clean
from phaseline_server.access.guard import Guard
from phaseline_server.door import CLIENT_LEFT
from phaseline_server.errors import Unauthorized, UnknownPath
from phaseline_server.http.handlers import Handlers
from phaseline_server.http.page_files import PAGE
from phaseline_server.http.quart_calls import HttpCall, WebSocketCall, with_slashes
from phaseline_server.http.routes import (
    boxes,
    estimates,
    events,
    fallback,
    files,
    gallery,
    health,
    history,
    hosts,
    link,
    metrics,
    openapi,
    orders,
    output,
    page,
    pictures,
    progress,
    series,
    servers,
    statistics,
    ticket,
    websocket,
)
from phaseline_server.http.routes.common import json_answer
from phaseline_server.http.services import Services
from phaseline_server.http.table import ROUTES

__all__ = ["make_app"]

_log: Final = structlog.get_logger()
_FAMILIES: Final = (
    page,
    pictures,
    series,
    gallery,
    files,
    progress,
    estimates,
    history,
    hosts,
    boxes,
    servers,
    orders,
    link,
    output,
    health,
    metrics,
    statistics,
    websocket,
    fallback,
    events,
    ticket,
    openapi,
)


class _Rule(QuartRule):
    """A route that compiles the functions that build its URL when they are called: never, and they take half a start.

    Werkzeug calls the method whenever a rule is added. (werkzeug 3.1)
    """

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:  # noqa: FBT001, FBT002
        compiled = super()._compile_builder

        def build(*arguments: Any, **values: Any) -> tuple[str, str]:
            return compiled(append_unknown)(*arguments, **values)

        return build


class _Anything(PathConverter):
    """Match the rest of a path, line breaks included, so that a bad name gives its own error and not a 404."""

    regex = "(?s:.*)"
    part_isolating = False  # match slashes too


class _JobId(_Anything):
    """Match a job's id, and clean it as the ids of reports are, so that a job is found under the id that was sent."""

    def to_python(self, value: str) -> str:
        """Return the cleaned id."""
        return clean(with_slashes(value))


def make_app(services: Services) -> QuartTrio:
    """Return the app that serves `services`."""
    app = QuartTrio("phaseline_server", static_folder=None, template_folder=str(PAGE))
    app.url_rule_class = _Rule
    app.asgi_http_class, app.asgi_websocket_class = HttpCall, WebSocketCall
    app.config["MAX_CONTENT_LENGTH"] = services.settings.max_body
    # The door times out slow request bodies, and responses have no time-out.
    app.config["BODY_TIMEOUT"] = app.config["RESPONSE_TIMEOUT"] = None
    # Merging slashes would redirect a hostile path to another path.
    app.url_map.merge_slashes = False
    app.url_map.converters["anything"] = _Anything
    app.url_map.converters["job_id"] = _JobId
    _add_routes(app, services)
    Guard(services.settings, services.keeper, {route.name: route.rule for route in ROUTES}).attach(app)
    app.register_error_handler(PhaselineError, partial(_rejected, services.refused))
    app.register_error_handler(HTTPException, partial(_http_error, services.refused))
    app.register_error_handler(Exception, _internal_error)
    return app


def _add_routes(app: QuartTrio, services: Services) -> None:
    handlers = Handlers(app)
    for family in _FAMILIES:
        family.add_handlers(handlers, services)
    by_name = dict(handlers.by_name)
    for route in ROUTES:
        handler = by_name.pop(route.name)
        if route.method == "WEBSOCKET":
            app.add_websocket(route.quart_rule, route.name, handler)
        else:
            app.add_url_rule(route.quart_rule, route.name, handler, methods=[route.method])
    if by_name:
        raise RuntimeError(f"no route for these handlers: {', '.join(by_name)}; add them to http/table.py")


def error_answer(error: PhaselineError) -> Response:
    """Return the JSON response for `error`."""
    answer = json_answer({"success": False, "error": str(error), "code": error.code}, error.status)
    if error.temporary:
        answer.headers["Retry-After"] = "1"
    if isinstance(error, Unauthorized) and error.status == HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="phaseline"'
    return answer


async def _rejected(refused: Counter[str], error: PhaselineError) -> Response:
    refused[error.code] += 1
    return error_answer(error)


async def _http_error(refused: Counter[str], error: HTTPException) -> Response:
    """Return the response for an error raised by Quart: unknown path, wrong method, body over the limit."""
    if isinstance(error, RequestEntityTooLarge):
        refused[TooLarge.code] += 1
        limit = request.max_content_length or 0
        return error_answer(TooLarge("the request body", request.content_length or limit + 1, limit))
    status = HTTPStatus(error.code or 500)
    if status is HTTPStatus.NOT_FOUND:
        path = request.path if has_request_context() else websocket_request.path
        return error_answer(UnknownPath(with_slashes(path)))
    text = error.description or status.phrase
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        text = f"{with_slashes(request.path)} does not accept {request.method}; allowed: {allowed}"
    answer = json_answer({"success": False, "error": text, "code": status.name}, status)
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            answer.headers[name] = value
    return answer


async def _internal_error(error: Exception) -> Response:
    """Return the response for an unexpected error. Its traceback is logged, not sent."""
    if isinstance(error, CLIENT_LEFT):
        # Not an error of the server; the disconnected client receives no response.
        return json_answer({"success": False, "error": "the client disconnected", "code": "CLIENT_LEFT"}, 400)
    _log.exception("unhandled error in a route", error=repr(error))
    text = "internal server error; see the server's log for details"
    return json_answer({"success": False, "error": text, "code": "INTERNAL"}, 500)
