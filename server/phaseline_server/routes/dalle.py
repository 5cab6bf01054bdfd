"""`/dalle/<series>/<address>`: seed A's address of a picture's run."""

from quart import Blueprint, Response, request

from phaseline.errors import UnknownPath
from phaseline.wire import encode_run
from phaseline.workflows import valid_address, valid_series
from phaseline_server.dalle.runs import RunState
from phaseline_server.routes.answer import json_answer, raw_json
from phaseline_server.services import Services

__all__ = ["blueprint"]


def _key(rest: str) -> tuple[str, str]:
    """Return series and address; whatever has slashes too many is a bad series, never a path."""
    series, slash, address = rest.rpartition("/")
    if not slash:
        raise UnknownPath(f"/dalle/{rest}", "/dalle/<series>/<address>")
    return valid_series(series), valid_address(address)


def _asked(name: str) -> bool:
    return request.args.get(name, "").lower() in {"1", "true", "yes"}


def _run(state: RunState) -> Response:
    return raw_json(encode_run(state.snapshot, state.dress))


def blueprint(services: Services) -> Blueprint:
    """Return the routes of this family."""
    routes, runs = Blueprint("dalle", __name__), services.runs

    @routes.get("/dalle/<path:rest>")
    async def get(rest: str) -> Response:
        series, address = _key(rest)
        if _asked("remove"):
            return await delete(rest)
        if _asked("generate"):
            return _run(await runs.start(series, address, retry=_asked("retry")))
        wants_png = request.args.get("format") == "png" or request.accept_mimetypes.best == "image/png"
        if wants_png:
            return Response(await runs.picture(series, address), content_type="image/png")
        return _run(await runs.state(series, address))

    @routes.post("/dalle/<path:rest>")
    async def post(rest: str) -> Response:
        series, address = _key(rest)
        return _run(await runs.start(series, address, retry=_asked("retry")))

    @routes.delete("/dalle/<path:rest>")
    async def delete(rest: str) -> Response:
        series, address = _key(rest)
        cancelled, removed = await runs.remove(series, address)
        return json_answer({"success": True, "cancelled": cancelled, "removed": removed})

    return routes
