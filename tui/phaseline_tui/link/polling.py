"""A session by HTTP requests, for a proxy that passes no WebSockets."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeVar

import h11
import msgspec
import trio

from phaseline.client.http import HttpConnection, HttpRejected, Stream
from phaseline_tui.link.credentials import Credentials
from phaseline_tui.model import failures
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.decoding import decode_answer
from phaseline_tui.model.failures import LinkError

__all__ = ["PollingSession"]

_T = TypeVar("_T")

_MAX_BYTES: Final = 128 * 1024 * 1024
"""Maximum size of an answer. The state of ten thousand jobs has about 30 MB."""
_WAIT_S: Final = 5
"""Time that the server holds a request while it has no message."""
_PACE_S: Final = 0.25
"""Time between two requests, because each costs more than a message over a WebSocket."""
_NO_POSITION: Final = "none/0"
"""A position that no server knows, so it answers with the state of all jobs."""
_TOKEN_REJECTED: Final = frozenset({401, 403})


class _Handshaken(msgspec.Struct):
    client_id: str
    protocol: int = 0


class _Polled(msgspec.Struct):
    epoch: str
    ack: int
    recovered: bool
    messages: list[msgspec.Raw] = []
    jobs: list[msgspec.Raw] = []
    today: msgspec.Raw = msgspec.Raw(b"null")


class PollingSession:
    """Receives the messages of one server as text frames, as a WebSocket would."""

    def __init__(
        self, server: ServerAddress, credentials: Credentials, connect: Callable[[], Awaitable[Stream]]
    ) -> None:
        """Prepare the session; `open` opens it over the streams that `connect` opens."""
        self._server = server
        self._credentials = credentials
        self._http = HttpConnection(server.authority, server.base, credentials.token or None, connect, _MAX_BYTES)
        self._client = ""
        self._position = _NO_POSITION

    async def open(self) -> int:
        """Open the session and return the server's protocol version.

        Raises:
            LinkError: The server denies access, or there is no Phaseline server.
        """
        body = await self._answer(self._http.post("/ws/handshake", b'{"client_type":"progress-tui"}'))
        answer = self._decoded(body, _Handshaken)
        self._client = answer.client_id
        return answer.protocol

    async def receive(self) -> str:
        """Return the next messages as a text frame; an empty list if none came. The first is a snapshot.

        Raises:
            LinkError: The connection or the session was lost.
        """
        if self._position != _NO_POSITION:
            await trio.sleep(_PACE_S)
        path = f"/ws/poll?client_id={self._client}&ack={self._position}&wait={_WAIT_S}"
        answer = self._decoded(await self._answer(self._http.get(path)), _Polled)
        self._position = f"{answer.epoch}/{answer.ack}"
        if answer.recovered:
            return msgspec.json.encode(answer.messages).decode()
        snapshot = {
            "type": "snapshot",
            "epoch": answer.epoch,
            "seq": answer.ack,
            "jobs": answer.jobs,
            "today": answer.today,
        }
        return msgspec.json.encode(snapshot).decode()

    async def aclose(self) -> None:
        """Close the session and the connection."""
        if self._client:
            with suppress(LinkError):
                await self._answer(self._http.post("/ws/disconnect", msgspec.json.encode({"client_id": self._client})))
        await self._http.aclose()

    async def _answer(self, request: Awaitable[bytes]) -> bytes:
        try:
            return await request
        except HttpRejected as error:
            if error.status in _TOKEN_REJECTED:
                raise self._credentials.denied(f"HTTP {error.status}") from None
            raise LinkError(f"{self._server.url} returned HTTP {error.status}", soon=True) from None
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError) as error:
            raise failures.broken_http(self._server, error) from error

    def _decoded(self, body: bytes, kind: type[_T]) -> _T:
        try:
            return decode_answer(body, kind)
        except ValueError:
            raise failures.not_phaseline(self._server, "its HTTP answers are not valid") from None
