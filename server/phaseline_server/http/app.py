"""The quart-trio app: every route, and every error as JSON."""

from collections import Counter
from functools import partial
from http import HTTPStatus
from typing import Final

import structlog
from quart import Response, has_request_context, request
from quart import websocket as websocket_asked
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge
from werkzeug.routing import PathConverter

from phaseline.errors import PhaselineError, TooLarge, Unauthorized, UnknownPath
from phaseline_server.access.guard import Guard
from phaseline_server.door import CLIENT_LEFT
from phaseline_server.http.handlers import Handlers
from phaseline_server.http.quart_calls import HttpCall, WebSocketCall
from phaseline_server.http.routes import (
    events,
    fallback,
    files,
    health,
    metrics,
    openapi,
    page,
    pictures,
    preview,
    progress,
    series,
    statistics,
    ticket,
    websocket,
)
from phaseline_server.http.routes.common import json_answer
from phaseline_server.http.routes.page import PAGE
from phaseline_server.http.services import Services
from phaseline_server.http.table import ROUTES

__all__ = ["make_app"]

_log: Final = structlog.get_logger()
_FAMILIES: Final = (
    page,
    pictures,
    series,
    preview,
    files,
    progress,
    health,
    metrics,
    statistics,
    websocket,
    fallback,
    events,
    ticket,
    openapi,
)


class _Anything(PathConverter):
    """The rest of a path, whatever it holds: where a line break ends the match, a bad name would be an unknown path."""

    regex = "(?s:.*)"
    part_isolating = False  # slashes too


def make_app(services: Services) -> QuartTrio:
    """Return the app that serves `services`."""
    app = QuartTrio("phaseline_server", static_folder=None, template_folder=str(PAGE))
    app.asgi_http_class, app.asgi_websocket_class = HttpCall, WebSocketCall
    app.config["MAX_CONTENT_LENGTH"] = services.settings.max_body
    # A client that sends its body too slowly is the door's business, and an answer may take as long as it takes.
    app.config["BODY_TIMEOUT"] = app.config["RESPONSE_TIMEOUT"] = None
    # A redirect from `//` would turn a hostile path into another one.
    app.url_map.merge_slashes = False
    app.url_map.converters["anything"] = _Anything
    _add_routes(app, services)
    Guard(services.settings, services.keeper, {route.name: route.rule for route in ROUTES}).attach(app)
    app.register_error_handler(PhaselineError, partial(_refused, services.refused))
    app.register_error_handler(HTTPException, partial(_http_error, services.refused))
    app.register_error_handler(Exception, _crashed)
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
        raise RuntimeError(f"no route for the handlers {', '.join(by_name)}; add them to the table")


def error_answer(error: PhaselineError) -> Response:
    """Return the JSON answer to `error`."""
    answer = json_answer({"success": False, "error": str(error), "code": error.code}, error.status)
    if error.temporary:
        answer.headers["Retry-After"] = "1"
    if isinstance(error, Unauthorized):
        answer.headers["WWW-Authenticate"] = 'Bearer realm="phaseline"'
    return answer


async def _refused(refused: Counter[str], error: PhaselineError) -> Response:
    refused[error.code] += 1
    return error_answer(error)


async def _http_error(refused: Counter[str], error: HTTPException) -> Response:
    """Answer what Quart itself refuses: unknown paths, wrong methods, bodies over the limit."""
    if isinstance(error, RequestEntityTooLarge):
        refused[TooLarge.code] += 1
        limit = request.max_content_length or 0
        return error_answer(TooLarge("the body", request.content_length or limit + 1, limit))
    status = HTTPStatus(error.code or 500)
    if status is HTTPStatus.NOT_FOUND:
        return error_answer(UnknownPath(request.path if has_request_context() else websocket_asked.path))
    text = error.description or status.phrase
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        text = f"{request.method} is not taken at {request.path}; allowed: {allowed}"
    answer = json_answer({"success": False, "error": text, "code": status.name}, status)
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            answer.headers[name] = value
    return answer


async def _crashed(error: Exception) -> Response:
    """Answer a mistake of ours: the log has the traceback, the client a code to look for."""
    if isinstance(error, CLIENT_LEFT):
        # No mistake at all, and nobody hears the answer.
        return json_answer({"success": False, "error": "the client has left", "code": "CLIENT_LEFT"}, 400)
    _log.exception("a route failed", error=repr(error))
    text = "the server made a mistake; its log says more; trying again may help"
    return json_answer({"success": False, "error": text, "code": "INTERNAL"}, 500)
