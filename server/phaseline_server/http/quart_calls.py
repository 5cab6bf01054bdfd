"""Quart's ASGI connection classes, without the tasks that the door makes unnecessary.

Quart-Trio runs a nursery with two tasks for each request: one serves it, the other receives, to notice a disconnect.
The door reports a disconnect through a callback. If there is nothing else to receive, the route runs in the calling
task. Requests with a body use Quart-Trio's own code.
"""

import re
from contextlib import ExitStack
from typing import Final, cast
from urllib.parse import unquote

import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
from quart.asgi import ASGIWebsocketConnection
from quart_trio.asgi import TrioASGIHTTPConnection, TrioASGIWebsocketConnection

from phaseline_server.door import LEFT
from phaseline_server.http.large_answers import HELD

__all__ = ["HttpCall", "WebSocketCall", "with_slashes"]

_JOB: Final = b"/progress/job/"
_SLASH: Final = re.compile(b"%2f", re.IGNORECASE)
_ENCODED_SLASH: Final = "\udc2f"
"""An encoded slash in the path of a job, always a part of its id. No decoded path has a lone surrogate."""
_BODY_HEADERS: Final = frozenset({b"content-length", b"transfer-encoding"})


def with_slashes(path: str) -> str:
    """Return a path, or a part of it, as it was sent, decoded."""
    return path.replace(_ENCODED_SLASH, "/")


class HttpCall(TrioASGIHTTPConnection):
    """One request."""

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer the request; canceled when the client disconnects."""
        with ExitStack() as held:
            cast(dict[str, object], self.scope["extensions"])[HELD] = held
            raw = self.scope["raw_path"]
            if raw.startswith(_JOB) and b"%2" in raw:
                self.scope["path"] = _ENCODED_SLASH.join(unquote(part.decode("ascii")) for part in _SLASH.split(raw))
            if any(name in _BODY_HEADERS for name, _ in self.scope["headers"]):
                await super().__call__(receive, send)
                return
            request = self._create_request_from_scope(send)
            request.body.set_complete()
            with trio.CancelScope() as scope:
                self.scope["extensions"][LEFT]["call"](scope.cancel)
                await self._send_response(send, await self.app.handle_request(request))


class WebSocketCall(TrioASGIWebsocketConnection):
    """One WebSocket: the endpoint that takes it over receives its messages, not this call."""

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Accept or reject the WebSocket."""
        del receive
        await ASGIWebsocketConnection.handle_websocket(self, self._create_websocket_from_scope(send), send)
