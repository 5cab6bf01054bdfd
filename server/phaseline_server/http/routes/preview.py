"""`GET /preview`: the latest annotated pictures as a web page."""

from typing import Final

import trio
from quart import Response, render_template

from phaseline_server.http.handlers import Handlers
from phaseline_server.http.page_files import compressed
from phaseline_server.http.services import Services

__all__ = ["add_handlers"]

_MOST: Final = 500
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handler of the page."""

    @handlers
    async def preview() -> Response:
        pictures = await trio.to_thread.run_sync(services.gallery.pictures, _MOST)
        page = await render_template("preview.html", pictures=pictures, most=_MOST)
        return compressed(page, _HEADERS)
