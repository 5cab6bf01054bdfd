"""`GET /gallery`: the latest annotated pictures, for the page `/preview`."""

from typing import Final, Literal

import msgspec
import trio
from quart import Response, request

from phaseline_server.http.handlers import Handlers
from phaseline_server.http.routes.common import json_answer, parse_number
from phaseline_server.http.services import Services
from phaseline_server.pictures.gallery import GalleryPicture

__all__ = ["MAX_PICTURES", "PictureList", "add_handlers"]

MAX_PICTURES: Final = 1000
_MOST: Final = 500


class PictureList(msgspec.Struct, kw_only=True):
    """Annotated pictures, newest first. `path` is below `/files/`."""

    success: Literal[True]
    pictures: list[GalleryPicture]
    count: int


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handler of `GET /gallery`."""

    @handlers
    async def gallery() -> Response:
        most = parse_number("limit", request.args.get("limit"), _MOST, 1, MAX_PICTURES)
        series = request.args.get("series") or None
        found = await trio.to_thread.run_sync(services.gallery.pictures, most, series)
        return json_answer(PictureList(success=True, pictures=found, count=len(found)))
