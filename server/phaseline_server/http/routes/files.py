"""`GET /files/<path>`: the files under `output/`."""

import mimetypes

import trio
from quart import Response

from phaseline_server.http.answer_budget import PAGE_BYTES
from phaseline_server.http.handlers import Handlers
from phaseline_server.http.large_answers import hold_for_answer
from phaseline_server.http.services import Services

__all__ = ["add_handlers"]


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handler of `GET /files/<path>`."""

    @handlers
    async def file(path: str) -> Response:
        hold = await hold_for_answer(services.answers, PAGE_BYTES)
        content = await trio.to_thread.run_sync(services.gallery.file, path)
        hold.resize(len(content))
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        # A browser must not execute a file as a page of this origin.
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
        return Response(content, headers=headers, content_type=kind)
