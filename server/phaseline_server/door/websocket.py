"""One WebSocket: our server side of it, and its fast path.

An app uses ASGI's `receive` and `send` (`app_call`), or the fast path. For the fast path, it gets the WebSocket from
`scope["extensions"]["phaseline.fanout"]["socket"]` and names a function to take it over. This function is called when
the app's own call has ended with the WebSocket accepted. It receives messages in batches. It writes frames, which are
encoded once for many clients, directly to the socket. The app's request, contexts and tasks are released by then; they
would be half the memory of an idle client.
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
        wait_flushed: See `Outgoing.wait_flushed`.
        code: Its close code; None while it is open.
    """

    __slots__ = (
        "_changed",
        "_endpoint",
        "_handshake",
        "_limits",
        "_pings",
        "_reading",
        "_received",
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
        self._changed: trio.Event | None = None  # created when a task waits for it
        self._serve: Callable[[], Awaitable[None]] | None = None  # the function that takes over
        self._received = True  # any data since the last ping
        self._reading = self._silent = False
        self.code: int | None = None
        self.wait_flushed: Callable[[], Coroutine[Any, Any, None]] = self.writer.wait_flushed

    # ------------------------------------------------------------------ the door's side

    @property
    def broken_by(self) -> int | None:
        """The close code if the client broke the protocol or a limit."""
        return self._endpoint.close_code if self._endpoint is not None and self._endpoint.failed else None

    @property
    def late(self) -> Late | None:
        """The time-out that cut the client off, if any."""
        return Late.WRITE if self.writer.late else Late.PONG if self._silent else None

    async def run(self, app: AppWrapper, ends: Ends, state: LifespanState) -> None:
        """Call `app`, then the function that takes over, and close the WebSocket and the socket."""
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
        """Close with 1001 (going away), unless the app has already closed it."""
        self.close(CloseReason.GOING_AWAY)

    def ping(self) -> None:
        """Send a ping; cut the client off if it has sent nothing since the previous one."""
        if self._endpoint is None or not self._endpoint.is_open:
            return
        if not self._received and self._reading:
            self._silent = True
            self.writer.cut()
            return
        self._received = False
        if self.writer.idle:  # otherwise the write deadline applies
            self.writer.write(self._endpoint.ping())

    def cut(self) -> None:
        """Close the socket, even if a task is sending or receiving on it."""
        self.writer.cut()

    async def _finish(self) -> None:
        """Send the queue, and wait for the client to answer our close."""
        await self.writer.wait_flushed()
        if not self.writer.ended:
            if self._endpoint is None or self._endpoint.failed:
                with suppress(OSError):
                    self._stream.socket.shutdown(trio.socket.SHUT_WR)
            await self.wait_closed()

    # ------------------------------------------------------------------ the app's side, for ASGI

    @property
    def is_taken_over(self) -> bool:
        """Whether the app has named a function to take over."""
        return self._serve is not None

    @property
    def is_open(self) -> bool:
        """Whether neither side has sent a close."""
        return self._endpoint is not None and self._endpoint.is_open

    def begin(self, answer: bytes, early: bytes) -> None:
        """Open the WebSocket: send the response to the handshake, and process data that the client sent early."""
        self.writer.write(answer)
        self._endpoint = Endpoint(self._limits)
        self._pings.add(self)
        self._notify()
        if early:
            self._feed(early)

    def binary(self, data: bytes) -> bytes:
        """Return the frame of a binary message. The WebSocket must be open."""
        assert self._endpoint is not None  # noqa: S101 (checked by the caller)
        return self._endpoint.binary(data)

    def send_close(self, code: int, reason: str) -> None:
        """Send a close without waiting for the client's."""
        if self._endpoint is not None and self._endpoint.is_open:
            self.writer.write(self._endpoint.close(code, reason))

    async def wait_closed(self) -> None:
        """Wait a limited time until both sides have closed, and discard what the client still sends.

        Unread data would cause a TCP reset, which would destroy our last frames. The server closes the TCP connection
        as soon as both have closed (RFC 6455 section 7.1.1).
        """
        endpoint = self._endpoint
        with trio.move_on_after(self._limits.linger_seconds):
            while not self.writer.ended and not (endpoint is not None and endpoint.is_closed_by_both):
                await self._read()
                if endpoint is not None:
                    endpoint.messages.clear()

    async def wait_news(self) -> None:
        """Wait until the WebSocket is opened or closed."""
        if self._changed is None:
            self._changed = trio.Event()
        await self._changed.wait()

    # ------------------------------------------------------------------ the fast path

    @property
    def queued(self) -> int:
        """The number of stream messages queued for the client."""
        return self.writer.queued

    @property
    def idle(self) -> bool:
        """Whether nothing is queued for the client."""
        return self.writer.idle

    def take_over(self, serve: Callable[[], Awaitable[None]], most: int) -> None:
        """Call `serve`, which uses the methods below, when the app's call has ended with the WebSocket accepted.

        Args:
            serve: Serves the client. It is not canceled when the client disconnects.
            most: Maximum number of counted messages queued for the client.
        """
        self._serve = serve
        self.writer.most = most

    async def receive(self) -> list[str | bytes]:
        """Return all received messages, waiting for the first one; an empty list once the WebSocket is closed."""
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
        """Send a close after the queued frames, and end `receive`. Do nothing if it is already closed.

        Args:
            code: The close code, see RFC 6455 section 7.4.
            reason: The reason, truncated to 123 bytes.
            drop: Whether to drop queued frames that are not partly sent.
        """
        if self._endpoint is None or not self._endpoint.is_open:
            return
        if drop:
            self.writer.drop()
        self.writer.write(self._endpoint.close(code, reason))
        self.note_end(code)

    # ------------------------------------------------------------------ reading, and the end

    async def _read(self) -> bool:
        """Receive once; return whether data was received."""
        self._reading = True
        try:
            data = await self._stream.receive_some(_PIECE)
        except trio.BrokenResourceError:
            data = b""
        except trio.ClosedResourceError:
            return False  # woken by `note_end` or by closing the socket
        finally:
            self._reading = False
        if not data:
            self.writer.cut()
            return False
        self._received = True
        if self._endpoint is not None:
            self._feed(bytes(data))
        return True

    def _feed(self, data: bytes) -> None:
        endpoint = self._endpoint
        assert endpoint is not None  # noqa: S101 (only called when open)
        endpoint.feed(data)
        if endpoint.close_code is not None:
            self.writer.drop()
        if endpoint.replies:
            replies, endpoint.replies = endpoint.replies, b""
            self.writer.write(bytes(replies))

    def _lose(self) -> None:
        """Record that the client has disconnected."""
        self.note_end(int(CloseReason.ABNORMAL_CLOSURE))

    def note_end(self, code: int) -> None:
        """Record the close code, preferring the client's, and wake the waiting tasks."""
        if self.code is None:
            endpoint = self._endpoint
            self.code = code if endpoint is None or endpoint.close_code is None else endpoint.close_code
        self._notify()
        if self._reading and not self.writer.ended:
            # A cancel scope would also work, but it costs time at every read and more memory than the rest of an idle
            # connection.
            trio.lowlevel.notify_closing(self._stream.socket)

    def _notify(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None
