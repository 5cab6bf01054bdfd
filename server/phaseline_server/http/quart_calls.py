"""Quart's ASGI connection classes, without the tasks that the door makes unnecessary.

Quart-Trio runs a nursery with two tasks for each request: one serves it, the other receives, to notice a disconnect.
The door reports a disconnect through a callback. If there is nothing else to receive, the route runs in the calling
task. Requests with a body use Quart-Trio's own code.
"""

from contextlib import ExitStack
from typing import Final, cast

import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
from quart.asgi import ASGIWebsocketConnection
from quart_trio.asgi import TrioASGIHTTPConnection, TrioASGIWebsocketConnection

from phaseline_server.door import LEFT
from phaseline_server.http.large_answers import HELD

__all__ = ["HttpCall", "WebSocketCall"]

_BODY_HEADERS: Final = frozenset({b"content-length", b"transfer-encoding"})


class HttpCall(TrioASGIHTTPConnection):
    """One request."""

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer the request; canceled when the client disconnects."""
        with ExitStack() as held:
            cast(dict[str, object], self.scope["extensions"])[HELD] = held
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
