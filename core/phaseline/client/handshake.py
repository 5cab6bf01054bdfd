"""The client's side of a WebSocket handshake, for a worker's reporter and for the terminal view."""

from collections.abc import Awaitable, Callable
from typing import cast

import trio
from trio_websocket import WebSocketConnection

__all__ = ["HungUp", "shake_hands"]


class HungUp(ConnectionError):
    """The server closed the connection before it answered."""


class _Reader:
    """A nursery for the task that reads a connection.

    When the reader ends, it cancels the handshake. Without this, the library would wait for an answer forever.
    """

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
    """Perform the handshake and return the connection. The caller sets the time-out.

    Args:
        nursery: Runs the connection's task, which raises when the server rejects the handshake or sends invalid data.
        wrap: The library's `wrap_client_stream` with all arguments bound except the nursery.

    Raises:
        HungUp: The server closed the connection before it answered.
    """
    with trio.CancelScope() as attempt:
        return await wrap(cast("trio.Nursery", _Reader(nursery, attempt)))
    raise HungUp("the server closed the connection before it answered")
