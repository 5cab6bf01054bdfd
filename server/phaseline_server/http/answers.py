"""Response types of the routes. The OpenAPI document is built from them, and a test checks responses against them."""

from typing import Any, Literal

import msgspec

from phaseline.stream import Position
from phaseline.wire import DayStatus, JobStatus, OrderStatus

__all__ = [
    "ActiveJobs",
    "BatchTaken",
    "ClientList",
    "Disconnected",
    "Failure",
    "Handshaken",
    "Health",
    "JobAnswer",
    "JobList",
    "JobOutput",
    "Missed",
    "Ordered",
    "OutputTaken",
    "Polled",
    "Published",
    "Removed",
    "Replied",
    "Run",
    "SeriesList",
    "StreamStatus",
    "Taken",
    "Ticket",
    "Unready",
]


class Failure(msgspec.Struct, kw_only=True):
    """An error. `error` names the failure, the value and what is allowed; `code` is stable."""

    success: Literal[False]
    error: str
    code: str


class Taken(msgspec.Struct, kw_only=True):
    """The report is accepted and on disk. `ignored` names fields that were not understood.

    `orders` are those of the job that its worker has neither taken nor refused.
    """

    success: Literal[True]
    job_id: str
    seq: int
    epoch: str
    ignored: list[str] | msgspec.UnsetType = msgspec.UNSET
    hint: str | msgspec.UnsetType = msgspec.UNSET
    orders: list[OrderStatus] | msgspec.UnsetType = msgspec.UNSET


class Result(msgspec.Struct, kw_only=True):
    """The outcome of one report in a batch: its `seq`, or an error and its code; the others as for one report."""

    success: bool
    seq: int | msgspec.UnsetType = msgspec.UNSET
    error: str | msgspec.UnsetType = msgspec.UNSET
    code: str | msgspec.UnsetType = msgspec.UNSET
    ignored: list[str] | msgspec.UnsetType = msgspec.UNSET
    hint: str | msgspec.UnsetType = msgspec.UNSET
    orders: list[OrderStatus] | msgspec.UnsetType = msgspec.UNSET


class BatchTaken(msgspec.Struct, kw_only=True):
    """The outcome of each report, in the order of the batch."""

    success: bool
    accepted: int
    refused: int
    results: list[Result]
    epoch: str


class Ordered(msgspec.Struct, kw_only=True):
    """The order is on disk. Its worker takes or refuses it: `order_taken` or `order_refused` has its `order_id`."""

    success: Literal[True]
    job_id: str
    order_id: str
    seq: int
    epoch: str
    ignored: list[str] | msgspec.UnsetType = msgspec.UNSET


class OutputTaken(msgspec.Struct, kw_only=True):
    """The output is added; `end` is the number of characters of the job's output so far."""

    success: Literal[True]
    job_id: str
    end: int


class JobOutput(msgspec.Struct, kw_only=True):
    """The end of a job's output: `text`, from character `at` to before character `end`.

    In `text`, a carriage return means that the program draws its line again.
    """

    success: Literal[True]
    job_id: str
    at: int
    end: int
    text: str


class JobAnswer(msgspec.Struct, kw_only=True):
    """One job."""

    success: Literal[True]
    job_status: JobStatus


class ActiveJobs(msgspec.Struct, kw_only=True):
    """The unfinished jobs, by id."""

    success: Literal[True]
    active_jobs: dict[str, JobStatus]
    count: int


class JobList(msgspec.Struct, kw_only=True):
    """A page of jobs. Send `cursor` to get the next page; null on the last one.

    `since` and `until` are the times of the query, null if it had none.
    """

    success: Literal[True]
    jobs: list[JobStatus]
    count: int
    cursor: str | None
    since: str | None
    until: str | None


class Missed(msgspec.Struct, kw_only=True):
    """A page of the stream. If `recovered` is false, messages are missing and `jobs` holds the current state."""

    success: Literal[True]
    recovered: bool
    position: Position
    messages: list[dict[str, Any]]
    count: int
    jobs: list[JobStatus] | msgspec.UnsetType = msgspec.UNSET
    today: DayStatus | msgspec.UnsetType | None = msgspec.UNSET


class Handshaken(msgspec.Struct, kw_only=True):
    """A polling session is open."""

    success: Literal[True]
    client_id: str
    protocol_version: str | int | float | None
    protocol: int
    server_time: str
    epoch: str
    position: Position
    channels: list[str]


class Polled(msgspec.Struct, kw_only=True):
    """The messages since the last poll. Send `ack` with the next poll to acknowledge them."""

    success: Literal[True]
    epoch: str
    recovered: bool
    messages: list[dict[str, Any]]
    count: int
    ack: int
    jobs: list[JobStatus] | msgspec.UnsetType = msgspec.UNSET
    today: DayStatus | msgspec.UnsetType | None = msgspec.UNSET


class Replied(msgspec.Struct, kw_only=True):
    """The reply that a WebSocket client would have received, under `response`; its fields also stand beside it."""

    success: Literal[True]
    response: dict[str, Any]
    timestamp: str
    type: str
    ignored: list[str] | msgspec.UnsetType = msgspec.UNSET
    hint: str | msgspec.UnsetType = msgspec.UNSET


class Disconnected(msgspec.Struct, kw_only=True):
    """The polling session is closed."""

    success: Literal[True]


class Published(msgspec.Struct, kw_only=True):
    """The message is published; `seq` is its number in the stream."""

    success: Literal[True]
    seq: int


class Ticket(msgspec.Struct, kw_only=True):
    """A ticket that replaces the sent token once, within `expires_seconds`.

    The other fields describe the token: its scope, its job prefix, and of a link the only job that it shows.
    """

    success: Literal[True]
    ticket: str
    expires_seconds: float
    scope: Literal["read", "report", "admin"]
    prefix: str
    job: str | None


class ClientList(msgspec.Struct, kw_only=True):
    """The connected clients."""

    success: Literal[True]
    clients: list[dict[str, Any]]
    count: int


class StreamStatus(msgspec.Struct, kw_only=True):
    """The state of the stream."""

    success: Literal[True]
    connected_clients: int
    channels: dict[str, int]
    queued_messages: int
    messages_sent: int
    slow_subscribers: int
    position: Position
    uptime_seconds: float


class SeriesList(msgspec.Struct, kw_only=True):
    """The names of all series."""

    series: list[str]
    count: int


class Removed(msgspec.Struct, kw_only=True):
    """The effect of a removal."""

    success: Literal[True]
    cancelled: bool
    removed: bool


class Health(msgspec.Struct, kw_only=True):
    """The server is running. Once tokens exist, the counts need one that reads the whole server."""

    status: Literal["ok"]
    version: str
    uptimeSeconds: float  # noqa: N815 (name on the wire)
    activeJobs: int | msgspec.UnsetType = msgspec.UNSET  # noqa: N815 (name on the wire)
    subscribers: int | msgspec.UnsetType = msgspec.UNSET
    role: Literal["single", "leader", "follower"]
    term: int | msgspec.UnsetType = msgspec.UNSET
    leader: str | msgspec.UnsetType = msgspec.UNSET


class Unready(msgspec.Struct, kw_only=True):
    """The server is not ready, and the reason."""

    status: Literal["unready"]
    error: str
    code: str


class RunPhase(msgspec.Struct, kw_only=True, rename="camel"):
    """A phase of a picture's run."""

    name: str
    started_ns: int
    ended_ns: int
    skipped: bool
    error: str


class RunReason(msgspec.Struct, kw_only=True, rename="camel"):
    """Why the estimate of a picture's run changed."""

    at: str
    change_seconds: float
    text: str


class Run(msgspec.Struct, kw_only=True, rename="camel"):
    """A snapshot of a picture's run."""

    series: str
    address: str
    current_phase: str
    started_ns: int
    percent: float
    eta_seconds: float
    done: bool
    error: str
    cache_hit: bool
    phases: list[RunPhase]
    dalle_dress: dict[str, Any] | None
    phase_averages: dict[str, int]
    phase_percent: float
    phase_eta_seconds: float
    phase_index: int
    phase_count: int
    job_id: str
    seq: int
    started_at: str
    eta_low_seconds: float | None
    eta_high_seconds: float | None
    eta_basis: str
    eta_runs: int
    eta_reasons: list[RunReason]
    finish_at: str | None
    finish_low_at: str | None
    finish_high_at: str | None
