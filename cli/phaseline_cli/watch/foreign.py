"""The server of another program: its address, requests with JSON answers, and its WebSocket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Self

import h11
import msgspec
import trio
import trio_websocket

from phaseline.client.address import Address
from phaseline.client.dialing import secured, websocket_over
from phaseline.client.http import HttpConnection, HttpRejected, Stream
from phaseline.errors import ConfigError
from phaseline_cli.client.failures import Exit, Failure

__all__ = ["LOST", "ForeignServer", "reason_of"]

_PATIENCE_S: Final = 10.0
_LARGEST: Final = 2**26
"""Bytes of an answer: a queue holds the whole graph of each prompt."""
_ALLOWED: Final = "http://host:port, https://host:port or host:port"
LOST: Final = (
    *(OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError, h11.RemoteProtocolError),
    *(trio_websocket.ConnectionClosed, trio_websocket.HandshakeError, HttpRejected, msgspec.MsgspecError),
)
"""The errors of a request or a WebSocket when the server is down, or another program answers."""


class ForeignServer:
    """A server of another program; requests are sent one after the other over one connection."""

    def __init__(self, url: str, port: int) -> None:
        """Prepare requests; connect to nothing yet.

        Args:
            url: Its address.
            port: The port if `url` has none.

        Raises:
            Failure: The address is invalid.
        """
        try:
            address = Address.parse(url, _ALLOWED)
        except ConfigError as error:
            raise Failure(str(error), Exit.USAGE) from error
        if "://" not in url and not url.rstrip("/").endswith(f":{address.port}"):
            address = address._replace(port=port)
        self._address = address
        self._base = address.path.removesuffix("/ws")
        self._http = HttpConnection(address.authority, self._base, None, self._connect, _LARGEST)

    @property
    def where(self) -> str:
        """`host:port`."""
        return self._address.authority

    async def _connect(self) -> Stream:
        return await secured(await trio.open_tcp_stream(self._address.host, self._address.port), self._address)

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        with trio.CancelScope(shield=True):
            await self._http.aclose()

    async def get(self, path: str) -> Any:
        """Return the JSON answer to a GET request; raise the errors of `LOST`."""
        with trio.fail_after(_PATIENCE_S):
            return msgspec.json.decode(await self._http.get(path))

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """Return the JSON answer to a POST request; raise the errors of `LOST`."""
        with trio.fail_after(_PATIENCE_S):
            return msgspec.json.decode(await self._http.post(path, msgspec.json.encode(body)))

    @asynccontextmanager
    async def websocket(self, path: str) -> AsyncIterator[trio_websocket.WebSocketConnection]:
        """Connect a WebSocket for the duration of the block; raise the errors of `LOST`."""
        address = self._address._replace(path=f"{self._base}{path}")
        with trio.fail_after(_PATIENCE_S):
            stream = await self._connect()
        opened = websocket_over(stream, address, "", patience_s=_PATIENCE_S, largest=_LARGEST)
        async with opened as websocket:
            yield websocket


def reason_of(error: BaseException) -> str:
    """Return why there is no answer, in words; raise `error` if it is none of `LOST`, or a group with another one."""
    if isinstance(error, BaseExceptionGroup):
        _, others = error.split(LOST)
        if others is not None:
            raise error
        return reason_of(error.exceptions[0])
    if not isinstance(error, LOST):
        raise error
    return _words(error)


def _words(error: BaseException) -> str:
    match error:
        case trio.TooSlowError():
            return "no answer in time"
        case HttpRejected():
            return f"it answers HTTP {error.status}"
        case msgspec.MsgspecError():
            return "its answer is not JSON; check the address"
        case OSError():
            return (error.strerror or str(error) or type(error).__name__).lower()
        case trio_websocket.HandshakeError():
            return "it rejected the WebSocket; check the address"
        case _:
            return "the connection was lost"
