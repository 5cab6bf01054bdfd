"""Events: immutable facts about jobs, as reporters send them.

An event says that something happened; a message is an event on the wire. Both share one definition in this module. The
code uses the project's names (`phase`, `text`), the wire those of the photo protocol (`stage`, `message`).
"""

from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import Meta

__all__ = [
    "EVENTS",
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
    "JobResumed",
    "JobStalled",
    "JobStarted",
    "Label",
    "MetricsReported",
    "Name",
    "PhaseCompleted",
    "PhotoId",
    "PhotoInfo",
    "Report",
    "StallReason",
    "one_line",
]

MAX_PHASES: Final = 500
MAX_AGE_S: Final = 7 * 24 * 3600
ONE_LINE: Final = "one line"


def one_line(least: int, most: int) -> Meta:
    """Return the constraint on a name: `least` to `most` characters on one line.

    A name has no tab or newline; decoding removes all other control characters. `wire.one_line` checks this, because
    a regular expression in msgspec would take longer than the rest of the decoding.
    """
    size = f"{least} to {most}" if least else f"at most {most}"
    return Meta(
        min_length=least or None,
        max_length=most,
        description=f"a string of {size} characters in one line",
        extra={ONE_LINE: True},
        extra_json_schema={"pattern": r"\A[^\t\n]*\Z"},
    )


# Error texts quote the descriptions as what is allowed.
JobId = Annotated[str, one_line(1, 200)]
Name = Annotated[str, one_line(1, 100)]
Label = Annotated[str, one_line(0, 100)]
Age = Annotated[float, Meta(ge=0, le=MAX_AGE_S, description=f"a number of seconds from 0 to {MAX_AGE_S}")]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1, description="an integer from 0 to 2^63 - 1")]
# The limits keep messages short: each one of a job repeats the id.
PhotoId = (
    Annotated[
        int,
        Meta(
            ge=-(2**63),
            le=2**63 - 1,
            description="an integer of 64 bits, a string of at most 200 characters in one line, or null",
        ),
    ]
    | Annotated[str, one_line(0, 200)]
    | None
)
Text = Annotated[str, Meta(max_length=10_000, description="a string of at most 10,000 characters")]
_AMOUNT = Meta(ge=0, le=10**18, description="a number from 0 to 10^18")
Amount = Annotated[int, _AMOUNT] | Annotated[float, _AMOUNT]
Percent = Annotated[float, Meta(ge=0, le=100, description="a number from 0 to 100")]
Seconds = Annotated[float, Meta(ge=0, description="a number of seconds, 0 or more")]
Details = dict[str, Any]
StallReason = Literal["silent", "worker gone"]


class BaseEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of all events.

    Attributes:
        job_id: The id of the job.
        producer: The name of the reporter, if it wants its reports deduplicated.
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


class JobStarted(BaseEvent, frozen=True, kw_only=True, tag="job_started"):
    """A job started.

    Attributes:
        name: The name that users see. [a file name or title in `photo_info`, else `photo_id` if it is a text, else
            the id]
        photo_id: The reporter's own id of the photo or other item that the job processes.
        photo_info: Metadata of that item.
        workflow: The workflow. By default it is `photo` if `photo_id` or `photo_info` is there or the first phase is
            one of its stages, and `custom` otherwise.
        phases: The job's phases in order, for a workflow that is not built in.
        series: A name for jobs of the workflow that take about equally long.
        host: The machine that does the work.
        worker: Facts about the process: command, user, pid, directory, version.
        cache_hit: Whether the result existed already. Estimates do not learn from such a job.
    """

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
    """The job stalled: no report for longer than is usual in its phase, or its worker disconnected."""

    reason: StallReason = "silent"


class JobLost(BaseEvent, frozen=True, kw_only=True, tag="job_lost"):
    """The job's worker did not reconnect or report in time."""

    reason: StallReason = "silent"


class JobResumed(BaseEvent, frozen=True, kw_only=True, tag="job_resumed"):
    """The disconnected worker has reconnected."""


class JobDismissed(BaseEvent, frozen=True, kw_only=True, tag="job_dismissed"):
    """A user dismissed the job, which has ended, stalled or is lost: lists omit it until its next report."""


class MetricsReported(BaseEvent, frozen=True, kw_only=True, tag="processing_metrics"):
    """The worker's own metrics, published unchanged."""

    metrics: Details = {}
    photo_id: PhotoId = None


Finding = JobStalled | JobLost | JobResumed
"""An event that the server itself creates."""

Report = (
    JobStarted
    | JobProgress
    | PhaseCompleted
    | PhotoInfo
    | ErrorOccurred
    | JobCompleted
    | JobFailed
    | JobCancelled
    | MetricsReported
)
"""An event that a reporter may send."""
Event = Report | Finding | JobDismissed
"""Any event; a `match` over it ends in `assert_never`."""
EVENTS: Final[tuple[type[Event], ...]] = get_args(Event)
