"""Events: immutable facts about jobs, as reporters send them.

An event says that something happened; a message is an event on the wire. Both share one definition in this module. The
code uses the project's names (`phase`, `text`), the wire those of the photo protocol (`stage`, `message`).
"""

from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta

from phaseline.model.event_fields import (
    MAX_AGE_S,
    MAX_PHASES,
    ONE_LINE,
    Age,
    Amount,
    Count,
    Details,
    JobId,
    Label,
    Name,
    OrderId,
    OrderKind,
    OrderKinds,
    Percent,
    PhotoId,
    Seconds,
    Text,
    one_line,
)

__all__ = [
    "EVENTS",
    "MAX_AGE_S",
    "MAX_PHASES",
    "ONE_LINE",
    "Age",
    "Amount",
    "BaseEvent",
    "Count",
    "ErrorOccurred",
    "Event",
    "Finding",
    "JobCancelled",
    "JobCompleted",
    "JobDismissed",
    "JobFailed",
    "JobId",
    "JobLost",
    "JobProgress",
    "JobQueued",
    "JobResumed",
    "JobStalled",
    "JobStarted",
    "Label",
    "MetricsReported",
    "Name",
    "OrderGiven",
    "OrderRefused",
    "OrderTaken",
    "PhaseCompleted",
    "PhotoId",
    "PhotoInfo",
    "Report",
    "StallReason",
    "one_line",
]

StallReason = Literal["silent", "worker gone"]


class BaseEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of all events.

    Attributes:
        job_id: The id of the job.
        producer: The name of the reporter, to deduplicate its reports.
        producer_seq: The reporter's own number of the report, which rises by one with each; required with `producer`.
        age_seconds: The event's age when it was sent, by the reporter's monotonic clock. With it the server dates
            delayed reports correctly, even if the two clocks differ.
    """

    job_id: JobId
    producer: Label | None = None
    producer_seq: Count | None = None
    age_seconds: Age = 0.0

    @property
    def type(self) -> str:
        """The event's name on the wire."""
        return str(self.__struct_config__.tag)


class _Beginning(BaseEvent, frozen=True, kw_only=True):
    """The facts about a job before its first phase."""

    name: Annotated[str, one_line(0, 200)] = ""
    photo_id: PhotoId = None
    photo_info: Details = {}
    workflow: Name | None = None
    phases: Annotated[
        tuple[Name, ...], Meta(max_length=MAX_PHASES, description=f"a list of at most {MAX_PHASES} names")
    ] = ()
    series: Label = ""
    host: Label = ""
    worker: Details = {}
    queue: Label = ""
    orders: OrderKinds = ()


class JobQueued(_Beginning, frozen=True, kw_only=True, tag="job_queued"):
    """A job waits for its start in a queue, or its place there has changed.

    Attributes:
        queue: The name of the queue.
        position: Its place in the queue, from 1; None if the queue has no order.

    The other attributes are those of `JobStarted`, and apply to the job that starts later with the same id.
    """

    position: Annotated[int, Meta(ge=1, le=10**9, description="an integer from 1 to 10^9, or null")] | None = None


class JobStarted(_Beginning, frozen=True, kw_only=True, tag="job_started"):
    """A job started.

    Attributes:
        name: The name that users see. [a file name or title in `photo_info`, else `photo_id` if it is a text, else
            the id]
        photo_id: The reporter's own id of the photo or other item that the job processes.
        photo_info: Metadata of that item.
        workflow: The workflow. By default, it is `photo` if the job has `photo_id` or `photo_info` or if its first
            phase is one of that workflow's stages, and `custom` otherwise.
        phases: The job's phases in order, for a workflow that is not built in.
        series: A name for jobs of the workflow that take about equally long.
        host: The machine that does the work.
        worker: Facts about the process: command, user, pid, directory, version.
        queue: The queue from which it was started, or "".
        orders: The orders that the worker accepts; `pause` includes `resume`.
        cache_hit: Whether the result existed already. Estimates do not learn from such a job.
    """

    cache_hit: bool = False


class JobProgress(
    BaseEvent, frozen=True, kw_only=True, tag="job_progress", rename={"phase": "stage", "text": "message"}
):
    """A job is in `phase`. The first such event starts the phase.

    Attributes:
        progress: The phase's progress in percent; None if the worker does not know it, or `done` and `total` give it.
        done: The number of units that are done.
        total: The number of units of the phase; None if unknown. It may grow.
        unit: The name of a unit, such as `frames`.
        text: A line for users.
        details: Any other data.
    """

    phase: Name
    progress: Percent | None = None
    done: Amount | None = None
    total: Amount | None = None
    unit: Annotated[str, one_line(0, 40)] = ""
    text: Text = ""
    details: Details = {}
    photo_id: PhotoId = None


class PhaseCompleted(BaseEvent, frozen=True, kw_only=True, tag="stage_completed", rename={"phase": "stage"}):
    """A phase completed, or was skipped."""

    phase: Name
    result: Details = {}
    skipped: bool = False
    photo_id: PhotoId = None


class PhotoInfo(BaseEvent, frozen=True, kw_only=True, tag="photo_info", rename={"data": "photo_data"}):
    """The worker adds metadata of the item that the job processes."""

    data: Details
    photo_id: PhotoId = None


class ErrorOccurred(
    BaseEvent,
    frozen=True,
    kw_only=True,
    tag="error_occurred",
    rename={"text": "error_message", "details": "error_details", "phase": "stage"},
):
    """An error occurred; the job may continue."""

    error_type: Name
    text: Text
    details: Details = {}
    phase: Name | None = None
    photo_id: PhotoId = None


class JobCompleted(BaseEvent, frozen=True, kw_only=True, tag="job_completed"):
    """The job completed. `duration` is the worker's own measurement in seconds."""

    result: Details = {}
    success: bool = True
    duration: Seconds | None = None
    photo_id: PhotoId = None


class JobFailed(BaseEvent, frozen=True, kw_only=True, tag="job_failed"):
    """The job failed; `result["error"]` is the reason. `duration` is the worker's own measurement in seconds."""

    result: Details = {}
    success: bool = False
    duration: Seconds | None = None
    photo_id: PhotoId = None


class JobCancelled(BaseEvent, frozen=True, kw_only=True, tag="job_cancelled"):
    """The job was cancelled. Subscribers receive it as `job_failed`."""

    reason: Text = "cancelled"


class JobStalled(BaseEvent, frozen=True, kw_only=True, tag="job_stalled"):
    """The job stalled: no report for longer than usual in its phase, or its worker disconnected."""

    reason: StallReason = "silent"


class JobLost(BaseEvent, frozen=True, kw_only=True, tag="job_lost"):
    """The job's worker did not reconnect or report in time."""

    reason: StallReason = "silent"


class JobResumed(BaseEvent, frozen=True, kw_only=True, tag="job_resumed"):
    """The disconnected worker has reconnected."""


class JobDismissed(BaseEvent, frozen=True, kw_only=True, tag="job_dismissed"):
    """A user dismissed the job, which has ended, stalled or is lost: lists omit it until its next report."""


class OrderGiven(BaseEvent, frozen=True, kw_only=True, tag="order_given"):
    """A user gave the job's worker an order, which is pending until the worker takes or refuses it.

    Attributes:
        order_id: The order's id, for the worker's answer, and to recognize an order that arrives twice.
        order: The requested action.
        reason: The user's reason.
    """

    order_id: OrderId
    order: OrderKind
    reason: Text = ""


class OrderTaken(BaseEvent, frozen=True, kw_only=True, tag="order_taken"):
    """The worker takes an order, and carries it out."""

    order_id: OrderId
    order: OrderKind


class OrderRefused(BaseEvent, frozen=True, kw_only=True, tag="order_refused"):
    """The worker refuses an order, for a reason."""

    order_id: OrderId
    order: OrderKind
    reason: Text = ""


class MetricsReported(BaseEvent, frozen=True, kw_only=True, tag="processing_metrics"):
    """The worker's own metrics, published unchanged."""

    metrics: Details = {}
    photo_id: PhotoId = None


Finding = JobStalled | JobLost | JobResumed
"""An event that the server itself creates."""

Report = (
    JobQueued
    | JobStarted
    | JobProgress
    | PhaseCompleted
    | PhotoInfo
    | ErrorOccurred
    | JobCompleted
    | JobFailed
    | JobCancelled
    | OrderTaken
    | OrderRefused
    | MetricsReported
)
"""An event that a reporter may send."""
Event = Report | Finding | JobDismissed | OrderGiven
"""Any event; a `match` over it ends in `assert_never`."""
EVENTS: Final[tuple[type[Event], ...]] = get_args(Event)
