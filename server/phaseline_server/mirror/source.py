"""The connection of a mirror to its source: a WebSocket that receives the source's log."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import msgspec
import trio
import trio_websocket
from wsproto.utilities import RemoteProtocolError

from phaseline.client.address import Address
from phaseline.client.dialing import secured, websocket_over
from phaseline.client.failures import reason_of
from phaseline.errors import ConfigError
from phaseline.stream import Position
from phaseline.text import one_line
from phaseline.wire.replication import Follow, LogFrame, LogProblem, decode_log_frame

__all__ = ["Source", "SourceAway"]

_CONNECT_S: Final = 10.0
_SILENCE_S: Final = 10.0  # the source sends a sign of life each second
_LARGEST: Final = 2**26
_SETTING: Final = "--follow"
_TOKEN_ADVICE: Final = "set PHASELINE_FOLLOW_TOKEN to a token of that server"  # noqa: S105
_UNKNOWN: Final = "UNKNOWN_TYPE"

_encoder: Final = msgspec.json.Encoder()


class SourceAway(Exception):
    """The source can't be followed at present; the text has the reason."""


class Source:
    """The server whose log is copied."""

    def __init__(self, url: str, token: Callable[[], str]) -> None:
        """Prepare connections.

        Args:
            url: The server's URL.
            token: Returns the token to send, or ""; it may raise ConfigError.
        """
        self.address = Address.parse(url)
        self._token = token

    async def receive(self, since: Position | None, take: Callable[[LogFrame], Awaitable[None]]) -> None:
        """Connect, and call `take` with each frame, until the connection is lost.

        Args:
            since: The position after which the log is wanted; None for all of it.
            take: Called with each frame; the next one is read when it returns.

        Raises:
            SourceAway: The connection could not be opened, or was lost.
        """
        try:
            async with self._websocket() as websocket:
                await websocket.send_message(_encoder.encode(Follow(since=since)).decode())
                while True:
                    with trio.fail_after(_SILENCE_S):
                        text = await websocket.get_message()
                    frame = decode_log_frame(text)
                    if frame is not None:
                        await take(self._checked(frame))
        except* SourceAway as errors:
            raise _first(errors) from None
        except* msgspec.MsgspecError as errors:
            text = f"{self.address.authority} is not a Phaseline server of this version"
            raise SourceAway(f"{text}: {one_line(str(_first(errors)))}; check the address and its version") from None
        except* ConfigError as errors:
            raise SourceAway(str(_first(errors))) from None
        except* (OSError, trio.TooSlowError, trio.BrokenResourceError, trio_websocket.HandshakeError) as errors:
            raise SourceAway(self._reason(errors)) from None
        except* (trio_websocket.ConnectionClosed, trio_websocket.DisconnectionTimeout, RemoteProtocolError) as errors:
            raise SourceAway(self._reason(errors)) from None

    def _reason(self, error: BaseException) -> str:
        return reason_of(error, self.address, _SETTING, _TOKEN_ADVICE)

    def _checked(self, frame: LogFrame) -> LogFrame:
        """Return a frame; raise SourceAway if it has a problem of the source."""
        if not isinstance(frame, LogProblem):
            return frame
        if frame.code == _UNKNOWN:
            raise SourceAway(f"{self.address.authority} has an older Phaseline without mirrors; upgrade it")
        raise SourceAway(one_line(frame.error) or f"{self.address.authority} does not send its log")

    @asynccontextmanager
    async def _websocket(self) -> AsyncIterator[trio_websocket.WebSocketConnection]:
        token = self._token()
        with trio.fail_after(_CONNECT_S):
            stream = await trio.open_tcp_stream(self.address.host, self.address.port)
            connection = await secured(stream, self.address)
        opened = websocket_over(connection, self.address, token, patience_s=_CONNECT_S, largest=_LARGEST)
        async with opened as websocket:
            yield websocket


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
