"""What one connection has received since the last batch; of progress that newer progress replaced, the newest."""

import time
from collections.abc import Iterable
from typing import Protocol

from phaseline_tui.model.connection import Batch, LinkStatus
from phaseline_tui.model.frames import Frame, JobMessage, JobProgress

__all__ = ["Beat", "Wake"]


class Wake(Protocol):
    """Says that there is something to hand over."""

    def __call__(self, *, urgent: bool = False) -> object:
        """Say so; `urgent` if it can't wait for the next beat."""


class Beat:
    """Gathers frames and news of one connection until `take` makes a batch of them."""

    def __init__(self, origin: str) -> None:
        """Begin with nothing, for the connection called `origin`."""
        self.origin = origin
        self.status: LinkStatus | None = None
        self.delay: float | None = None
        self.ignored = 0
        self._frames: list[Frame] = []
        self._progress_at: dict[str, int] = {}
        self._messages = 0
        self._size = 0

    def count(self, messages: int, size: int) -> None:
        """Count a frame of `size` characters that held so many messages."""
        self._messages += messages
        self._size += size

    def add(self, frames: Iterable[Frame]) -> None:
        """Add frames; of progress in the same phase of the same job, only the newest of a beat counts."""
        kept, places = self._frames, self._progress_at
        for frame in frames:
            if isinstance(frame, JobProgress):  # nearly always
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
        """Return what has gathered, and begin anew; None if nothing has."""
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
