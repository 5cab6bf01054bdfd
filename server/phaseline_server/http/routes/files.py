"""`GET /files/<path>`: the files under `output/`."""

import mimetypes

import trio
from quart import Response

from phaseline_server.http.handlers import Handlers
from phaseline_server.http.services import Services

__all__ = ["add_handlers"]


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handler of `GET /files/<path>`."""

    @handlers
    async def file(path: str) -> Response:
        content = await trio.to_thread.run_sync(services.gallery.file, path)
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        # A browser must not execute a file as a page of this origin.
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
        return Response(content, headers=headers, content_type=kind)
