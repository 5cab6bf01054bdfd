"""Events: the immutable facts about jobs that reporters state.

An event is what happened; a message is an event on the wire. They have one definition each, here, with seed B's
names for the wire (`stage`, `message`) behind the glossary's (`phase`, `text`) for the code.
"""

from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import Meta

__all__ = [
    "EVENTS",
    "MAX_PHASES",
    "ONE_LINE",
    "BaseEvent",
    "ErrorOccurred",
    "Event",
    "Finding",
    "JobCancelled",
    "JobCompleted",
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
    """Return what a name must be: of so many characters, and in one line.

    Tabs and newlines are for text; the other control characters were taken out when a message came in. To find these
    two by a pattern would take msgspec longer than all the rest: `wire.one_line` does it, where there can be any.
    """
    size = f"{least} to {most}" if least else f"at most {most}"
    return Meta(
        min_length=least or None,
        max_length=most,
        description=f"a string of {size} characters in one line",
        extra={ONE_LINE: True},
        extra_json_schema={"pattern": r"\A[^\t\n]*\Z"},
    )


# The descriptions are told to whoever sends something else.
JobId = Annotated[str, one_line(1, 200)]
Name = Annotated[str, one_line(1, 100)]
Label = Annotated[str, one_line(0, 100)]
Age = Annotated[float, Meta(ge=0, le=MAX_AGE_S, description=f"a number of seconds from 0 to {MAX_AGE_S}")]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1, description="an integer from 0 to 2^63 - 1")]
# Every message of a job repeats it, so it is kept short.
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
Percent = Annotated[float, Meta(ge=0, le=100, description="a number from 0 to 100")]
Seconds = Annotated[float, Meta(ge=0, description="a number of seconds, 0 or more")]
Details = dict[str, Any]
StallReason = Literal["silent", "worker gone"]


class BaseEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of all events.

    Attributes:
        job_id: The job it is about.
        producer: Who reported it, if the reporter wants its reports to be idempotent.
        producer_seq: The reporter's own count, rising by one for each report; goes with `producer`.
        age_seconds: How long before it was sent it happened, by the reporter's monotonic clock: what was kept while
            the server was away is then dated rightly, without any two clocks having to agree.
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
    """A job began.

    Attributes:
        photo_id: The reporter's own name for what is worked on.
        photo_info: What is known of it.
        workflow: Its workflow; without one, `photo`, or `custom` when `phases` are declared.
        phases: The phases that a workflow that isn't built in will go through, in order.
        series: Jobs of one workflow that take similarly long share a series.
        host: The box that the work is done on.
        cache_hit: Whether the result existed already; such a job teaches nothing.
    """

    photo_id: PhotoId = None
    photo_info: Details = {}
    workflow: Name | None = None
    phases: Annotated[
        tuple[Name, ...], Meta(max_length=MAX_PHASES, description=f"a list of at most {MAX_PHASES} names")
    ] = ()
    series: Label = ""
    host: Label = ""
    cache_hit: bool = False


class JobProgress(
    BaseEvent, frozen=True, kw_only=True, tag="job_progress", rename={"phase": "stage", "text": "message"}
):
    """A job is in `phase`; the first such event of a phase is its beginning.

    Attributes:
        progress: How much of the phase is done, in percent; None when the worker can't say.
        text: A line for people.
        details: Anything else.
    """

    phase: Name
    progress: Percent | None = None
    text: Text = ""
    details: Details = {}
    photo_id: PhotoId = None


class PhaseCompleted(BaseEvent, frozen=True, kw_only=True, tag="stage_completed", rename={"phase": "stage"}):
    """A phase ended well, or was skipped."""

    phase: Name
    result: Details = {}
    skipped: bool = False
    photo_id: PhotoId = None


class PhotoInfo(BaseEvent, frozen=True, kw_only=True, tag="photo_info", rename={"data": "photo_data"}):
    """More is known of what the job works on."""

    data: Details
    photo_id: PhotoId = None


class ErrorOccurred(
    BaseEvent,
    frozen=True,
    kw_only=True,
    tag="error_occurred",
    rename={"text": "error_message", "details": "error_details", "phase": "stage"},
):
    """Something went wrong; the job may go on."""

    error_type: Name
    text: Text
    details: Details = {}
    phase: Name | None = None
    photo_id: PhotoId = None


class JobCompleted(BaseEvent, frozen=True, kw_only=True, tag="job_completed"):
    """The job ended well. `duration`, in seconds, is the worker's own measure."""

    result: Details = {}
    success: bool = True
    duration: Seconds | None = None
    photo_id: PhotoId = None


class JobFailed(BaseEvent, frozen=True, kw_only=True, tag="job_failed"):
    """The job ended badly; `result["error"]` says why. `duration`, in seconds, is the worker's own measure."""

    result: Details = {}
    success: bool = False
    duration: Seconds | None = None
    photo_id: PhotoId = None


class JobCancelled(BaseEvent, frozen=True, kw_only=True, tag="job_cancelled"):
    """Somebody ended the job before it was done. B's clients see it as `job_failed`."""

    reason: Text = "cancelled"


class JobStalled(BaseEvent, frozen=True, kw_only=True, tag="job_stalled"):
    """The job stopped: it is silent for longer than its phase's habit, or its worker's connection is gone."""

    reason: StallReason = "silent"


class JobLost(BaseEvent, frozen=True, kw_only=True, tag="job_lost"):
    """The job's worker did not come back in time."""

    reason: StallReason = "silent"


class JobResumed(BaseEvent, frozen=True, kw_only=True, tag="job_resumed"):
    """The worker that was gone is connected again."""


class MetricsReported(BaseEvent, frozen=True, kw_only=True, tag="processing_metrics"):
    """Figures of the worker's own, passed on as they are."""

    metrics: Details = {}
    photo_id: PhotoId = None


Finding = JobStalled | JobLost | JobResumed
"""What the server finds by itself."""

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
"""What a reporter may state."""
Event = Report | Finding
"""Everything that changes a job; a `match` over it ends in `assert_never`."""
EVENTS: Final[tuple[type[Event], ...]] = get_args(Event)
