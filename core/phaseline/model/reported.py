"""What was reported of a job, and how each event changes it. `transitions` defines which events it accepts."""

from typing import Any, Final, Self, assert_never

import msgspec

from phaseline.model.events import (
    MAX_PHASES,
    ErrorOccurred,
    Event,
    Finding,
    JobCancelled,
    JobCompleted,
    JobDismissed,
    JobFailed,
    JobLost,
    JobProgress,
    JobResumed,
    JobStalled,
    JobStarted,
    MetricsReported,
    PhaseCompleted,
    PhotoInfo,
)
from phaseline.model.naming import job_name
from phaseline.model.phase import Phase, PhaseDuration
from phaseline.model.snapshot import ErrorSnapshot, Moment, PhaseState, State
from phaseline.model.timeline import Timeline
from phaseline.model.transitions import check
from phaseline.model.weight import weight
from phaseline.model.workflows import PHOTO, workflow

__all__ = ["MAX_ERRORS", "MAX_KEPT_BYTES", "ReportedJob"]

_encoder: Final = msgspec.json.Encoder()

# These events only change what an estimate depends on if they change the state, the photo or the current phase.
_MINOR: Final = (JobProgress, ErrorOccurred, MetricsReported)

# The memory that a job takes besides its facts, and each of its phases, in bytes.
_BASE_WEIGHT: Final = 3000
_PHASE_WEIGHT: Final = 300
# At this limit a job keeps its first errors, which say the most, and the latest.
MAX_ERRORS: Final = 100
# Encoded size of a job's errors in memory, and of its `photo_info`. Many small messages could otherwise fill the
# memory.
MAX_KEPT_BYTES: Final = 262_144


class ReportedJob:
    """One job as its events leave it, from `job_started` to its end; use `Job`.

    Only `apply`, `goes_on`, `settle`, `shown_percent` and its callers `brief` and `snapshot` change the attributes. The
    tracker also sets `seq`, `last_report` and `workers`.

    Attributes:
        seq: The number of its last event.
        version: The identity of all that an estimate depends on, except the time and the current phase's progress.
            Copies share it, and each change replaces it. A number would not do: when an event is rolled back, the next
            one gets the same.
        latest: When the worker's last report happened. Events that the server creates don't count, because a delayed
            report may have happened before them.
        last_report: When the worker's last report arrived; later than `latest` if it was delayed.
        workers: The names of the connected workers that report it; see `phaseline_server.jobs.workers`.
        name: The name that users see.
        stall_reason: Why it is stalled or lost, "" otherwise.
        dismissed: Whether a user dismissed it since its last report.
        reached: Progress of its last phase when the job failed or was cancelled, in percent.
        errors_bytes: Encoded size of `errors`.
        info_weight: Memory that `info` takes, in bytes; see `phaseline.model.weight`.
        worker_weight: Memory that `worker` takes.
        errors_weight: Memory that `errors` takes.
        result_weight: Memory that `result` takes.
        max_phases: Maximum number of phases.
        results: The results of completed phases, by name; None for one that was too large to keep.
        results_bytes: Encoded size of `results`.
        max_kept_bytes: Maximum encoded size of `errors`, of `info`, and of `results`.
    """

    max_phases = MAX_PHASES
    max_kept_bytes = MAX_KEPT_BYTES

    def __init__(self, job_id: str) -> None:
        """Create an absent job; its first event must be `JobStarted`."""
        self.job_id = job_id
        self.state = State.ABSENT
        self.seq = 0
        self.version = object()
        self.latest = Moment(0, -(2**63))  # before any time of a monotonic clock, which starts with the machine
        self.last_report = self.latest
        self.workers: tuple[str, ...] = ()
        self._reset(JobStarted(job_id=job_id), Moment(0, 0))

    def _reset(self, event: JobStarted, now: Moment) -> None:
        is_photo = event.photo_id is not None or bool(event.photo_info)
        default = PHOTO.name if is_photo and not event.phases else "custom"
        self.workflow = workflow(event.workflow or default, event.phases)
        # Without any of these, the first phase decides whether the workflow is `photo`.
        self.undecided = not (event.workflow or event.phases or is_photo)
        self.series = event.series
        self.host = event.host
        self.worker: dict[str, Any] = dict(event.worker)
        self.given_name = event.name
        self.photo_id = event.photo_id
        self.info: dict[str, Any] = dict(event.photo_info)
        self.info_weight = weight(_encoder.encode(self.info)) if self.info else 0
        self.worker_weight = weight(_encoder.encode(self.worker)) if self.worker else 0
        self.timeline = Timeline(self.workflow, now)
        self.text = ""
        self.errors: tuple[ErrorSnapshot, ...] = ()
        self.errors_bytes = self.errors_weight = 0
        self.results: dict[str, dict[str, Any] | None] = {}
        self.results_bytes = 0
        self.started = now
        self.ended: Moment | None = None
        self.result: dict[str, Any] | None = None
        self.result_weight = 0
        self.duration: float | None = None
        self.cache_hit = event.cache_hit
        self.percent = self.reached = 0.0
        self.stall_reason = ""
        self.dismissed = False
        self.rename()

    def rename(self) -> None:
        """Find the job's name anew, as its facts have changed."""
        self.name = job_name(self.given_name, self.info, self.photo_id, self.job_id)

    def copy(self) -> Self:
        """Return an independent copy. Shared values are safe because they are replaced, never changed."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.timeline = self.timeline.copy()
        return other

    # ------------------------------------------------------------------ events

    def goes_on(self, event: JobProgress, now: Moment) -> bool:
        """Apply a report of progress in the current phase; return False and change nothing for any other.

        Most reports are of this kind. `apply` has the same effect on them at several times the cost.
        """
        timeline = self.timeline
        if self.state is not State.ACTIVE or timeline.current is None or now.mono_ns < self.latest.mono_ns:
            return False
        phase, progress = timeline.phases[timeline.current], event.progress
        if phase.name != event.phase or (self.photo_id is None and event.photo_id is not None):
            return False
        if progress is not None:
            if not 0 <= progress <= 100:  # noqa: PLR2004 - percent
                return False
            phase.report(progress, now)
        if event.done is not None:
            phase.count(event.done, event.total, event.unit, now)
        self.latest = self.last_report = now
        self.text = event.text
        return True

    def resolved(self, event: JobProgress) -> JobProgress:
        """Return `event` with the progress that its count means, for `goes_on`, `apply` and the message."""
        if event.progress is not None or event.done is None:
            return event
        index = self.timeline.index(event.phase)
        phase = self.phases[index] if index is not None and index == self.current else Phase(event.phase)
        return msgspec.structs.replace(event, progress=phase.percent_of(event.done, event.total))

    def apply(self, event: Event, now: Moment) -> tuple[PhaseDuration, ...]:
        """Apply `event`; when it ends the job, return the durations of all completed phases.

        Estimates learn from a job only at its end, so its own phases never change the estimate of its remaining ones.

        Args:
            event: The event.
            now: When it happened.

        Raises:
            IllegalEvent: As `transitions.check`; the job is unchanged.
            InvalidField: As `transitions.check`; the job is unchanged.
            TooLarge: As `transitions.check`; the job is unchanged.
        """
        after = check(self, event)
        if isinstance(event, Finding):
            self._find(event, after, now)
            return ()
        if isinstance(event, JobDismissed):
            self.dismissed, self.version = True, object()
            return ()
        known = self.state, self.photo_id, self.current
        # The reported age of an event can't date it before the previous report.
        now = self.latest = self.last_report = now if now.mono_ns >= self.latest.mono_ns else self.latest
        self.stall_reason, self.dismissed = "", False
        if self.photo_id is None:
            # Some workers send it only after the start.
            self.photo_id = getattr(event, "photo_id", None)
            if self.photo_id is not None:
                self.rename()
        if self.undecided:
            self._decide(event)
        self._change(event, now)
        self.state = after
        if not isinstance(event, _MINOR) or known != (self.state, self.photo_id, self.current):
            self.version = object()
        return self._durations() if after.ended else ()

    def _change(self, event: Event, now: Moment) -> None:
        match event:
            case JobProgress():
                self.text = event.text
                self.timeline.enter(event.phase, event.progress, now)
                if event.done is not None and self.current is not None:
                    self.phases[self.current].count(event.done, event.total, event.unit, now)
            case PhaseCompleted():
                self.timeline.complete(event.phase, PhaseState.SKIPPED if event.skipped else PhaseState.DONE, now)
                self._keep_result(event)
            case JobStarted():
                self._reset(event, now)
            case PhotoInfo():
                self.info = self.info | event.data
                self.info_weight = weight(_encoder.encode(self.info))
                self.rename()
            case ErrorOccurred():
                self._error(event, now)
            case JobCompleted() | JobFailed() | JobCancelled():
                self._end(event, now)
            case MetricsReported() | JobStalled() | JobLost() | JobResumed() | JobDismissed():
                pass  # these change only the state, or are applied before
            case _:
                assert_never(event)

    def _decide(self, event: Event) -> None:
        """Choose the workflow of a job that was started without one, if `event` tells."""
        match event:
            case JobProgress() | PhaseCompleted() if event.phase not in PHOTO.ends:
                is_photo = event.phase in PHOTO.phases or event.phase in PHOTO.extras
            case PhotoInfo():
                is_photo = True
            case _:
                return
        self.undecided = False
        if is_photo:
            interrupted, self.workflow = self.timeline.interrupted, PHOTO
            self.timeline = Timeline(PHOTO, self.started)
            self.timeline.interrupted = interrupted

    def _find(self, event: Finding, after: State, now: Moment) -> None:
        match event:
            case JobStalled() | JobLost():
                self.stall_reason = event.reason
            case JobResumed():
                self.stall_reason, self.last_report = "", now
        self.state, self.version = after, object()

    def _error(self, event: ErrorOccurred, now: Moment) -> None:
        phase = event.phase if event.phase is not None or self.current is None else self.phases[self.current].name
        error = ErrorSnapshot(event.error_type, event.text, event.details, phase, now.wall_ns)
        document = _encoder.encode(error)
        size, kept = len(document), self.errors
        if kept and (len(kept) >= MAX_ERRORS or self.errors_bytes + size > self.max_kept_bytes):
            dropped = _encoder.encode(kept[-1])
            self.errors_bytes -= len(dropped)
            self.errors_weight -= weight(dropped)
            kept = kept[:-1]
        self.errors = (*kept, error)
        self.errors_bytes += size
        self.errors_weight += weight(document)

    @staticmethod
    def weight_of_start(event: JobStarted) -> int:
        """Return the memory that a job takes when `event` has started it, in bytes, roughly."""
        facts = weight(_encoder.encode(event.photo_info)) + weight(_encoder.encode(event.worker))
        return _BASE_WEIGHT + _PHASE_WEIGHT * len(event.phases) + facts

    @property
    def weight(self) -> int:
        """The memory that the job takes, in bytes, roughly."""
        facts = self.info_weight + self.worker_weight + self.errors_weight + self.result_weight + 3 * self.results_bytes
        return _BASE_WEIGHT + _PHASE_WEIGHT * len(self.phases) + facts

    def _keep_result(self, event: PhaseCompleted) -> None:
        if event.phase not in self.results and (not event.result or len(self.results) >= self.max_phases):
            return
        before = self.results.get(event.phase)
        others_bytes = self.results_bytes - (len(_encoder.encode(before)) if before is not None else 0)
        size = len(_encoder.encode(event.result))
        kept = others_bytes + size <= self.max_kept_bytes
        self.results = {**self.results, event.phase: event.result if kept else None}
        self.results_bytes = others_bytes + (size if kept else 0)

    def _end(self, event: JobCompleted | JobFailed | JobCancelled, now: Moment) -> None:
        self.ended = now
        if isinstance(event, JobCancelled):
            self.result, self.duration, why = {"error": event.reason}, None, event.reason or "cancelled"
        else:
            self.result, self.duration, why = event.result, event.duration, str(event.result.get("error") or "failed")
        self.result_weight = weight(_encoder.encode(self.result))
        if isinstance(event, JobCompleted):
            self.timeline.close(PhaseState.DONE, now)
            self.timeline.skip_rest()
            self.percent = 100.0
        else:
            self.timeline.close(PhaseState.FAILED, now, why)

    def _durations(self) -> tuple[PhaseDuration, ...]:
        if self.cache_hit:
            return ()
        done = (phase for phase in self.phases if phase.state is PhaseState.DONE and phase.measured)
        return tuple(PhaseDuration(self.workflow.name, self.series, phase.name, phase.spent_ns) for phase in done)

    @property
    def phases(self) -> list[Phase]:
        """The known phases in order."""
        return self.timeline.phases

    @property
    def current(self) -> int | None:
        """0-based index of the current phase, or None."""
        return self.timeline.current
