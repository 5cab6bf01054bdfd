"""A job: its state, and how each event changes it. `transitions` defines which events it accepts."""

from typing import Any, Final, Self, assert_never

import msgspec

from phaseline.model.events import (
    MAX_PHASES,
    ErrorOccurred,
    Event,
    Finding,
    JobCancelled,
    JobCompleted,
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
from phaseline.model.phase import Phase, PhaseDuration
from phaseline.model.snapshot import Brief, ErrorSnapshot, Estimate, Moment, PhaseState, Reason, Snapshot, State
from phaseline.model.timeline import Timeline
from phaseline.model.transitions import check
from phaseline.model.weight import weight
from phaseline.model.workflows import PHOTO, workflow

__all__ = ["MAX_ERRORS", "MAX_KEPT_BYTES", "Job"]

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


class Job:
    """One job, from `job_started` to its end.

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
        stall_reason: Why it is stalled or lost, "" otherwise.
        reached: Progress of its last phase when the job failed or was cancelled, in percent.
        errors_bytes: Encoded size of `errors`.
        info_weight: Memory that `info` takes, in bytes; see `phaseline.model.weight`.
        errors_weight: Memory that `errors` takes.
        result_weight: Memory that `result` takes.
        max_phases: Maximum number of phases.
        results: The results of completed phases, by name; None for one that was too large to keep.
        results_bytes: Encoded size of `results`.
        max_kept_bytes: Maximum encoded size of `errors`, of `info` and of `results`.
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
        self.workflow = workflow(event.workflow or ("custom" if event.phases else PHOTO.name), event.phases)
        self.series = event.series
        self.host = event.host
        self.photo_id = event.photo_id
        self.info: dict[str, Any] = dict(event.photo_info)
        self.info_weight = weight(_encoder.encode(self.info)) if self.info else 0
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
        self.latest = self.last_report = now
        self.text = event.text
        return True

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
        known = self.state, self.photo_id, self.current
        # The reported age of an event can't date it before the previous report.
        now = self.latest = self.last_report = now if now.mono_ns >= self.latest.mono_ns else self.latest
        self.stall_reason = ""
        if self.photo_id is None:
            # Some workers send it only after the start.
            self.photo_id = getattr(event, "photo_id", None)
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
            case PhaseCompleted():
                self.timeline.complete(event.phase, PhaseState.SKIPPED if event.skipped else PhaseState.DONE, now)
                self._keep_result(event)
            case JobStarted():
                self._reset(event, now)
            case PhotoInfo():
                self.info = self.info | event.data
                self.info_weight = weight(_encoder.encode(self.info))
            case ErrorOccurred():
                self._error(event, now)
            case JobCompleted() | JobFailed() | JobCancelled():
                self._end(event, now)
            case MetricsReported() | JobStalled() | JobLost() | JobResumed():
                pass  # these change only the state
            case _:
                assert_never(event)

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
        return _BASE_WEIGHT + _PHASE_WEIGHT * len(event.phases) + weight(_encoder.encode(event.photo_info))

    @property
    def weight(self) -> int:
        """The memory that the job takes, in bytes, roughly."""
        facts = self.info_weight + self.errors_weight + self.result_weight
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

    # ------------------------------------------------------------------ snapshots

    def shown_percent(self, percent: float) -> float:
        """Return the percent to publish for an engine's estimate: it never falls, and is 100 only on completion."""
        if not (self.state.ended or self.state.stopped):
            self.percent = max(self.percent, min(percent, 99.9))
        return self.percent

    def settle(self, estimate: Estimate) -> None:
        """Record the progress so far from the engine's current estimate, as the next event may stop the job."""
        self.shown_percent(estimate.percent)
        reached = self.timeline.reached()
        if self.current is not None:
            reported = self.phases[self.current].progress
            self.reached = estimate.phase_percent if reported is None else reported
        elif reached is not None:
            self.reached = self.phases[reached].progress or 0.0

    def elapsed_ns(self, now: Moment) -> int:
        """Return the time from the start to the end, to the last report of a lost job, or to now."""
        return max(0, self._until(now).mono_ns - self.started.mono_ns)

    def _until(self, now: Moment) -> Moment:
        return self.ended or (self.last_report if self.state is State.LOST else now)

    def phase_offset_ns(self) -> int:
        """Return the job's time at the start of its current phase, less the time spent in that phase before."""
        if self.current is None:
            return 0
        phase = self.phases[self.current]
        return (phase.entered_ns or 0) - phase.spent_ns - self.started.mono_ns

    @property
    def phases(self) -> list[Phase]:
        """The known phases in order."""
        return self.timeline.phases

    @property
    def current(self) -> int | None:
        """0-based index of the current phase, or None."""
        return self.timeline.current

    @property
    def phase(self) -> str:
        """The name of the current phase; `completed` or `failed` after the end; "" before the first."""
        if self.state.ended:
            return "completed" if self.state is State.COMPLETED else "failed"
        reached = self.timeline.reached()
        return "" if reached is None else self.phases[reached].name

    @property
    def phase_index(self) -> int:
        """1-based index of the current or last phase; the number of phases on completion."""
        if self.state is State.COMPLETED:
            return len(self.phases)
        reached = self.timeline.reached()
        return min(1, len(self.phases)) if reached is None else reached + 1

    def brief(self, now: Moment, estimate: Estimate) -> Brief:
        """Return the part of the state that every message contains; the arguments are those of `snapshot`."""
        return Brief(
            at_ns=self._at_ns(now),
            photo_id=self.photo_id,
            workflow=self.workflow.name,
            series=self.series,
            host=self.host,
            state=self.state,
            phase_index=self.phase_index,
            phase_count=len(self.phases),
            estimate=self._shown(estimate),
            elapsed_ns=self.elapsed_ns(now),
        )

    def _at_ns(self, now: Moment) -> int:
        return self.started.wall_ns + self.elapsed_ns(now) if self.ended else now.wall_ns

    def _shown(self, estimate: Estimate) -> Estimate:
        percent = self.shown_percent(estimate.percent)
        if self.state.ended:
            reached = 100.0 if self.state is State.COMPLETED else self.reached
            return Estimate(percent, 0, 0, 0, estimate.basis, estimate.runs, reached, 0)
        if self.state.stopped:
            return Estimate(percent, basis=estimate.basis, runs=estimate.runs, phase_percent=estimate.phase_percent)
        return estimate if percent == estimate.percent else msgspec.structs.replace(estimate, percent=percent)

    def snapshot(
        self, now: Moment, estimate: Estimate, averages: dict[str, int], reasons: tuple[Reason, ...] = ()
    ) -> Snapshot:
        """Return the job's full state.

        Args:
            now: The present.
            estimate: The engine's estimate. For an ended job the remaining time becomes 0, for a stalled or lost one
                unknown.
            averages: Average durations of the workflow's phases in nanoseconds, by name.
            reasons: The recent large changes of the estimate.
        """
        phase = self.phases[self.current] if self.current is not None else None
        return Snapshot(
            at_ns=self._at_ns(now),
            job_id=self.job_id,
            workflow=self.workflow.name,
            series=self.series,
            host=self.host,
            photo_id=self.photo_id,
            info=dict(self.info),
            state=self.state,
            phase=self.phase,
            phase_index=self.phase_index,
            phase_count=len(self.phases),
            phases=tuple(p.snapshot(self._until(now), averages.get(p.name)) for p in self.phases),
            text=self.text,
            progress=phase.progress if phase else None,
            estimate=self._shown(estimate),
            errors=self.errors,
            started_ns=self.started.wall_ns,
            ended_ns=self._at_ns(now) if self.ended else 0,
            elapsed_ns=self.elapsed_ns(now),
            result=self.result,
            duration=self.duration,
            cache_hit=self.cache_hit,
            seq=self.seq,
            results=self.results,
            reasons=reasons,
            stall_reason=self.stall_reason,
            silent_ns=max(0, now.mono_ns - self.last_report.mono_ns) if self.state.stopped else 0,
        )
