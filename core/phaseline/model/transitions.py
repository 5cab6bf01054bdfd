"""Which events a job takes.

`TRANSITIONS` is the whole of its state machine: which event it takes in which state, and the state that it is in
after. What is not in the table is refused with `IllegalEvent`, and changes nothing; nor does what it may not say.
"""

from math import inf
from typing import TYPE_CHECKING, Any, Final, assert_never

import msgspec

from phaseline.errors import IllegalEvent, InvalidField, TooLarge, shown
from phaseline.model.events import (
    ErrorOccurred,
    Event,
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
    StallReason,
)
from phaseline.model.snapshot import State
from phaseline.model.workflows import workflow

if TYPE_CHECKING:
    from phaseline.model.job import Job

__all__ = ["TRANSITIONS", "check", "is_worse"]

_encoder: Final = msgspec.json.Encoder()

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
    # Any report, and its worker's return, brings a job back. A silent one stalls again when its worker is gone.
    State.STALLED: _REPORTS | {JobStalled: State.STALLED, JobLost: State.LOST, JobResumed: State.ACTIVE},
    State.LOST: _REPORTS | {JobStarted: State.ACTIVE, JobResumed: State.ACTIVE},
    # What has ended stays so, but the same id may be started again.
    State.COMPLETED: {JobStarted: State.ACTIVE},
    State.FAILED: {JobStarted: State.ACTIVE},
    State.CANCELLED: {JobStarted: State.ACTIVE},
}


def check(job: "Job", event: Event) -> State:
    """Return the state that `event` would lead to, without changing anything.

    Raises:
        IllegalEvent: The job's state does not take it.
        InvalidField: Its phase is none of a fixed workflow's, or one of its values is out of range.
        TooLarge: With it, more would be known of the job's photo than is kept.
    """
    after = TRANSITIONS[job.state].get(type(event))
    if after is None:
        raise IllegalEvent(_refusal(job, event))
    match event:
        case JobStalled() if job.state is State.STALLED and not is_worse(job, event.reason):
            raise IllegalEvent(f"job {shown(job.job_id)} is stalled already: {job.stall_reason}")
        case JobProgress() | PhaseCompleted():
            _check_phase(job, event.phase)
            _check_room(job, event.phase)
            if isinstance(event, JobProgress):
                _check_progress(event.progress)
        case JobStarted():
            _check_declared(job, event)
        case ErrorOccurred() if event.phase is not None:
            _check_phase(job, event.phase)
        case PhotoInfo():
            _check_info(job, event.data)
        case JobCompleted() | JobFailed():
            _check_end(event)
        case JobStalled() | JobLost() | JobResumed() | JobCancelled() | ErrorOccurred() | MetricsReported():
            pass  # the table says it all
        case _:
            assert_never(event)
    return after


def _check_progress(progress: float | None) -> None:
    # Written so that NaN, which a worker in Python may state, is out of range too.
    if progress is not None and not 0 <= progress <= 100:  # noqa: PLR2004 - percent
        raise InvalidField("progress", progress, "a number from 0 to 100")


def is_worse(job: "Job", reason: StallReason) -> bool:
    """Say whether a stalled job was silent so far, and it is known now that its worker is gone."""
    return job.state is State.STALLED and (job.stall_reason, reason) == ("silent", "worker gone")


def _refusal(job: "Job", event: Event) -> str:
    refused = f"job {shown(job.job_id)} cannot take {event.type}"
    if job.state is State.ABSENT:
        return f"{refused} before it began; start it with job_started"
    if isinstance(event, JobStarted):
        return f"{refused} while {job.state}; end it first, or use another id"
    return f"{refused} while {job.state}; start it again with job_started"


def _check_declared(job: "Job", event: JobStarted) -> None:
    declared = workflow(event.workflow or "custom", event.phases)
    if len(event.phases) > job.max_phases:
        raise InvalidField("phases", f"{len(event.phases)} names", f"at most {job.max_phases}")
    if len(set(event.phases)) < len(event.phases):
        raise InvalidField("phases", list(event.phases), "each name once")
    allowed = (*declared.phases, *declared.extras)
    if declared.fixed and (unknown := set(event.phases).difference(allowed)):
        raise InvalidField("phases", sorted(unknown), f"those of {declared.name}: {', '.join(allowed)}")


def _check_phase(job: "Job", name: str) -> None:
    flow = job.workflow
    if flow.fixed and name not in flow.phases and name not in flow.extras and name not in flow.ends:
        raise InvalidField("stage", name, f"{', '.join((*flow.phases, *flow.extras, *flow.ends))}")


def _check_room(job: "Job", name: str) -> None:
    if len(job.phases) >= job.max_phases and job.timeline.adds(name):
        raise InvalidField("stage", name, f"at most {job.max_phases} phases in a job; this one has them all")


def _check_info(job: "Job", data: dict[str, Any]) -> None:
    size = len(_encoder.encode(job.info | data))
    if size > job.max_kept_bytes:
        raise TooLarge("what is known of the photo", size, job.max_kept_bytes)


def _check_end(event: JobCompleted | JobFailed) -> None:
    well = isinstance(event, JobCompleted)
    if event.success is not well:
        allowed = f"{str(well).lower()} in {event.type}; a job ends well with job_completed, badly with job_failed"
        raise InvalidField("success", event.success, allowed)
    if event.duration is not None and not 0 <= event.duration < inf:
        raise InvalidField("duration", event.duration, "a number of seconds, 0 or more")
