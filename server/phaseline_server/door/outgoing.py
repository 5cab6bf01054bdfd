"""The sending side of a WebSocket: frames are written at once if possible, or else queued, in order and whole."""

import os
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio

from phaseline_server.door.limits import Limits

__all__ = ["Outgoing"]

_PIECE = 65_536  # bytes that are joined into one write, and that the client must read before the deadline
_AT_ONCE = 262_144  # bytes that are written between two checkpoints
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close discards what is unsent and resets

Spawn = Callable[[Callable[[], Awaitable[None]]], None]


class Outgoing:
    """The sending side of one socket, which accepts whole frames.

    It needs no task as long as the socket accepts all data at once.

    Attributes:
        fd: The socket's file descriptor while the queue is empty, for direct writes of whole frames; else -1.
        most: Number of queued messages from which further ones are rejected.
        ended: Whether the socket is closed.
        late: Whether it was closed because the client did not read in time.
    """

    __slots__ = (
        "_bytes",
        "_flushed",
        "_limits",
        "_messages",
        "_on_cut",
        "_rest",
        "_spawn",
        "_stream",
        "_waiting",
        "ended",
        "fd",
        "late",
        "most",
    )

    def __init__(self, stream: trio.SocketStream, limits: Limits, spawn: Spawn, on_cut: Callable[[], None]) -> None:
        """Send on `stream`.

        Args:
            stream: The socket. Nothing else may send on it or close it, except by `end`.
            limits: Limits of the queue and of the time to send it.
            spawn: Starts a task, which is needed only while the socket is full.
            on_cut: Called when the client is cut off or found to be disconnected.
        """
        self._stream = stream
        self.fd = stream.socket.fileno()
        self._limits = limits
        self._spawn = spawn
        self._on_cut = on_cut
        self._waiting: deque[tuple[bytes, int]] | None = None  # None: empty, so a write goes to the socket
        self._rest: bytes | memoryview = b""  # being sent; it must be sent completely, to keep frames whole
        self._bytes = self._messages = 0  # queued, of counted messages
        self._flushed: trio.Event | None = None
        self.most = limits.queue
        self.ended = self.late = False

    @property
    def queued(self) -> int:
        """The number of queued counted messages."""
        return self._messages

    @property
    def idle(self) -> bool:
        """Whether the queue is empty."""
        return self._waiting is None

    def write(self, frames: bytes, count: int = 0) -> bool:
        """Send frames, or queue them.

        Args:
            frames: One or more whole frames.
            count: Number of messages that count towards the queue limit; 0 if the sender waits with `wait_flushed`.

        Returns:
            False if counted frames were dropped because the queue is full. True even if the client has disconnected.
        """
        if self._waiting is None:
            try:
                sent = os.write(self.fd, frames)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.cut()
                return True
            if sent != len(frames):
                self.finish(frames, sent)
            return True
        if count:
            if self._messages >= self.most or self._bytes >= self._limits.queue_bytes:
                return False
            self._messages += count
            self._bytes += len(frames)
        self._waiting.append((frames, count))
        return True

    def finish(self, frames: bytes, size: int) -> None:
        """Queue the rest of frames whose first `size` bytes are sent. The queue must be empty."""
        self.fd = -1
        self._waiting = deque()
        self._rest = memoryview(frames)[size:]  # not a copy: a state may be large, and is shared by its subscribers
        self._spawn(self._drain)

    def drop(self) -> None:
        """Clear the queue, except for frames that are partly sent."""
        if self._waiting is not None:
            self._waiting.clear()
            self._bytes = self._messages = 0

    async def wait_flushed(self) -> None:
        """Wait until the queue is empty or the client has disconnected. This is always a checkpoint."""
        if self._waiting is None:
            await trio.lowlevel.checkpoint()
            return
        if self._flushed is None:
            self._flushed = trio.Event()
        await self._flushed.wait()

    def cut(self) -> None:
        """Close the socket at once, drop the queue and wake all waiting tasks."""
        if not self.ended:
            if self._waiting is not None:
                # The client does not read. Without a reset, the kernel would keep trying to send the rest.
                with suppress(OSError):
                    self._stream.socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, _RESET)
            self.end()
            self._on_cut()

    def end(self) -> None:
        """Close the socket."""
        self.ended = True
        self.fd = -1  # the system may reuse the number
        self._stream.socket.close()
        self._over()

    async def _drain(self) -> None:
        """Send the queue; cut the client off if it does not read 64 KiB, or the rest, in time."""
        try:
            while self._take_next():
                with trio.move_on_after(self._limits.write_seconds) as scope:
                    await self._push(scope)
                if scope.cancelled_caught:
                    self.late = True
                    self.cut()
                    return
        except (OSError, trio.ClosedResourceError):
            self.cut()
        else:
            self._over()

    def _take_next(self) -> bool:
        """Fill `_rest` with the next data to send; return whether there is any."""
        if self._rest or not self._waiting:
            return bool(self._rest)
        joined: list[bytes] = []
        size = 0
        while self._waiting and size < _PIECE:
            frames, count = self._waiting.popleft()
            joined.append(frames)
            size += len(frames)
            if count:
                self._messages -= count
                self._bytes -= len(frames)
        self._rest = b"".join(joined)
        return True

    async def _push(self, scope: trio.CancelScope) -> None:
        socket, begun, sent = self._stream.socket, 0, 0
        with memoryview(self._rest) as view:
            while sent < len(view):
                try:
                    sent += os.write(socket.fileno(), view[sent : sent + _AT_ONCE])
                except BlockingIOError:
                    if sent - begun >= _PIECE:
                        begun, scope.deadline = sent, trio.current_time() + self._limits.write_seconds
                    try:
                        await trio.lowlevel.wait_writable(socket)
                    except trio.ClosedResourceError:
                        if self.ended:
                            raise
                        # `notify_closing` was called to wake the reader; the socket is still open.
                else:
                    await trio.lowlevel.cancel_shielded_checkpoint()  # a client that reads fast must not keep the turn
        self._rest = b""

    def _over(self) -> None:
        self._waiting = None
        self._rest = b""
        self._bytes = self._messages = 0
        if not self.ended:
            self.fd = self._stream.socket.fileno()
        if self._flushed is not None:
            self._flushed.set()
            self._flushed = None
