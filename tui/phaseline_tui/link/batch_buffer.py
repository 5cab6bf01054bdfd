"""The frames that one connection has received since its last batch."""

import time
from collections.abc import Iterable
from typing import Final, Protocol

import trio

from phaseline_tui.model.connection import Batch, LinkStatus
from phaseline_tui.model.frames import Frame, JobMessage, JobProgress

__all__ = ["BatchBuffer", "Wake"]

_MAX_FRAMES: Final = 1_000
_MAX_SIZE: Final = 8 * 1024 * 1024


class Wake(Protocol):
    """Reports that a buffer has something to deliver."""

    def __call__(self, *, urgent: bool = False) -> object:
        """Report it; `urgent` delivers it at once, before the next tick."""


class BatchBuffer:
    """Collects the frames, status and counts of one connection until `take` returns them as a batch."""

    def __init__(self, origin: str) -> None:
        """Start empty, for the connection labeled `origin`."""
        self.origin = origin
        self.status: LinkStatus | None = None
        self.delay: float | None = None
        self.ignored = 0
        self._frames: list[Frame] = []
        self._progress_at: dict[str, int] = {}
        self._messages = 0
        self._size = 0
        self._emptied = trio.Event()

    async def wait_for_room(self) -> None:
        """Wait until the batch is small enough to add more, so that a fast server waits for a slow screen."""
        while len(self._frames) >= _MAX_FRAMES or self._size >= _MAX_SIZE:
            await self._emptied.wait()

    def count(self, messages: int, size: int) -> None:
        """Count a text frame of `size` characters with this number of messages."""
        self._messages += messages
        self._size += size

    def add(self, frames: Iterable[Frame]) -> None:
        """Add frames. Newer progress of the same phase of the same job replaces older progress."""
        kept, places = self._frames, self._progress_at
        for frame in frames:
            if isinstance(frame, JobProgress):  # the most frequent type
                at = places.get(frame.job_id)
                before = kept[at] if at is not None else None
                if at is not None and isinstance(before, JobProgress) and before.stage == frame.stage:
                    kept[at] = frame
                    continue
                places[frame.job_id] = len(kept)
            elif isinstance(frame, JobMessage):
                places.pop(frame.job_id, None)
            else:
                places.clear()
            kept.append(frame)

    def take(self) -> Batch | None:
        """Return the collected batch and start a new one; None if the buffer is empty."""
        if not (self._size or self.status or self.delay is not None):
            return None
        batch = Batch(
            tuple(self._frames),
            time.monotonic(),
            self.status,
            self.ignored,
            self.origin,
            self.delay,
            self._messages,
            self._size,
        )
        self._clear()
        return batch

    def _clear(self) -> None:
        self.status = self.delay = None
        self.ignored = self._messages = self._size = 0
        self._frames = []
        self._progress_at = {}
        self._emptied.set()
        self._emptied = trio.Event()
