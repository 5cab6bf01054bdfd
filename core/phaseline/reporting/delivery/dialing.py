"""Connect to a server: by WebSocket, or by HTTP requests if a proxy blocks WebSockets."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import trio
import trio_websocket

from phaseline.client.address import Address, urls_of
from phaseline.client.dialing import secured, websocket_over
from phaseline.client.http import HttpConnection, Stream
from phaseline.client.token import token_or_warning
from phaseline.reporting.delivery.by_http import HttpChannel

__all__ = ["Dialing"]

_LARGEST: Final = 2**20


class Dialing:
    """Connects to a server, or to one of several that share a log.

    Attributes:
        address: The address of the server in use.
        socket: The open connection's socket, or None; a forked child must close it.
    """

    def __init__(self, addresses: Sequence[Address]) -> None:
        """Use the first of `addresses`."""
        self._addresses = addresses
        self.address = addresses[0]
        self.socket: trio.SocketStream | None = None

    @property
    def servers(self) -> int:
        """The number of servers."""
        return len(self._addresses)

    @property
    def urls(self) -> str:
        """The URLs of all servers."""
        return urls_of(self._addresses)

    def turn(self) -> None:
        """Use the next server from now on."""
        following = self._addresses.index(self.address) + 1
        self.address = self._addresses[following % self.servers]

    async def _connect(self, patience_s: float) -> Stream:
        with trio.fail_after(patience_s):
            self.socket = stream = await trio.open_tcp_stream(self.address.host, self.address.port)
        with trio.fail_after(patience_s):
            return await secured(stream, self.address)

    @asynccontextmanager
    async def websocket(
        self, patience_s: float, goodbye: Callable[[], int]
    ) -> AsyncIterator[trio_websocket.WebSocketConnection]:
        """Connect a WebSocket for the duration of the block; `goodbye` returns the close code for its end."""
        shown = token_or_warning() or ""
        stream = await self._connect(patience_s)
        opened = websocket_over(stream, self.address, shown, patience_s=patience_s, largest=_LARGEST, goodbye=goodbye)
        try:
            async with opened as websocket:
                yield websocket
        finally:
            self.socket = None

    @asynccontextmanager
    async def http(self, patience_s: float) -> AsyncIterator[HttpChannel]:
        """Deliver by HTTP requests for the duration of the block."""
        address, connect = self.address, partial(self._connect, patience_s)
        base = address.path.removesuffix("/ws")
        connection = HttpConnection(address.authority, base, token_or_warning(), connect)
        channel = HttpChannel(connection)
        try:
            with trio.fail_after(patience_s):
                await channel.greet()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(channel.run)
                yield channel
                nursery.cancel_scope.cancel()
        finally:
            self.socket = None
            with trio.CancelScope(shield=True):
                await connection.aclose()
