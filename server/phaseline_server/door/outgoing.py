"""What a WebSocket sends: at once if the socket takes it, else queued, in order, and never half a frame."""

import os
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio

from phaseline_server.door.limits import Limits

__all__ = ["Outgoing"]

_PIECE = 65_536  # bytes that are joined into one write, and that must be taken before the deadline
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close discards what is unsent and resets

Spawn = Callable[[Callable[[], Awaitable[None]]], None]


class Outgoing:
    """The sending side of one socket. What it is given are whole frames.

    There is no task for it, and no waking of one, as long as the socket takes all at once.

    Attributes:
        fd: The socket's number while nothing waits, so that whole frames may be written to it at once; else -1.
        most: Counted messages that may wait, before one more write.
        ended: Whether the socket is closed.
        late: Whether it was closed because the client did not take in time what waits.
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
            stream: Nobody else may send on it, or close its socket but by `end`.
            limits: How many bytes may wait, and for how long.
            spawn: Starts a task, which is needed only while the socket is full.
            on_cut: Called when the client is cut off, or is found to be gone.
        """
        self._stream = stream
        self.fd = stream.socket.fileno()
        self._limits = limits
        self._spawn = spawn
        self._on_cut = on_cut
        self._waiting: deque[tuple[bytes, int]] | None = None  # None: nothing waits, so a write goes to the socket
        self._rest = b""  # what is being sent; to be finished whatever happens
        self._bytes = self._messages = 0  # that wait, of those that count
        self._flushed: trio.Event | None = None
        self.most = limits.queue
        self.ended = self.late = False

    @property
    def queued(self) -> int:
        """How many counted messages wait."""
        return self._messages

    @property
    def idle(self) -> bool:
        """Whether nothing waits."""
        return self._waiting is None

    def write(self, frames: bytes, count: int = 0) -> bool:
        """Send, or queue.

        Args:
            frames: Whole frames, at least one.
            count: How many messages they are, for the bound; 0 for what its maker bounds by waiting (`wait_flushed`).

        Returns:
            False if they count and the queue is full; they are dropped then. True even if the client is gone.
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
        """Queue what is left of frames of which the socket has taken the first `size` bytes; nothing waited before."""
        self.fd = -1
        self._waiting = deque()
        self._rest = frames[size:]
        self._spawn(self._drain)

    def drop(self) -> None:
        """Forget what waits, but for what has been sent in part."""
        if self._waiting is not None:
            self._waiting.clear()
            self._bytes = self._messages = 0

    async def wait_flushed(self) -> None:
        """Wait until nothing waits, or the client is gone; a checkpoint in any case."""
        if self._waiting is None:
            await trio.lowlevel.checkpoint()
            return
        if self._flushed is None:
            self._flushed = trio.Event()
        await self._flushed.wait()

    def cut(self) -> None:
        """Close the socket at once; who waits for it is woken, and what waits is lost."""
        if not self.ended:
            if self._waiting is not None:
                # The client does not read; without a reset the kernel would go on offering it the rest.
                with suppress(OSError):
                    self._stream.socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, _RESET)
            self.end()
            self._on_cut()

    def end(self) -> None:
        """Close the socket."""
        self.ended = True
        self.fd = -1  # never a number that the system has given to somebody else by now
        self._stream.socket.close()
        self._over()

    async def _drain(self) -> None:
        """Send what waits; cut the client off if it does not take 64 KiB, or the rest, in time."""
        try:
            while self._take_next():
                with trio.move_on_after(self._limits.write_seconds) as patience:
                    await self._push(patience)
                if patience.cancelled_caught:
                    self.late = True
                    self.cut()
                    return
        except (OSError, trio.ClosedResourceError):
            self.cut()
        else:
            self._over()

    def _take_next(self) -> bool:
        """Make `_rest` what is to be sent next; return whether there is anything."""
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

    async def _push(self, patience: trio.CancelScope) -> None:
        socket, begun, sent = self._stream.socket, 0, 0
        with memoryview(self._rest) as view:
            while sent < len(view):
                try:
                    sent += os.write(socket.fileno(), view[sent:])
                except BlockingIOError:
                    if sent - begun >= _PIECE:
                        begun, patience.deadline = sent, trio.current_time() + self._limits.write_seconds
                    try:
                        await trio.lowlevel.wait_writable(socket)
                    except trio.ClosedResourceError:
                        if self.ended:
                            raise
                        # Only a reader was to be woken.
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
