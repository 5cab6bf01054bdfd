"""Copy a command's output unchanged, then offer it to the parser.

Each stream is copied by a thread of its own with blocking calls, as `cat` copies: a reader that stops reading one of
our streams holds up that stream alone. The parser is offered a copy. If it is slow, it loses output; the user doesn't.
"""

import errno
import fcntl
import os
import select
import struct
import termios
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from phaseline_cli.run.spawn import ERR, OUT, Stream

CHUNK: Final = 1 << 18
OFFERED: Final = 1 << 16
"""Bytes that wait for the parser at most; older ones are dropped."""
FLOOD: Final = 1 << 17
"""Bytes that must wait in a pipe for most of them to be moved on unread."""
DRAIN: Final = 0.5
"""Seconds of silence after the command's end until a stream that another process holds open is abandoned."""


class Tee:
    """The threads that copy a command's streams."""

    def __init__(self, streams: Sequence[Stream]) -> None:
        """Begin to copy.

        Args:
            streams: what to read, and where it goes.
        """
        self._offered: deque[tuple[float, str, bytes]] = deque()
        self._waiting = {stream.name: 0 for stream in streams}
        self._lock = threading.Lock()
        self.more = threading.Event()
        """Set when there is something to parse, and at the end."""
        self.ended = threading.Event()
        """Set when the command has ended."""
        self.lost = 0
        """Bytes that the parser did not get, because it was too slow."""
        self.unwritten = ""
        """Why output could not be written, in words; "" if it was, or if its reader has gone."""
        self._stop, self._stopping = os.pipe()
        self.begun = time.monotonic()
        """When its time began, in monotonic seconds."""
        self._open = len(streams)
        self._streams = streams
        self._threads = [threading.Thread(target=self._copy, args=[s], name=f"copy {s.name}") for s in streams]
        for thread in self._threads:
            thread.start()

    @property
    def at_end(self) -> bool:
        """Whether all streams have ended and all is parsed."""
        return self._open == 0 and not self._offered

    def take(self) -> Sequence[tuple[float, str, bytes]]:
        """Return what came since the last call: seconds since the start, the stream's name, bytes."""
        with self._lock:
            taken = list(self._offered)
            self._offered.clear()
            self._waiting = dict.fromkeys(self._waiting, 0)
            if self._open:
                self.more.clear()
        return taken

    def command_ended(self) -> None:
        """Copy the rest, then stop: at once, or after half a second if another process holds the stream open."""
        os.close(self._stopping)
        self.ended.set()
        for thread in self._threads:
            thread.join()
        os.close(self._stop)
        for stream in self._streams:
            if stream.name == "pty":
                os.close(stream.source)

    def _copy(self, stream: Stream) -> None:
        poll = select.poll()
        poll.register(stream.source, select.POLLIN)
        poll.register(self._stop, select.POLLHUP)
        ending = False
        target = stream.target
        moves = target is not None and stream.name != "pty" and hasattr(os, "splice")
        try:
            while True:
                ready = dict(poll.poll(int(DRAIN * 1000) if ending else None))
                if self._stop in ready and not ending:
                    ending = True
                    poll.unregister(self._stop)
                if stream.source in ready:
                    moves = moves and target is not None and self._move(stream, target)
                    data = _read(stream.source)
                    if not data:
                        return
                    if target is not None and (error := _write(target, data)) is not None:
                        target = None
                        self._note(stream, error)
                        if stream.name != "pty":
                            return  # as the command would learn from SIGPIPE
                    self._offer(stream.name, data)
                elif ending and not ready:
                    return
        finally:
            if stream.name != "pty":  # closing a pseudo-terminal ends its session, in which processes may still run
                os.close(stream.source)
            with self._lock:
                self._open -= 1
            self.more.set()

    def _move(self, stream: Stream, target: int) -> bool:
        """Let the kernel move on what the parser would lose anyway; return False if it can't do so for this target."""
        waiting = _waiting(stream.source)
        if waiting < FLOOD or self._waiting[stream.name] < OFFERED // 2:
            return True
        try:
            moved = os.splice(stream.source, target, waiting - OFFERED)
        except OSError:  # the target is opened for appending, or has no reader; the next write shows which
            return False
        with self._lock:
            self.lost += moved
            self._drop_all(stream.name)
        return True

    def _drop_all(self, name: str) -> None:
        """Drop all data of one stream; later data does not continue it."""
        kept = [piece for piece in self._offered if piece[1] != name]
        self._offered.clear()
        self._offered.extend(kept)
        self.lost += self._waiting[name]
        self._waiting[name] = 0

    def _note(self, stream: Stream, error: OSError) -> None:
        if stream.name != "pty" and error.errno != errno.EPIPE:
            name = {OUT: "standard output", ERR: "standard error"}[stream.target or OUT]
            self.unwritten = f"{name} can't be written: {error.strerror}"

    def _offer(self, name: str, data: bytes) -> None:
        cut = max(0, len(data) - OFFERED)
        data = data[cut:]
        with self._lock:
            self.lost += cut
            self._offered.append((time.monotonic() - self.begun, name, data))
            self._waiting[name] += len(data)
            while (excess := sum(self._waiting.values()) - OFFERED) > 0:
                self._drop(excess)
        self.more.set()

    def _drop(self, excess: int) -> None:
        """Drop the oldest bytes of the largest stream, so that bulk data on one does not hide progress on another."""
        name = max(self._waiting, key=lambda name: self._waiting[name])
        place = next(place for place, piece in enumerate(self._offered) if piece[1] == name)
        at, _, oldest = self._offered[place]
        dropped = min(len(oldest), excess)
        if dropped < len(oldest):
            self._offered[place] = (at, name, oldest[dropped:])
        else:
            del self._offered[place]
        self._waiting[name] -= dropped
        self.lost += dropped


def _waiting(pipe: int) -> int:
    """Return how many bytes wait in a pipe."""
    return int(struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0])


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, CHUNK)
    except OSError:  # the end of a pseudo-terminal is EIO
        return b""


def _write(fd: int, data: bytes) -> OSError | None:
    """Write all; return the error that prevents it."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:  # another process set the stream to non-blocking
            select.select([], [fd], [])
        except OSError as error:
            return error
    return None
