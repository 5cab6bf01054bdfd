"""Response types of the routes for jobs and the server; `answers_pictures` and `answers_stream` have the others.

The OpenAPI document is built from them, and a test checks responses against them.
"""

from typing import Literal

import msgspec

from phaseline.wire import JobStatus, OrderStatus

__all__ = [
    "ActiveJobs",
    "BatchTaken",
    "Failure",
    "Health",
    "JobAnswer",
    "JobList",
    "JobOutput",
    "Ordered",
    "OutputTaken",
    "Taken",
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
    """The outcome of one report in a batch: its `seq`, or an error and its code.

    The other fields are those of the answer to one report.
    """

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


class Health(msgspec.Struct, kw_only=True):
    """The server is running. Once tokens exist, the counts need one that reads the whole server.

    `term`, `leader` and `lagSeconds` are those of a log that servers share.
    """

    status: Literal["ok"]
    version: str
    uptimeSeconds: float  # noqa: N815 (name on the wire)
    activeJobs: int | msgspec.UnsetType = msgspec.UNSET  # noqa: N815 (name on the wire)
    subscribers: int | msgspec.UnsetType = msgspec.UNSET
    role: Literal["single", "leader", "follower"]
    term: int | msgspec.UnsetType = msgspec.UNSET
    leader: str | msgspec.UnsetType = msgspec.UNSET
    lagSeconds: float | msgspec.UnsetType = msgspec.UNSET  # noqa: N815 (name on the wire)


class Unready(msgspec.Struct, kw_only=True):
    """The server is not ready, and the reason."""

    status: Literal["unready"]
    error: str
    code: str
