"""`GET /series`: the names of all series."""

import trio
from quart import Response

from phaseline_server.http.handlers import Handlers
from phaseline_server.http.routes.common import json_answer
from phaseline_server.http.services import Services

__all__ = ["add_handlers"]


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handler of `GET /series`."""

    @handlers
    async def series() -> Response:
        names = await trio.to_thread.run_sync(services.gallery.series_names)
        return json_answer({"series": names, "count": len(names)})
