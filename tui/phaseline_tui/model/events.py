"""The live stream as the screen keeps it: the latest messages, whichever server sent them.

Pure: no clock, no socket, no widget. A message is kept as it came; words are made of it only when it is looked at,
for most of them never are.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from phaseline.text import one_line, one_line_value
from phaseline_tui.model.filtering import Filter
from phaseline_tui.model.frames import (
    ErrorOccurred,
    Frame,
    JobCompleted,
    JobFailed,
    JobLost,
    JobMessage,
    JobProgress,
    JobResumed,
    JobStalled,
    JobStarted,
    PhotoInfo,
    Problem,
    ProcessingMetrics,
    Snapshot,
    StageCompleted,
)
from phaseline_tui.model.ingest import key_of
from phaseline_tui.model.jobs import WORKER_GONE, JobKey, JobView, PhaseView, State
from phaseline_tui.model.words import count_of, duration, words_of_value

__all__ = ["Event", "EventLog", "Words", "words_of"]

_LONG: Final = 500
_TOLD: Final = (JobMessage, Snapshot, Problem)
_STATES: Final = {state.value: state for state in State}


class SnapshotTaken(NamedTuple):
    """What is kept of a snapshot: its jobs would be held in memory twice."""

    jobs: int
    seq: int | None


class Event(msgspec.Struct, gc=False):
    """One message."""

    frame: JobMessage | Problem | SnapshotTaken
    origin: str
    """The label of the connection it came by."""
    wall: float
    """When it came, seconds since 1970."""
    name: str = ""
    """The job's short name, as it was known then."""

    @property
    def key(self) -> JobKey | None:
        """The job that it is about; None if it is about none."""
        return key_of(self.origin, self.frame.job_id) if isinstance(self.frame, JobMessage) else None


class Words(NamedTuple):
    """What a row says of an event, all of it clean."""

    kind: str
    """One of: started, progress, phase done, skipped, facts, error, completed, failed, cancelled, stalled, lost,
    resumed, metrics, snapshot, server."""
    phase: str
    text: str


class _Unread(NamedTuple):
    """What came in a beat, of which no events are made before somebody looks."""

    frames: Sequence[Frame]
    origin: str
    wall: float
    name: Callable[[JobKey], str]


class EventLog:
    """The latest events, oldest first; those that the filter keeps are `shown`."""

    def __init__(self, most: int = 5000) -> None:
        """Begin with none; of more than `most`, the oldest are forgotten."""
        self.filter = Filter()
        self._total = 0
        self._events: deque[Event] = deque(maxlen=most)
        self._shown: deque[Event] = deque(maxlen=most)
        self._row: list[Event] | None = None
        self._unread: deque[_Unread] = deque()
        self._count = 0
        """How many messages are unread."""
        self._most = most

    @property
    def total(self) -> int:
        """How many have come, forgotten ones included."""
        self.read()
        return self._total

    def shown(self) -> list[Event]:
        """Return what is to be seen, oldest first."""
        self.read()
        if self._row is None:
            self._row = list(self._shown if self.filter else self._events)
        return self._row

    def take(
        self, frames: Sequence[Frame], origin: str, wall: float, name: Callable[[JobKey], str] = lambda _key: ""
    ) -> None:
        """Take in frames.

        Args:
            frames: in their order.
            origin: the label of the connection they came by.
            wall: when they came, seconds since 1970.
            name: gives a job's short name, and is asked when the events are next looked at, or at `read`.
        """
        if not frames:
            return
        self._unread.append(_Unread(frames, origin, wall, name))
        self._count += len(frames)
        if Snapshot in map(type, frames):
            self.read()  # Its jobs would be held in memory twice.
            return
        while self._count - len(self._unread[0].frames) >= self._most:  # It would be forgotten as soon as it is read.
            old = self._unread.popleft().frames
            self._count -= len(old)
            self._total += sum(isinstance(frame, _TOLD) for frame in old)

    def read(self) -> None:
        """Make events of what has come; before names change of which they speak."""
        while self._unread:
            unread = self._unread.popleft()
            for frame in unread.frames:
                if isinstance(frame, _TOLD):
                    self._add(frame, unread)
        self._count = 0

    def _add(self, frame: JobMessage | Snapshot | Problem, unread: _Unread) -> None:
        kept = SnapshotTaken(len(frame.jobs), frame.seq) if isinstance(frame, Snapshot) else frame
        event = Event(kept, unread.origin, unread.wall)
        if (key := event.key) is not None:
            event.name = unread.name(key)
        self._total += 1
        self._events.append(event)
        if self.filter and self.filter.keeps(_as_job(event)):
            self._shown.append(event)
        self._row = None

    def set_filter(self, text: str) -> None:
        """Show only what `text` finds (see `Filter`), as if each event were its job at that moment."""
        self.read()
        self.filter = Filter(text)
        keeps = self.filter.keeps
        self._shown = deque(
            (event for event in self._events if keeps(_as_job(event))) if self.filter else (), self._events.maxlen
        )
        self._row = None


def words_of(frame: Frame | JobMessage | SnapshotTaken) -> Words:
    """Return what a message says."""
    match frame:
        case JobStarted():
            words = Words("started", "", count_of(len(frame.stages), "phase") if frame.stages else "")
        case JobProgress():
            percent = "" if frame.progress is None else f"{frame.progress:.0f}% "
            words = Words(
                "progress",
                one_line(frame.stage or ""),
                f"{percent}{one_line(frame.message or '', _LONG)}".strip(),
            )
        case StageCompleted():
            took = "" if frame.stage_seconds is None else f"{frame.stage_seconds:.1f}s"
            usual = "" if frame.average_seconds is None or not took else f", usually {frame.average_seconds:.1f}s"
            words = Words("skipped" if frame.skipped else "phase done", one_line(frame.stage or ""), took + usual)
        case PhotoInfo():
            words = Words("facts", "", _facts(frame.photo_data))
        case ErrorOccurred():
            kind, said = one_line(frame.error_type or ""), one_line(frame.error_message or "", _LONG)
            words = Words("error", one_line(frame.stage or ""), f"{kind}: {said}" if kind and said else kind or said)
        case JobCompleted():
            words = Words("completed", "", _took(frame.duration))
        case JobFailed():
            words = Words("cancelled" if frame.state == "cancelled" else "failed", "", _reason(frame))
        case _:
            words = _words_of_ours(frame)
    return words


def _words_of_ours(frame: Frame | JobMessage | SnapshotTaken) -> Words:  # noqa: PLR0911 - one return a message
    """Return what a message says that only our servers send."""
    match frame:
        case JobStalled():
            return Words("stalled", "", _why(frame.reason, _silence(frame.silent_seconds)))
        case JobLost():
            return Words("lost", "", _why(frame.reason, "not heard of again"))
        case JobResumed():
            return Words("resumed", "", "worker connected again")
        case ProcessingMetrics():
            return Words("metrics", "", _facts(frame.metrics))
        case SnapshotTaken():
            return Words("snapshot", "", f"{count_of(frame.jobs, 'job')} at {frame.seq}")
        case Problem():
            return Words("server", "", one_line(frame.error or frame.code or "", _LONG))
        case _:
            return Words("", "", "")


def _facts(value: object) -> str:
    known = one_line_value(value)
    facts = known if isinstance(known, dict) else {}
    parts = [f"{key} {words_of_value(each)}" for key, each in facts.items()] or [words_of_value(known)]
    return one_line(" · ".join(parts), _LONG)


def _took(seconds: float | None) -> str:
    return "" if seconds is None else f"after {seconds:.1f}s"


def _silence(seconds: float | None) -> str:
    return "" if seconds is None else f"silent for {duration(seconds)}"


def _why(reason: str | None, otherwise: str) -> str:
    return WORKER_GONE if reason == WORKER_GONE else otherwise


def _reason(frame: JobFailed) -> str:
    said = frame.result.get("error") if isinstance(frame.result, dict) else None
    reason = one_line(said, _LONG) if isinstance(said, str) else ""
    return " ".join(part for part in (_took(frame.duration), reason) if part)


def _as_job(event: Event) -> JobView:
    """Return a job that the filter takes for the event's: its words are found by what they say, too."""
    frame = event.frame
    words = words_of(frame)
    job = JobView(one_line(frame.job_id) if isinstance(frame, JobMessage) else "", event.origin)
    job.name = f"{event.name} {words.kind} {words.text}"
    job.message = words.text
    if words.phase:
        job.phases, job.phase_index = [PhaseView(words.phase)], 1
    if isinstance(frame, JobMessage):
        job.workflow, job.series, job.host = (
            one_line(each or "") for each in (frame.workflow, frame.series, frame.host)
        )
        job.state = State.FAILED if isinstance(frame, ErrorOccurred) else _STATES.get(frame.state or "", State.ACTIVE)
    return job
