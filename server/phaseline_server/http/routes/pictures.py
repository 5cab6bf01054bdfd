"""`/dalle/<series>/<address>`: seed A's address of a picture's run."""

from typing import Final

import trio
from quart import Blueprint, Response, request

from phaseline.errors import InvalidField, UnknownPath
from phaseline.model.workflows import valid_address, valid_series
from phaseline.wire import encode_run
from phaseline_server.http.routes.common import json_answer, raw_json
from phaseline_server.http.services import Services
from phaseline_server.pictures.runs import RunState

__all__ = ["blueprint"]

# The same address gives the snapshot, and another picture after `?retry=1`.
_PICTURE: Final = {"Cache-Control": "no-cache", "Vary": "Accept", "X-Content-Type-Options": "nosniff"}


def _key(rest: str) -> tuple[str, str]:
    """Return series and address; whatever has slashes too many is a bad series, never a path."""
    series, slash, address = rest.rpartition("/")
    if not slash:
        raise UnknownPath(f"/dalle/{rest}", "/dalle/<series>/<address>")
    return valid_series(series), valid_address(address)


def _asked(name: str) -> bool:
    return request.args.get(name, "").lower() in {"1", "true", "yes"}


def _wants_picture() -> bool:
    form = request.args.get("format")
    if form not in {None, "json", "png"}:
        raise InvalidField("format", form, "json or png")
    # Of equals, as in `*/*`, the first is taken.
    best = request.accept_mimetypes.best_match(["application/json", "image/png"])
    return form == "png" or (form is None and best == "image/png")


def _run(state: RunState) -> Response:
    return raw_json(encode_run(state.snapshot, state.dress))


def blueprint(services: Services) -> Blueprint:
    """Return the routes of this family."""
    routes, runs = Blueprint("dalle", __name__), services.runs

    @routes.get("/dalle/<anything:rest>")
    async def get(rest: str) -> Response:
        series, address = _key(rest)
        if _asked("remove"):
            return await delete(rest)
        started = await runs.start(series, address, retry=_asked("retry")) if _asked("generate") else None
        if _wants_picture():
            content = await trio.to_thread.run_sync(services.gallery.picture, series, address)
            return Response(content, headers=_PICTURE, content_type="image/png")
        return _run(started or await runs.state(series, address))

    @routes.post("/dalle/<anything:rest>")
    async def post(rest: str) -> Response:
        series, address = _key(rest)
        return _run(await runs.start(series, address, retry=_asked("retry")))

    @routes.delete("/dalle/<anything:rest>")
    async def delete(rest: str) -> Response:
        series, address = _key(rest)
        cancelled, removed = await runs.remove(series, address)
        return json_answer({"success": True, "cancelled": cancelled, "removed": removed})

    return routes
