"""The server's messages, one struct each, with the field names of the wire."""

from typing import Final

import msgspec

from phaseline_tui.model.jobs import JobView
from phaseline_tui.model.status_items import ErrorItem, ReasonItem, StageItem

__all__ = [
    "SNAPSHOTS",
    "ConnectionEstablished",
    "ConvertedSnapshot",
    "DayItem",
    "ErrorOccurred",
    "Frame",
    "JobCompleted",
    "JobDismissed",
    "JobFailed",
    "JobLost",
    "JobMessage",
    "JobProgress",
    "JobQueued",
    "JobResumed",
    "JobStalled",
    "JobStarted",
    "JobStatus",
    "OrderGiven",
    "OrderRefused",
    "OrderTaken",
    "PhotoInfo",
    "Pong",
    "Problem",
    "ProcessingMetrics",
    "Snapshot",
    "StageCompleted",
    "SubscriptionConfirmed",
]


class Common(msgspec.Struct, kw_only=True, gc=False):
    """The fields common to `JobStatus` and all messages about a job."""

    job_id: str
    photo_id: object = None
    seq: int | None = None
    name: str | None = None
    workflow: str | None = None
    series: str | None = None
    host: str | None = None
    state: str | None = None
    percent: float | None = None
    eta_seconds: float | None = None
    eta_low_seconds: float | None = None
    eta_high_seconds: float | None = None
    eta_basis: str | None = None
    eta_runs: int | None = None
    stage_index: int | None = None
    stage_count: int | None = None
    elapsed_seconds: float | None = None


class JobStatus(Common, kw_only=True):
    """The full state of one job, as a snapshot holds it."""

    photo_info: object = None
    current_stage: str | None = None
    progress: float | None = None
    message: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    success: bool | None = None
    result: object = None
    duration: float | None = None
    cache_hit: bool = False
    stages: list[StageItem] = []
    errors: list[ErrorItem] = []
    eta_reasons: list[ReasonItem] = []
    reason: str | None = None
    silent_seconds: float | None = None
    worker: object = None
    done: float | None = None
    total: float | None = None
    unit: str | None = None
    rate: float | None = None
    queue: str | None = None
    position: int | None = None
    start_eta_seconds: float | None = None
    paused: bool = False


class JobMessage(Common, kw_only=True, tag_field="type", tag="job"):
    """Base of the messages about one job; not a message itself."""

    epoch: str | None = None
    timestamp: str | None = None


class JobStarted(JobMessage, kw_only=True, tag="job_started"):
    """A job started, or restarted."""

    photo_info: object = None
    worker: object = None
    stages: list[str] = []
    averages: dict[str, float | None] = {}
    queue: str | None = None
    position: int | None = None
    start_eta_seconds: float | None = None


class JobQueued(JobStarted, kw_only=True, tag="job_queued"):
    """A job waits in a queue, or its place there has changed."""


class JobProgress(JobMessage, kw_only=True, tag="job_progress"):
    """A phase started or progressed. `progress` is the phase's percentage, if its worker reports it.

    `done`, `total` and `unit` count its work, if its worker reports that.
    """

    stage: str | None = None
    progress: float | None = None
    message: str | None = None
    details: object = None
    done: float | None = None
    total: float | None = None
    unit: str | None = None
    stage_elapsed_seconds: float | None = None


class StageCompleted(JobMessage, kw_only=True, tag="stage_completed"):
    """A phase was completed or skipped."""

    stage: str | None = None
    result: object = None
    skipped: bool = False
    stage_seconds: float | None = None
    average_seconds: float | None = None


class PhotoInfo(JobMessage, kw_only=True, tag="photo_info"):
    """Facts about the photo of a job."""

    photo_data: object = None


class ErrorOccurred(JobMessage, kw_only=True, tag="error_occurred"):
    """An error occurred; the job may continue."""

    error_type: str | None = None
    error_message: str | None = None
    error_details: object = None
    stage: str | None = None


class JobCompleted(JobMessage, kw_only=True, tag="job_completed"):
    """A job completed."""

    success: bool | None = None
    result: object = None
    duration: float | None = None


class JobFailed(JobMessage, kw_only=True, tag="job_failed"):
    """A job failed or was cancelled."""

    success: bool | None = None
    result: object = None
    duration: float | None = None


class JobStalled(JobMessage, kw_only=True, tag="job_stalled"):
    """A job's worker is disconnected, or silent for too long."""

    reason: str | None = None
    silent_seconds: float | None = None


class JobLost(JobMessage, kw_only=True, tag="job_lost"):
    """The server no longer expects the worker to return; the times end at the worker's last sign of life."""

    reason: str | None = None
    silent_seconds: float | None = None
    stage_elapsed_seconds: float | None = None


class JobResumed(JobMessage, kw_only=True, tag="job_resumed"):
    """A disconnected worker has reconnected."""


class JobDismissed(JobMessage, kw_only=True, tag="job_dismissed"):
    """A user dismissed a job: lists omit it until its next report. `completed_at` is null if it has not ended."""

    completed_at: str | None = None


class OrderGiven(JobMessage, kw_only=True, tag="order_given"):
    """A user ordered a job's worker to do something."""

    order: str | None = None
    reason: str | None = None


class OrderTaken(OrderGiven, kw_only=True, tag="order_taken"):
    """The worker carries out an order."""


class OrderRefused(OrderGiven, kw_only=True, tag="order_refused"):
    """The worker refuses an order."""


class ProcessingMetrics(JobMessage, kw_only=True, tag="processing_metrics"):
    """Measurements of a worker."""

    metrics: object = None


class ConnectionEstablished(msgspec.Struct, kw_only=True, tag_field="type", tag="connection_established"):
    """The first message of a server."""

    protocol: int | None = None
    epoch: str | None = None


class SubscriptionConfirmed(msgspec.Struct, kw_only=True, tag_field="type", tag="subscription_confirmed"):
    """The server has accepted the subscription."""

    channels: list[str] = []


class DayItem(msgspec.Struct, kw_only=True):
    """Numbers of jobs that ended on the server's local day."""

    since: str | None = None
    until: str | None = None
    completed: int = 0
    failed: int = 0
    cancelled: int = 0


class Snapshot(msgspec.Struct, kw_only=True, tag_field="type", tag="snapshot"):
    """All jobs of the server at one position of its stream."""

    epoch: str | None = None
    seq: int | None = None
    jobs: list[msgspec.Raw] = []
    """Encoded `JobStatus` objects. `decoding.statuses` decodes them one by one, because ten thousand decoded ones would
    take more memory than the rest of the program."""
    today: DayItem | None = None
    """None if the server is older."""


class ConvertedSnapshot(Snapshot, kw_only=True, tag="converted"):
    """A snapshot whose jobs the link has converted already; no message of the wire."""

    views: list[JobView] = []
    left_out: int = 0
    """Number of jobs that the snapshot had beyond the view's limits."""


SNAPSHOTS: Final = frozenset({Snapshot, ConvertedSnapshot})


class Pong(msgspec.Struct, kw_only=True, tag_field="type", tag="pong"):
    """The answer to a ping."""


class Problem(msgspec.Struct, kw_only=True, tag_field="type", tag="error"):
    """The server could not process a request."""

    error: str | None = None
    code: str | None = None


Frame = (
    ConnectionEstablished
    | SubscriptionConfirmed
    | Snapshot
    | Pong
    | Problem
    | JobStarted
    | JobQueued
    | JobProgress
    | StageCompleted
    | PhotoInfo
    | ErrorOccurred
    | JobCompleted
    | JobFailed
    | JobStalled
    | JobLost
    | JobResumed
    | JobDismissed
    | OrderGiven
    | OrderTaken
    | OrderRefused
    | ProcessingMetrics
)
