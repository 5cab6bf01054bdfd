"""One WebSocket, spoken by ourselves: the server of one socket, and its fast path.

An app that knows nothing of the fast path has ASGI's `receive` and `send` (`app_call`). One that does finds the
WebSocket itself in `scope["extensions"]["phaseline.fanout"]["socket"]`, and may have it taken over: what it names is
called once the app's own call has ended with the WebSocket accepted. That receives all messages that have come at
once, and writes frames, made once for many, straight to the socket. Of the app's call, with its request, contexts and
tasks, nothing is left by then: an idle client would hold half its memory in them.
"""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

import trio
from hypercorn.typing import AppWrapper, LifespanState
from wsproto.frame_protocol import CloseReason

from phaseline_server.door.app_call import AppCall
from phaseline_server.door.app_tasks import call_app, logged
from phaseline_server.door.counts import Late
from phaseline_server.door.endpoint import Endpoint
from phaseline_server.door.handshake import Ends, Upgrade
from phaseline_server.door.limits import Limits
from phaseline_server.door.outgoing import Outgoing, Spawn
from phaseline_server.door.pings import Pings

__all__ = ["FANOUT", "WebSocket"]

FANOUT: Final = "phaseline.fanout"

_PIECE = 65_536  # bytes received at a time


class WebSocket:
    """One WebSocket, from its handshake to its end.

    Attributes:
        writer: Sends or queues frames.
        wait_flushed: Waits until nothing waits for the client: see `Outgoing.wait_flushed`.
        code: That of its close, once it is over; None before.
    """

    __slots__ = (
        "_endpoint",
        "_handshake",
        "_heard",
        "_limits",
        "_news",
        "_pings",
        "_reading",
        "_serve",
        "_silent",
        "_stream",
        "code",
        "wait_flushed",
        "writer",
    )

    def __init__(
        self, stream: trio.SocketStream, handshake: Upgrade, limits: Limits, *, spawn: Spawn, pings: Pings
    ) -> None:
        self._stream = stream
        self._handshake: Upgrade | None = handshake  # until the app is called
        self._limits = limits
        self._pings = pings
        self._endpoint: Endpoint | None = None  # None until the app has accepted
        self.writer = Outgoing(stream, limits, spawn, self._lose)
        self._news: trio.Event | None = None  # made when somebody waits for it
        self._serve: Callable[[], Awaitable[None]] | None = None  # what takes over
        self._heard = True  # since the last ping
        self._reading = self._silent = False
        self.code: int | None = None
        self.wait_flushed: Callable[[], Coroutine[Any, Any, None]] = self.writer.wait_flushed

    # ------------------------------------------------------------------ the door's side

    @property
    def broken_by(self) -> int | None:
        """The code of the close, if the client broke a rule or a bound."""
        return self._endpoint.close_code if self._endpoint is not None and self._endpoint.failed else None

    @property
    def late(self) -> Late | None:
        """What the client did not do in time, if it was cut off for that."""
        return Late.WRITE if self.writer.late else Late.PONG if self._silent else None

    async def run(self, app: AppWrapper, ends: Ends, state: LifespanState) -> None:
        """Call `app`, then what it has take over, and see to an orderly end. The socket is closed then."""
        try:
            await self._call(app, ends, state)
            if self._serve is not None and self._endpoint is not None:
                await logged(self._serve())
            self.close(CloseReason.INTERNAL_ERROR)
            await self._finish()
        finally:
            self._pings.remove(self)
            self.writer.end()

    async def _call(self, app: AppWrapper, ends: Ends, state: LifespanState) -> None:
        handshake, self._handshake = self._handshake, None
        assert handshake is not None  # noqa: S101 (called once)
        scope = handshake.scope(
            client=ends.client,
            server=ends.server,
            secure=ends.secure,
            state=state,
            extensions={FANOUT: {"socket": self}},
        )
        call = AppCall(self, handshake)
        await call_app(app, scope, call.receive, call.send)
        call.end()

    def leave(self) -> None:
        """Say goodbye (1001, going away) to client and app, if the app has not done so."""
        self.close(CloseReason.GOING_AWAY)

    def ping(self) -> None:
        """Send a ping; cut off a client that nothing was heard of since the one before."""
        if self._endpoint is None or not self._endpoint.is_open:
            return
        if not self._heard and self._reading:
            self._silent = True
            self.writer.cut()
            return
        self._heard = False
        if self.writer.idle:  # or else there is a deadline for what waits
            self.writer.write(self._endpoint.ping())

    def cut(self) -> None:
        """Close the socket under whoever is sending or receiving."""
        self.writer.cut()

    async def _finish(self) -> None:
        """Let the client have what is queued, and answer our close."""
        await self.writer.wait_flushed()
        if not self.writer.ended:
            if self._endpoint is None or self._endpoint.failed:
                with suppress(OSError):
                    self._stream.socket.shutdown(trio.socket.SHUT_WR)
            await self.wait_closed()

    # ------------------------------------------------------------------ the app's side, as ASGI has it

    @property
    def is_taken_over(self) -> bool:
        """Whether the app has named what takes over."""
        return self._serve is not None

    @property
    def is_open(self) -> bool:
        """Whether neither side has closed."""
        return self._endpoint is not None and self._endpoint.is_open

    def begin(self, answer: bytes, early: bytes) -> None:
        """Open it: send the answer to the handshake, and take what the client has sent behind that."""
        self.writer.write(answer)
        self._endpoint = Endpoint(self._limits)
        self._pings.add(self)
        self._tell()
        if early:
            self._feed(early)

    def binary(self, data: bytes) -> bytes:
        """Return the frame of a binary message; it is open."""
        assert self._endpoint is not None  # noqa: S101 (its caller has looked)
        return self._endpoint.binary(data)

    def say_close(self, code: int, reason: str) -> None:
        """Send a close, and leave it to the app to wait for the client's."""
        if self._endpoint is not None and self._endpoint.is_open:
            self.writer.write(self._endpoint.close(code, reason))

    async def wait_closed(self) -> None:
        """Wait until both have closed, but not long; what the client still sends is read away.

        A reset would destroy our last words otherwise. RFC 6455 section 7.1.1 has the server close the connection
        as soon as both have closed.
        """
        endpoint = self._endpoint
        with trio.move_on_after(self._limits.linger_seconds):
            while not self.writer.ended and not (endpoint is not None and endpoint.is_closed_by_both):
                await self._read()
                if endpoint is not None:
                    endpoint.messages.clear()

    async def wait_news(self) -> None:
        """Wait until it is opened, or over."""
        if self._news is None:
            self._news = trio.Event()
        await self._news.wait()

    # ------------------------------------------------------------------ the fast path

    @property
    def queued(self) -> int:
        """How many messages of the stream wait for the client."""
        return self.writer.queued

    @property
    def idle(self) -> bool:
        """Whether nothing at all waits for the client."""
        return self.writer.idle

    def take_over(self, serve: Callable[[], Awaitable[None]], most: int) -> None:
        """Have `serve` read and write, by the methods below, once the app has accepted and its call has ended.

        Args:
            serve: Returns when the client is done with; it is not cancelled when that leaves.
            most: Counted messages that may wait for the client.
        """
        self._serve = serve
        self.writer.most = most

    async def receive(self) -> list[str | bytes]:
        """Return all messages that have come, at least one; none once the WebSocket is over."""
        endpoint = self._endpoint
        while endpoint is not None and self.code is None:
            if endpoint.messages:
                messages, endpoint.messages = endpoint.messages, []
                return messages
            if endpoint.close_code is not None or not await self._read():
                self.note_end(int(CloseReason.ABNORMAL_CLOSURE))
        await trio.lowlevel.checkpoint()
        return []

    def close(self, code: int, reason: str = "", *, drop: bool = False) -> None:
        """Close, behind all that is queued; who receives is told that it is over. Nothing if it is closed already.

        Args:
            code: See RFC 6455 section 7.4.
            reason: At most 123 bytes of it are sent.
            drop: Forget what is queued, but for what has been sent in part.
        """
        if self._endpoint is None or not self._endpoint.is_open:
            return
        if drop:
            self.writer.drop()
        self.writer.write(self._endpoint.close(code, reason))
        self.note_end(code)

    # ------------------------------------------------------------------ reading, and the end

    async def _read(self) -> bool:
        """Receive once; return whether something came."""
        self._reading = True
        try:
            data = await self._stream.receive_some(_PIECE)
        except trio.BrokenResourceError:
            data = b""
        except trio.ClosedResourceError:
            return False  # woken by `note_end`, or by a close
        finally:
            self._reading = False
        if not data:
            self.writer.cut()
            return False
        self._heard = True
        if self._endpoint is not None:
            self._feed(bytes(data))
        return True

    def _feed(self, data: bytes) -> None:
        endpoint = self._endpoint
        assert endpoint is not None  # noqa: S101 (called once it is open)
        endpoint.feed(data)
        if endpoint.close_code is not None:
            self.writer.drop()
        if endpoint.replies:
            replies, endpoint.replies = endpoint.replies, b""
            self.writer.write(bytes(replies))

    def _lose(self) -> None:
        """Note that the client is gone."""
        self.note_end(int(CloseReason.ABNORMAL_CLOSURE))

    def note_end(self, code: int) -> None:
        """Note that it is over, by the client's code if that has closed, and wake who waits for it."""
        if self.code is None:
            endpoint = self._endpoint
            self.code = code if endpoint is None or endpoint.close_code is None else endpoint.close_code
        self._tell()
        if self._reading and not self.writer.ended:
            # A cancel scope would do, but costs more than all else for an idle connection, and at every read.
            trio.lowlevel.notify_closing(self._stream.socket)

    def _tell(self) -> None:
        if self._news is not None:
            self._news.set()
            self._news = None
