"""The parts of a job's status: its phases, errors and reasons, with the field names of the wire."""

import msgspec

__all__ = ["ErrorItem", "ReasonItem", "StageItem"]


class StageItem(msgspec.Struct, kw_only=True, gc=False):
    """One phase of a `JobStatus`."""

    name: str
    state: str = "pending"
    started_at: str | None = None
    elapsed_seconds: float | None = None
    average_seconds: float | None = None
    p90_seconds: float | None = None
    progress: float | None = None
    error: str | None = None


class ErrorItem(msgspec.Struct, kw_only=True, gc=False):
    """One error of a `JobStatus`."""

    error_type: str | None = None
    error_message: str | None = None
    error_details: object = None
    stage: str | None = None
    timestamp: str | None = None


class ReasonItem(msgspec.Struct, kw_only=True, gc=False):
    """A reason why the estimate of a job changed."""

    text: str = ""
