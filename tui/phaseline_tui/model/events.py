"""The messages of the event log, and their texts.

Messages are stored as received and converted to text only when they are shown, because most of them never are.
"""

from typing import Final, NamedTuple

import msgspec

from phaseline.text import one_line, one_line_value
from phaseline_tui.model.frames import (
    ErrorOccurred,
    Frame,
    JobCompleted,
    JobDismissed,
    JobFailed,
    JobLost,
    JobMessage,
    JobProgress,
    JobQueued,
    JobResumed,
    JobStalled,
    JobStarted,
    OrderGiven,
    OrderRefused,
    OrderTaken,
    PhotoInfo,
    Problem,
    ProcessingMetrics,
    StageCompleted,
)
from phaseline_tui.model.ingest import key_of
from phaseline_tui.model.jobs import WORKER_GONE, JobKey, JobView, PhaseView, State
from phaseline_tui.model.words import count_of, duration, words_of_value

__all__ = ["Event", "SnapshotSummary", "Words", "as_job", "words_of"]

_LONG: Final = 500
_STATES: Final = {state.value: state for state in State}


class SnapshotSummary(NamedTuple):
    """A snapshot without its jobs, which would otherwise be in memory twice."""

    jobs: int
    seq: int | None


class Event(msgspec.Struct, gc=False):
    """One message of the log."""

    frame: JobMessage | Problem | SnapshotSummary
    origin: str
    """Label of the connection that received it."""
    wall: float
    """Time of receipt, in seconds since 1970."""
    name: str = ""
    """Short name of the job at that time."""
    number: int = 0
    """Its number among all events received."""
    folded: int = 0
    """Number of earlier progress messages of the job that its line stands for."""

    @property
    def key(self) -> JobKey | None:
        """The job of the message; None if it has none."""
        return key_of(self.origin, self.frame.job_id) if isinstance(self.frame, JobMessage) else None


class Words(NamedTuple):
    """The texts of an event's row, cleaned."""

    kind: str
    """One of: queued, started, progress, phase done, skipped, facts, error, completed, failed, cancelled, stalled,
    lost, resumed, order, order taken, refused, metrics, snapshot, server."""
    phase: str
    text: str


def words_of(frame: Frame | JobMessage | SnapshotSummary) -> Words:
    """Return the texts of a message."""
    match frame:
        case JobQueued():
            place = "" if frame.position is None else f", place {frame.position}"
            words = Words("queued", "", f"{one_line(frame.queue or '')}{place}".removeprefix(", "))
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
            kind, text = one_line(frame.error_type or ""), one_line(frame.error_message or "", _LONG)
            words = Words("error", one_line(frame.stage or ""), f"{kind}: {text}" if kind and text else kind or text)
        case JobCompleted():
            words = Words("completed", "", _took(frame.duration))
        case JobFailed():
            words = Words("cancelled" if frame.state == "cancelled" else "failed", "", _reason(frame))
        case _:
            words = _words_of_other(frame)
    return words


def _words_of_other(  # noqa: C901, PLR0911 - one case and return a message
    frame: Frame | JobMessage | SnapshotSummary,
) -> Words:
    """Return the texts of a message beyond the photo protocol."""
    match frame:
        case JobStalled():
            return Words("stalled", "", _why(frame.reason, _silence(frame.silent_seconds)))
        case JobLost():
            return Words("lost", "", _why(frame.reason, "no reports"))
        case OrderTaken():
            return Words("order taken", "", one_line(frame.order or ""))
        case OrderRefused():
            return Words("refused", "", _order(frame))
        case OrderGiven():
            return Words("order", "", _order(frame))
        case JobDismissed():
            return Words("dismissed", "", "")
        case JobResumed():
            return Words("resumed", "", "worker reconnected")
        case ProcessingMetrics():
            return Words("metrics", "", _facts(frame.metrics))
        case SnapshotSummary():
            return Words("snapshot", "", f"{count_of(frame.jobs, 'job')} at {frame.seq}")
        case Problem():
            return Words("server", "", one_line(frame.error or frame.code or "", _LONG))
        case _:
            return Words("", "", "")


def _order(frame: OrderGiven) -> str:
    return ": ".join(one_line(part, _LONG) for part in (frame.order, frame.reason) if part)


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
    text = frame.result.get("error") if isinstance(frame.result, dict) else None
    reason = one_line(text, _LONG) if isinstance(text, str) else ""
    return " ".join(part for part in (_took(frame.duration), reason) if part)


def as_job(event: Event) -> JobView:
    """Return a job with the event's texts, so that the job filter applies to events."""
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
