"""The state machine of a job: the events that it accepts.

`TRANSITIONS` lists the events that each state accepts, and the next state. An event outside the table raises
`IllegalEvent`, an invalid value `InvalidField` or `TooLarge`. A rejected event changes nothing.
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
    JobDismissed,
    JobFailed,
    JobLost,
    JobProgress,
    JobQueued,
    JobResumed,
    JobStalled,
    JobStarted,
    MetricsReported,
    OrderGiven,
    OrderRefused,
    OrderTaken,
    PhaseCompleted,
    PhotoInfo,
    StallReason,
)
from phaseline.model.states import State
from phaseline.model.workflows import workflow

if TYPE_CHECKING:
    from phaseline.model.reported import ReportedJob

__all__ = ["TRANSITIONS", "accepted", "check", "is_worse"]

_encoder: Final = msgspec.json.Encoder()
MAX_WORKER_BYTES: Final = 4096

_REPORTS: Final[dict[type[Event], State]] = {
    JobProgress: State.ACTIVE,
    PhaseCompleted: State.ACTIVE,
    PhotoInfo: State.ACTIVE,
    ErrorOccurred: State.ACTIVE,
    MetricsReported: State.ACTIVE,
    OrderTaken: State.ACTIVE,
    OrderRefused: State.ACTIVE,
    JobCompleted: State.COMPLETED,
    JobFailed: State.FAILED,
    JobCancelled: State.CANCELLED,
}

_BEGINNINGS: Final[dict[type[Event], State]] = {JobQueued: State.QUEUED, JobStarted: State.ACTIVE}

# A queued job has no phases yet; another job_queued changes its position.
_IN_QUEUE: Final[dict[type[Event], State]] = _BEGINNINGS | {
    PhotoInfo: State.QUEUED,
    OrderTaken: State.QUEUED,
    OrderRefused: State.QUEUED,
    JobFailed: State.FAILED,
    JobCancelled: State.CANCELLED,
}

# A queued job is lost once the worker that would start it is gone. The worker's return resumes it.
_LOST_IN_QUEUE: Final[dict[type[Event], State]] = _IN_QUEUE | {
    JobResumed: State.QUEUED,
    JobDismissed: State.LOST,
}

TRANSITIONS: Final[dict[State, dict[type[Event], State]]] = {
    State.ABSENT: _BEGINNINGS,
    State.QUEUED: _IN_QUEUE | {JobLost: State.LOST, OrderGiven: State.QUEUED},
    State.ACTIVE: _REPORTS | {JobStalled: State.STALLED, JobLost: State.LOST, OrderGiven: State.ACTIVE},
    # Any report resumes a job, and so does the worker's return. A silent job stalls again when its worker disconnects.
    # A user may dismiss a job that is not active; that changes no state, and neither does an order.
    State.STALLED: _REPORTS
    | {
        JobStalled: State.STALLED,
        JobLost: State.LOST,
        JobResumed: State.ACTIVE,
        JobDismissed: State.STALLED,
        OrderGiven: State.STALLED,
    },
    # A job that was lost in its queue has a separate row; see `accepted`.
    State.LOST: _REPORTS | _BEGINNINGS | {JobResumed: State.ACTIVE, JobDismissed: State.LOST},
    # An ended job accepts no more reports, but its id may be queued or started again.
    State.COMPLETED: _BEGINNINGS | {JobDismissed: State.COMPLETED},
    State.FAILED: _BEGINNINGS | {JobDismissed: State.FAILED},
    State.CANCELLED: _BEGINNINGS | {JobDismissed: State.CANCELLED},
}


def accepted(job: "ReportedJob") -> dict[type[Event], State]:
    """Return the events that the job accepts in its state, each with the state that follows."""
    return _LOST_IN_QUEUE if job.state is State.LOST and job.waits is not None else TRANSITIONS[job.state]


def check(job: "ReportedJob", event: Event) -> State:  # noqa: C901 - one case per event
    """Return the state that `event` would lead to; change nothing.

    Raises:
        IllegalEvent: The job's state does not allow the event.
        TakesNoOrders: The job's worker does not accept the order; also WorkerGone and OrderPending.
        InvalidField: The fixed workflow has no such phase, or a value is out of range.
        TooLarge: The job's `photo_info` would exceed its size limit.
    """
    if isinstance(event, OrderGiven) and job.state is not State.ABSENT:
        job.orders.check_given(job.job_id, job.state, job.stall_reason, event.order)
    after = accepted(job).get(type(event))
    if after is None:
        raise IllegalEvent(_refusal(job, event))
    match event:
        case JobStalled() if job.state is State.STALLED and not is_worse(job, event.reason):
            raise IllegalEvent(f"job {shown(job.job_id)} is stalled already: {job.stall_reason}")
        case JobDismissed() if job.dismissed:
            raise IllegalEvent(f"job {shown(job.job_id)} is dismissed already; its next report brings it back")
        case JobProgress() | PhaseCompleted():
            _check_work(job, event)
        case JobStarted() | JobQueued():
            _check_declared(job, event)
        case OrderTaken() | OrderRefused():
            job.orders.check_answered(job.job_id, event.order_id, event.order)
        case ErrorOccurred() if event.phase is not None:
            _check_phase(job, event.phase)
        case PhotoInfo():
            _check_info(job, event.data)
        case JobCompleted() | JobFailed():
            _check_end(event)
        case (
            JobStalled()
            | JobLost()
            | JobResumed()
            | JobDismissed()
            | JobCancelled()
            | ErrorOccurred()
            | MetricsReported()
            | OrderGiven()
        ):
            pass  # the table has all of their rules
        case _:
            assert_never(event)
    return after


def _check_work(job: "ReportedJob", event: JobProgress | PhaseCompleted) -> None:
    _check_phase(job, event.phase)
    _check_room(job, event.phase)
    if isinstance(event, JobProgress):
        _check_progress(event.progress)


def _check_progress(progress: float | None) -> None:
    # This form also rejects NaN, which a worker in Python may send.
    if progress is not None and not 0 <= progress <= 100:  # noqa: PLR2004 - percent
        raise InvalidField("progress", progress, "a number from 0 to 100")


def is_worse(job: "ReportedJob", reason: StallReason) -> bool:
    """Return whether `reason` is worse than the stalled job's: its worker is gone, and the job was only silent."""
    return job.state is State.STALLED and (job.stall_reason, reason) == ("silent", "worker gone")


def _refusal(job: "ReportedJob", event: Event) -> str:
    refused = f"job {shown(job.job_id)} can't accept {event.type}"
    if job.state is State.ABSENT:
        return f"{refused} before its start; start it with job_started"
    if isinstance(event, JobDismissed):
        return f"{refused} while it is {job.state}; allowed: a job that has ended, stalled or is lost"
    if isinstance(event, JobStarted | JobQueued):
        return f"{refused} while it is {job.state}; end it first, or use another id"
    if job.waits is not None:
        when = "queued" if job.state is State.QUEUED else f"{job.state} in its queue"
        return f"{refused} while it is {when}; start it with job_started"
    when = f"after its end ({job.state})" if job.state.ended else f"while it is {job.state}"
    return f"{refused} {when}; start it again with job_started"


def _check_declared(job: "ReportedJob", event: JobStarted | JobQueued) -> None:
    declared = workflow(event.workflow or "custom", event.phases)
    if len(event.phases) > job.max_phases:
        raise InvalidField("phases", f"{len(event.phases)} names", f"at most {job.max_phases}")
    if len(set(event.phases)) < len(event.phases):
        raise InvalidField("phases", list(event.phases), "each name once")
    size = len(_encoder.encode(event.worker))
    if size > MAX_WORKER_BYTES:
        raise TooLarge("worker", size, MAX_WORKER_BYTES)
    allowed = (*declared.phases, *declared.extras)
    if declared.fixed and (unknown := set(event.phases).difference(allowed)):
        raise InvalidField("phases", sorted(unknown), f"those of {declared.name}: {', '.join(allowed)}")


def _check_phase(job: "ReportedJob", name: str) -> None:
    flow = job.workflow
    if flow.fixed and name not in flow.phases and name not in flow.extras and name not in flow.ends:
        raise InvalidField("stage", name, f"{', '.join((*flow.phases, *flow.extras, *flow.ends))}")


def _check_room(job: "ReportedJob", name: str) -> None:
    if len(job.phases) >= job.max_phases and job.timeline.adds(name):
        raise InvalidField("stage", name, f"at most {job.max_phases} phases in a job; this job has that many already")


def _check_info(job: "ReportedJob", data: dict[str, Any]) -> None:
    size = len(_encoder.encode(job.info | data))
    if size > job.max_kept_bytes:
        raise TooLarge("photo_info with the new photo_data", size, job.max_kept_bytes)


def _check_end(event: JobCompleted | JobFailed) -> None:
    well = isinstance(event, JobCompleted)
    if event.success is not well:
        allowed = f"{str(well).lower()} in {event.type}; send job_completed for success, job_failed for failure"
        raise InvalidField("success", event.success, allowed)
    if event.duration is not None and not 0 <= event.duration < inf:
        raise InvalidField("duration", event.duration, "a number of seconds, 0 or more")
