"""The event log: the last messages of all servers.

Pure: no clock, no socket, no widget.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from phaseline.filtering import Filter
from phaseline_tui.model.events import Event, SnapshotSummary, as_job
from phaseline_tui.model.frames import SNAPSHOTS, ConvertedSnapshot, Frame, JobMessage, JobProgress, Problem, Snapshot
from phaseline_tui.model.jobs import JobKey

__all__ = ["EventLog"]

_LOGGED: Final = (JobMessage, Snapshot, Problem)


class _Pending(NamedTuple):
    """Frames of one batch that are not converted to events yet."""

    frames: Sequence[Frame]
    origin: str
    wall: float
    name: Callable[[JobKey], str]


class EventLog:
    """The last events, oldest first. `shown` returns those that match the filter."""

    def __init__(self, most: int = 5000, *, folds: bool = True) -> None:
        """Start empty.

        Args:
            most: Number of events that the log keeps; it drops the oldest.
            folds: Whether the progress of a job is one line, until something else happens to the job.
        """
        self.filter = Filter()
        self.folds = folds
        self._total = 0
        self._events: deque[Event] = deque()
        self._lines: dict[int, Event] = {}
        """The lines by the number of their event, in ascending order."""
        self._progress: dict[JobKey, int] = {}
        """The last line of each job, if it is progress."""
        self._row: list[Event] | None = None
        self._pending: deque[_Pending] = deque()
        self._count = 0
        """Number of pending messages."""
        self._most = most

    @property
    def total(self) -> int:
        """Number of events received, including dropped ones."""
        self.convert()
        return self._total

    def shown(self) -> list[Event]:
        """Return the events that match the filter, oldest first; of folded ones, the last."""
        self.convert()
        if self._row is None:
            self._row = list(self._lines.values())
        return self._row

    def add(
        self, frames: Sequence[Frame], origin: str, wall: float, name: Callable[[JobKey], str] = lambda _key: ""
    ) -> None:
        """Add frames, which are converted to events later.

        Args:
            frames: Frames in their order.
            origin: Label of the connection that received them.
            wall: Time of receipt, in seconds since 1970.
            name: Returns a job's short name; called when the frames are converted.
        """
        if not frames:
            return
        self._pending.append(_Pending(frames, origin, wall, name))
        self._count += len(frames)
        if not SNAPSHOTS.isdisjoint(map(type, frames)):
            self.convert()  # otherwise its jobs would be in memory twice
            return
        while self._count - len(self._pending[0].frames) >= self._most:  # it would be dropped at once
            old = self._pending.popleft().frames
            self._count -= len(old)
            self._total += sum(isinstance(frame, _LOGGED) for frame in old)

    def convert(self) -> None:
        """Convert the pending frames to events. Call this before jobs are removed, because events need their names."""
        while self._pending:
            pending = self._pending.popleft()
            for frame in pending.frames:
                if isinstance(frame, _LOGGED):
                    self._add_event(frame, pending)
        self._count = 0

    def _add_event(self, frame: JobMessage | Snapshot | Problem, pending: _Pending) -> None:
        kept = _summary(frame) if isinstance(frame, Snapshot) else frame
        self._total += 1
        event = Event(kept, pending.origin, pending.wall, number=self._total)
        if (key := event.key) is not None:
            event.name = pending.name(key)
        self._events.append(event)
        if len(self._events) > self._most:
            self._lines.pop(self._events.popleft().number, None)
        if not self.filter or self.filter.keeps(as_job(event)):
            self._add_line(event)

    def _add_line(self, event: Event) -> None:
        event.folded = 0
        key = event.key if self.folds else None
        if key is not None and isinstance(event.frame, JobProgress):
            before = self._lines.pop(self._progress.get(key, 0), None)
            event.folded = 0 if before is None else before.folded + 1
            self._progress[key] = event.number
        elif key is not None:
            self._progress.pop(key, None)
        self._lines[event.number] = event
        self._row = None

    def set_filter(self, text: str) -> None:
        """Show only the events that match `text` (see `Filter`), each as its job was at that moment."""
        self.convert()
        self.filter = Filter(text)
        self._choose_lines()

    def fold(self, *, folds: bool) -> None:
        """Make one line of the progress of a job, or one of each message."""
        self.convert()
        self.folds = folds
        self._choose_lines()

    def _choose_lines(self) -> None:
        self._lines.clear()
        self._progress.clear()
        keeps = self.filter.keeps
        for event in self._events:
            if not self.filter or keeps(as_job(event)):
                self._add_line(event)
        self._row = None


def _summary(snapshot: Snapshot) -> SnapshotSummary:
    if isinstance(snapshot, ConvertedSnapshot):
        return SnapshotSummary(len(snapshot.views) + snapshot.left_out, snapshot.seq)
    return SnapshotSummary(len(snapshot.jobs), snapshot.seq)
