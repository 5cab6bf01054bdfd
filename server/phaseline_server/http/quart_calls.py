"""Quart's calls for a request and for a WebSocket, without the tasks that our door makes superfluous.

Quart-Trio has a nursery and two tasks for each: one serves, the other receives, to notice that the client has left.
Our door reports that without being asked, so where nothing else is to be received, the route runs in the call's task.
"""

from typing import Final

import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
from quart.asgi import ASGIWebsocketConnection
from quart_trio.asgi import TrioASGIHTTPConnection, TrioASGIWebsocketConnection

from phaseline_server.door import LEFT

__all__ = ["HttpCall", "WebSocketCall"]

_OF_A_BODY: Final = frozenset({b"content-length", b"transfer-encoding"})


class HttpCall(TrioASGIHTTPConnection):
    """One request."""

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer it; cancelled when the client leaves."""
        if any(name in _OF_A_BODY for name, _ in self.scope["headers"]):
            await super().__call__(receive, send)
            return
        request = self._create_request_from_scope(send)
        request.body.set_complete()
        with trio.CancelScope() as scope:
            self.scope["extensions"][LEFT]["call"](scope.cancel)
            await self._send_response(send, await self.app.handle_request(request))


class WebSocketCall(TrioASGIWebsocketConnection):
    """One WebSocket: the session that takes the socket over receives, and not the call."""

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Accept or refuse it."""
        del receive
        await ASGIWebsocketConnection.handle_websocket(self, self._create_websocket_from_scope(send), send)
