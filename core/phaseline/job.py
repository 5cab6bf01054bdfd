"""The state machine of a job.

`TRANSITIONS` is the whole of it: which event a job takes in which state, and the state that it is in after. What
is not in the table is refused with `IllegalEvent`, and changes nothing.
"""

from typing import Any, Final

import msgspec

from phaseline.errors import IllegalEvent, InvalidField
from phaseline.events import (
    MAX_PHASES,
    ErrorOccurred,
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobLost,
    JobProgress,
    JobStalled,
    JobStarted,
    MetricsReported,
    PhaseCompleted,
    PhotoInfo,
)
from phaseline.phase import Lesson, Phase
from phaseline.snapshot import ErrorSnapshot, Estimate, Moment, PhaseState, Snapshot, State
from phaseline.workflows import PHOTO, workflow

__all__ = ["MAX_ERRORS", "TRANSITIONS", "Job"]

# A job that reports errors for ever keeps the first ones, which tell most, and the latest.
MAX_ERRORS: Final = 100

_REPORTS: Final[dict[type[Event], State]] = {
    JobProgress: State.ACTIVE,
    PhaseCompleted: State.ACTIVE,
    PhotoInfo: State.ACTIVE,
    ErrorOccurred: State.ACTIVE,
    MetricsReported: State.ACTIVE,
    JobCompleted: State.COMPLETED,
    JobFailed: State.FAILED,
    JobCancelled: State.CANCELLED,
}

TRANSITIONS: Final[dict[State, dict[type[Event], State]]] = {
    State.ABSENT: {JobStarted: State.ACTIVE},
    State.ACTIVE: _REPORTS | {JobStalled: State.STALLED, JobLost: State.LOST},
    # Any report brings a silent job back.
    State.STALLED: _REPORTS | {JobLost: State.LOST},
    State.LOST: _REPORTS | {JobStarted: State.ACTIVE},
    # What has ended stays so, but the same id may be started again.
    State.COMPLETED: {JobStarted: State.ACTIVE},
    State.FAILED: {JobStarted: State.ACTIVE},
    State.CANCELLED: {JobStarted: State.ACTIVE},
}


class Job:
    """One job, from `job_started` to its end.

    Reading its attributes is free; only `apply` and `told_percent` change them.
    """

    def __init__(self, job_id: str) -> None:
        """Begin absent: the first event must be `JobStarted`."""
        self.job_id = job_id
        self.state = State.ABSENT
        self.seq = 0
        self._reset(JobStarted(job_id=job_id), Moment(0, 0))

    def _reset(self, event: JobStarted, now: Moment) -> None:
        self.workflow = workflow(event.workflow or ("custom" if event.phases else PHOTO.name), event.phases)
        self.series = event.series
        self.host = event.host
        self.photo_id = event.photo_id
        self.info: dict[str, Any] = dict(event.photo_info)
        self.phases = [Phase(name) for name in self.workflow.phases]
        self.current: int | None = None
        self.text = ""
        self.details: dict[str, Any] = {}
        self.errors: list[ErrorSnapshot] = []
        self.started = now
        self.ended: Moment | None = None
        # Since when no phase has been current: what a phase took that is only reported once it is over.
        self.boundary = now
        self.result: dict[str, Any] | None = None
        self.duration: float | None = None
        self.cache_hit = event.cache_hit
        self.percent = 0.0
        self._lessons: list[Lesson] = []

    # ------------------------------------------------------------------ taking events

    def check(self, event: Event) -> State:
        """Return the state that `event` would lead to, without changing anything.

        Raises:
            IllegalEvent: The job's state does not take it.
            InvalidField: Its phase is none of a fixed workflow's, or one of its values is out of range.
        """
        after = TRANSITIONS[self.state].get(type(event))
        if after is None:
            raise IllegalEvent(self._refusal(event))
        match event:
            case JobStarted():
                self._check_declared(event)
            case JobProgress() | PhaseCompleted():
                self._check_phase(event.phase)
            case ErrorOccurred() if event.phase is not None:
                self._check_phase(event.phase)
            case _:
                pass
        if isinstance(event, JobProgress) and event.progress is not None and not 0 <= event.progress <= 100:  # noqa: PLR2004 - percent
            raise InvalidField("progress", event.progress, "a number from 0 to 100")
        return after

    def _refusal(self, event: Event) -> str:
        if self.state is State.ABSENT:
            return f"job {self.job_id} cannot take {event.type} before it began; start it with job_started"
        if isinstance(event, JobStarted):
            return f"job {self.job_id} cannot take {event.type} while {self.state}; end it first, or use another id"
        return f"job {self.job_id} cannot take {event.type} while {self.state}; start it again with job_started"

    def _check_declared(self, event: JobStarted) -> None:
        declared = workflow(event.workflow or "custom", event.phases)
        if len(set(event.phases)) < len(event.phases):
            raise InvalidField("phases", list(event.phases), "each name once")
        if declared.fixed and (unknown := set(event.phases) - {*declared.phases, *declared.extras}):
            raise InvalidField("phases", sorted(unknown), f"those of {declared.name}: {', '.join(declared.phases)}")

    def _check_phase(self, name: str) -> None:
        flow = self.workflow
        if flow.fixed and name not in {*flow.phases, *flow.extras, *flow.ends}:
            raise InvalidField("stage", name, f"{', '.join((*flow.phases, *flow.extras, *flow.ends))}")
        if len(self.phases) >= MAX_PHASES and self._index(name) is None:
            raise InvalidField("stage", name, f"at most {MAX_PHASES} phases in a job; this one has them all")

    def apply(self, event: Event, now: Moment) -> tuple[Lesson, ...]:
        """Take `event`, and return what it teaches: all phases that ended well, once the job has ended.

        A job teaches only then, so that its own phases never change what is said of the rest of it.

        Raises:
            IllegalEvent: As `check`; nothing has changed.
            InvalidField: As `check`; nothing has changed.
        """
        after = self.check(event)
        match event:
            case JobStarted():
                self._reset(event, now)
            case JobProgress():
                self._progress(event, now)
            case PhaseCompleted():
                self._phase_completed(event, now)
            case PhotoInfo():
                self.info |= event.data
            case ErrorOccurred():
                self._error(event, now)
            case JobCompleted():
                self._end(event.result, event.duration, now)
                self._close_current(PhaseState.DONE, now)
                self._skip_pending(len(self.phases))
                self.percent = 100.0
            case JobFailed() | JobCancelled():
                result = event.result if isinstance(event, JobFailed) else {"error": event.reason}
                self._end(result, event.duration if isinstance(event, JobFailed) else None, now)
                if self.current is not None:
                    self.phases[self.current].error = str(result.get("error") or "failed")
                self._close_current(PhaseState.FAILED, now)
            case _:
                pass
        self.state = after
        return tuple(self._lessons) if after.ended else ()

    def _index(self, name: str) -> int | None:
        return next((i for i, phase in enumerate(self.phases) if phase.name == name), None)

    def _find_or_add(self, name: str) -> int:
        index = self._index(name)
        if index is None:
            # A phase that nobody declared comes after the one that the job was in.
            begun = [i for i, phase in enumerate(self.phases) if phase.started is not None]
            index = begun[-1] + 1 if begun else (0 if self.workflow.fixed else len(self.phases))
            self.phases.insert(index, Phase(name))
        return index

    def _progress(self, event: JobProgress, now: Moment) -> None:
        self.text, self.details = event.text, event.details
        if event.phase in self.workflow.ends and self._index(event.phase) is None:
            return
        index = self._find_or_add(event.phase)
        if index != self.current:
            self._close_current(PhaseState.DONE, now)
            self._skip_pending(index)
            self.phases[index].enter(now)
            self.current = index
        if event.progress is not None:
            self.phases[index].progress = event.progress

    def _phase_completed(self, event: PhaseCompleted, now: Moment) -> None:
        if event.phase in self.workflow.ends and self._index(event.phase) is None:
            return
        index = self._find_or_add(event.phase)
        phase, state = self.phases[index], PhaseState.SKIPPED if event.skipped else PhaseState.DONE
        if index == self.current:
            self._close_current(state, now)
        elif phase.state in {PhaseState.PENDING, PhaseState.SKIPPED}:
            phase.started, phase.state = now, state
            if self.current is None:
                # Reported only once it was over: it took what has gone by since the phase before it.
                phase.started = self.boundary
                phase.entered_ns = self.boundary.mono_ns
                self.current = index
                self._close_current(state, now)
        if state is PhaseState.DONE:
            phase.progress = 100.0

    def _close_current(self, state: PhaseState, now: Moment) -> None:
        if self.current is not None:
            phase = self.phases[self.current]
            phase.close(state, now)
            if state is PhaseState.DONE and not self.cache_hit and not phase.reopened:
                self._lessons.append(Lesson(self.workflow.name, self.series, phase.name, phase.spent_ns))
        self.current = None
        self.boundary = now

    def _skip_pending(self, before: int) -> None:
        for phase in self.phases[:before]:
            if phase.state is PhaseState.PENDING:
                phase.state = PhaseState.SKIPPED

    def _error(self, event: ErrorOccurred, now: Moment) -> None:
        phase = event.phase or (self.phases[self.current].name if self.current is not None else None)
        error = ErrorSnapshot(event.error_type, event.text, event.details, phase, now.wall_ns)
        if len(self.errors) >= MAX_ERRORS:
            self.errors[-1] = error
        else:
            self.errors.append(error)

    def _end(self, result: dict[str, Any], duration: float | None, now: Moment) -> None:
        self.result, self.duration, self.ended = result, duration, now

    # ------------------------------------------------------------------ telling

    def told_percent(self, percent: float) -> float:
        """Return the percent to tell, given an engine's: it never falls, and is 100 only after a good end."""
        if not self.state.ended:
            self.percent = max(self.percent, min(percent, 99.9))
        return self.percent

    def elapsed_ns(self, now: Moment) -> int:
        """Return the time from the beginning to the end, or to now."""
        return max(0, (self.ended or now).mono_ns - self.started.mono_ns)

    @property
    def phase(self) -> str:
        """The current phase's name; after the end `completed` or `failed`; "" before the first."""
        if self.state.ended:
            return "completed" if self.state is State.COMPLETED else "failed"
        if self.current is not None:
            return self.phases[self.current].name
        begun = [phase.name for phase in self.phases if phase.state is not PhaseState.PENDING]
        return begun[-1] if begun else ""

    @property
    def phase_index(self) -> int:
        """1-based index of the phase that the job is in, or was in last; after a good end the count."""
        if self.state is State.COMPLETED:
            return len(self.phases)
        if self.current is not None:
            return self.current + 1
        begun = [i for i, phase in enumerate(self.phases) if phase.state is not PhaseState.PENDING]
        return begun[-1] + 1 if begun else min(1, len(self.phases))

    def snapshot(self, now: Moment, estimate: Estimate, averages: dict[str, int]) -> Snapshot:
        """Return the job's full state.

        Args:
            now: When it is asked.
            estimate: The engine's word on an active job; of an ended one it is replaced by "nothing remains".
            averages: Average durations of this workflow's phases, in nanoseconds, by name.
        """
        phase = self.phases[self.current] if self.current is not None else None
        percent = self.told_percent(estimate.percent)
        if self.state.ended:
            estimate = Estimate(percent, 0, 0, 0, estimate.basis, estimate.runs, 100.0, 0)
        return Snapshot(
            job_id=self.job_id,
            workflow=self.workflow.name,
            series=self.series,
            host=self.host,
            photo_id=self.photo_id,
            info=dict(self.info),
            state=self.state,
            phase=self.phase,
            phase_index=self.phase_index,
            phases=tuple(p.snapshot(now, averages.get(p.name)) for p in self.phases),
            text=self.text,
            progress=phase.progress if phase else None,
            estimate=msgspec.structs.replace(estimate, percent=percent),
            errors=tuple(self.errors),
            started_ns=self.started.wall_ns,
            ended_ns=self.started.wall_ns + self.elapsed_ns(now) if self.ended else 0,
            elapsed_ns=self.elapsed_ns(now),
            result=self.result,
            duration=self.duration,
            cache_hit=self.cache_hit,
            seq=self.seq,
        )
