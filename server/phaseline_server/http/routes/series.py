"""`GET /series`: the names of all series."""

import trio
from quart import Blueprint, Response

from phaseline_server.http.routes.common import json_answer
from phaseline_server.http.services import Services

__all__ = ["blueprint"]


def blueprint(services: Services) -> Blueprint:
    """Return the routes of this family."""
    routes = Blueprint("series", __name__)

    @routes.get("/series")
    async def series() -> Response:
        names = await trio.to_thread.run_sync(services.gallery.series_names)
        return json_answer({"series": names, "count": len(names)})

    return routes
