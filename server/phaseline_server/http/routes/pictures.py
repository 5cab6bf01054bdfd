"""`/dalle/<series>/<address>`: the picture API."""

from typing import Final

import trio
from quart import Response, request

from phaseline.errors import InvalidField
from phaseline.model.workflows import Picture, valid_address, valid_series
from phaseline.wire import encode_run
from phaseline_server.access.keeper import CURRENT
from phaseline_server.http.answer_budget import PAGE_BYTES
from phaseline_server.http.handlers import Handlers
from phaseline_server.http.large_answers import hold_for_answer
from phaseline_server.http.routes.common import json_answer, raw_json
from phaseline_server.http.services import Services
from phaseline_server.pictures.runs import RunState

__all__ = ["add_handlers"]

# The same URL also serves the run as JSON, and `?retry=1` replaces the picture.
_PICTURE: Final = {"Cache-Control": "no-cache", "Vary": "Accept", "X-Content-Type-Options": "nosniff"}


def _checked(series: str, address: str) -> tuple[str, str]:
    """Return the validated series and address, if the client may read the job of this picture's run.

    In a path with more slashes the series is invalid.
    """
    CURRENT.get().known.check_read(Picture(series, address.lower()).job_id)
    return valid_series(series), valid_address(address)


def _asked(name: str) -> bool:
    return request.args.get(name, "").lower() in {"1", "true", "yes"}


def _wants_picture() -> bool:
    form = request.args.get("format")
    if form not in {None, "json", "png", "thumbnail"}:
        raise InvalidField("format", form, "json, png or thumbnail")
    # The first type wins a tie, as in `*/*`.
    best = request.accept_mimetypes.best_match(["application/json", "image/png"])
    return form == "png" or (form is None and best == "image/png")


def _run(state: RunState) -> Response:
    return raw_json(encode_run(state.snapshot, state.dress))


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handlers of the picture API."""
    runs = services.runs

    @handlers
    async def get_picture(series: str, address: str) -> Response:
        series, address = _checked(series, address)
        if _asked("remove"):
            return await remove_picture(series, address)
        started = await runs.start(series, address, retry=_asked("retry")) if _asked("generate") else None
        if request.args.get("format") == "thumbnail":
            thumbnail = await services.thumbnails.get(series, address)
            headers = _PICTURE | {"ETag": f'"{thumbnail.tag}"'}
            if request.if_none_match.contains_weak(thumbnail.tag):
                return Response(b"", 304, headers)
            return Response(thumbnail.content, headers=headers, content_type="image/jpeg")
        if _wants_picture():
            hold = await hold_for_answer(services.answers, PAGE_BYTES)
            content = await trio.to_thread.run_sync(services.gallery.picture, series, address)
            hold.resize(len(content))
            return Response(content, headers=_PICTURE, content_type="image/png")
        return _run(started or await runs.state(series, address))

    @handlers
    async def make_picture(series: str, address: str) -> Response:
        series, address = _checked(series, address)
        return _run(await runs.start(series, address, retry=_asked("retry")))

    @handlers
    async def remove_picture(series: str, address: str) -> Response:
        series, address = _checked(series, address)
        cancelled, removed = await runs.remove(series, address)
        return json_answer({"success": True, "cancelled": cancelled, "removed": removed})
