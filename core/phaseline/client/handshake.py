"""The begin of a WebSocket as its client: of a worker's reporter, and of the view."""

from collections.abc import Awaitable, Callable
from typing import cast

import trio
from trio_websocket import WebSocketConnection

__all__ = ["HungUp", "shake_hands"]


class HungUp(ConnectionError):
    """The server closed the connection and had not answered."""


class _Reader:
    """The nursery for what reads a connection. The library would wait for an answer even when the reader has ended."""

    def __init__(self, nursery: trio.Nursery, attempt: trio.CancelScope) -> None:
        self._nursery = nursery
        self._attempt = attempt

    def start_soon(self, read: Callable[[], Awaitable[object]]) -> None:
        self._nursery.start_soon(self._run, read)

    async def _run(self, read: Callable[[], Awaitable[object]]) -> None:
        await read()
        self._attempt.cancel()


async def shake_hands(
    nursery: trio.Nursery, wrap: Callable[[trio.Nursery], Awaitable[WebSocketConnection]]
) -> WebSocketConnection:
    """Speak WebSocket from now on; how long the server may take to answer, the caller says.

    Args:
        nursery: for the connection's own task; a refusal, and what is no WebSocket, are raised there.
        wrap: the library's `wrap_client_stream`, with all that it takes but the nursery.

    Raises:
        HungUp: the server closed the connection first.
    """
    with trio.CancelScope() as attempt:
        return await wrap(cast("trio.Nursery", _Reader(nursery, attempt)))
    raise HungUp("the server hung up before it answered")
