"""`/progress/boxes`: when each host and queue is free."""

from typing import Literal

import msgspec
from quart import Response

from phaseline_server.http.handlers import Handlers
from phaseline_server.http.routes.common import json_answer
from phaseline_server.http.services import Services
from phaseline_server.learning.boxes import BoxItem

__all__ = ["BoxList", "add_handlers"]


class BoxList(msgspec.Struct, kw_only=True):
    """The hosts and queues with active or queued jobs, at most a thousand."""

    success: Literal[True]
    boxes: list[BoxItem]
    count: int


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handler of `/progress/boxes`."""
    forecasts = services.boxes

    @handlers
    async def boxes() -> Response:
        items = forecasts.items()
        return json_answer({"success": True, "boxes": items, "count": len(items)})
