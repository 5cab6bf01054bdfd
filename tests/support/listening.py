"""A client of `/ws`: trio-websocket, which shares no code with the server's side."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url, wrap_client_stream

Said = dict[str, Any]


class Listener:
    """One connection.

    Attributes:
        socket: The connection itself.
        welcome: The first message.
        last: The last frame that `wait_closed` passed over.
    """

    def __init__(self, socket: WebSocketConnection) -> None:
        self.socket = socket
        self.welcome: Said = {}
        self.last: str | bytes = ""

    async def send(self, kind: str, **fields: object) -> None:
        await self.socket.send_message(json.dumps({"type": kind, **fields}))

    async def frame(self) -> Any:
        """Return the next frame, decoded."""
        with trio.fail_after(60):
            text = await self.socket.get_message()
        assert isinstance(text, str)
        return json.loads(text)

    async def receive(self, kind: str | None = None) -> Said:
        """Return the next message, which must be of this kind."""
        message: Said = await self.frame()
        assert kind in {None, message["type"]}, message
        return message

    async def receive_until(self, kind: str) -> list[Said]:
        """Return all messages up to and with the first of this kind."""
        received = [await self.receive()]
        while received[-1]["type"] != kind:
            received.append(await self.receive())
        return received

    async def subscribe(self, *channels: str, **options: object) -> Said:
        """Subscribe, and return the confirmation."""
        await self.send("subscribe", channels=channels, **options)
        return await self.receive("subscription_confirmed")

    async def _pass_over(self) -> None:
        while True:
            self.last = await self.socket.get_message()

    async def wait_closed(self) -> tuple[int, str]:
        """Return the code and the reason of the close, passing over what comes before it."""
        with trio.fail_after(60), pytest.raises(ConnectionClosed) as closed:
            await self._pass_over()
        assert closed.value.reason is not None
        return closed.value.reason.code, closed.value.reason.reason or ""


@asynccontextmanager
async def listening(where: httpx.AsyncClient | str, *channels: str, **options: object) -> AsyncIterator[Listener]:
    """Connect to a server's `/ws`, and subscribe if there are channels; the confirmation has been received then."""
    url = str(where if isinstance(where, str) else where.base_url).rstrip("/")
    address = f"{url.replace('http', 'ws', 1)}/ws"
    async with open_websocket_url(address, max_message_size=2**26, disconnect_timeout=30) as socket:
        listener = Listener(socket)
        listener.welcome = await listener.receive("connection_established")
        if channels:
            await listener.subscribe(*channels, **options)
        try:
            yield listener
        finally:
            # trio-websocket leaves it open when the server has closed first.
            await trio.aclose_forcefully(socket._stream)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Listener]:
    """Connect to a server's `/ws`; at the end, the connection is dropped without a close frame."""
    host = httpx.URL(url).netloc.decode()
    # With room for all messages: trio-websocket does not close a connection whose messages are not received.
    room: dict[str, Any] = {"max_message_size": 2**26, "message_queue_size": 100_000}
    # Our own stream, because trio-websocket leaves it open if the handshake fails or the server closes first.
    async with (
        await trio.open_tcp_stream("127.0.0.1", httpx.URL(url).port or 80) as stream,
        trio.open_nursery() as nursery,
    ):
        with trio.fail_after(20):  # trio-websocket waits without end if the server ends before it answers
            listener = Listener(await wrap_client_stream(nursery, stream, host, "/ws", **room))
        listener.welcome = await listener.receive("connection_established")
        try:
            yield listener
        finally:
            nursery.cancel_scope.cancel()
