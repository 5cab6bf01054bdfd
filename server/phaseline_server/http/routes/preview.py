"""`GET /preview`: a page with every annotated picture."""

from pathlib import Path
from typing import Final

import trio
from quart import Blueprint, Response, render_template

from phaseline_server.http.services import Services

__all__ = ["blueprint"]

_PAGE: Final = Path(__file__).parents[1] / "page"
_MOST: Final = 500
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def blueprint(services: Services) -> Blueprint:
    """Return the routes of this family."""
    routes = Blueprint("preview", __name__, template_folder=_PAGE)

    @routes.get("/preview")
    async def preview() -> Response:
        pictures = await trio.to_thread.run_sync(services.gallery.pictures, _MOST)
        page = await render_template("preview.html", pictures=pictures, most=_MOST)
        return Response(page, headers=_HEADERS, content_type="text/html; charset=utf-8")

    @routes.get("/preview.css")
    async def style() -> Response:
        return Response(await trio.Path(_PAGE / "preview.css").read_bytes(), content_type="text/css")

    return routes
