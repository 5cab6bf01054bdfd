"""What the server sends, one struct a message, in the names that it has on the wire.

Decoding is forgiving, because a screen that is left open all day meets servers of other ages: an unknown type, or
a field of the wrong type, is left out and counted. Only `job_id` is indispensable.
"""

import types
import typing
from functools import cache
from typing import Final

import msgspec

__all__ = [
    "PROTOCOL",
    "ConnectionEstablished",
    "ErrorItem",
    "ErrorOccurred",
    "Frame",
    "JobCompleted",
    "JobFailed",
    "JobMessage",
    "JobProgress",
    "JobStarted",
    "JobStatus",
    "PhotoInfo",
    "Pong",
    "Problem",
    "Snapshot",
    "StageCompleted",
    "StageItem",
    "SubscriptionConfirmed",
    "decode",
    "decode_batch",
]

PROTOCOL: Final = 1
"""The version of the WebSocket messages that this program speaks."""


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


class Common(msgspec.Struct, kw_only=True):
    """What a `JobStatus` and every message about a job carry."""

    job_id: str
    photo_id: object = None
    seq: int | None = None
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
    eta_reasons: list[str] | None = None
    stage_index: int | None = None
    stage_count: int | None = None
    elapsed_seconds: float | None = None


class JobStatus(Common, kw_only=True):
    """The full state of one job, as a snapshot holds it."""

    photo_info: object = None
    current_stage: str | None = None
    progress: float | None = None
    stages_completed: list[str] = []
    message: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    success: bool | None = None
    result: object = None
    duration: float | None = None
    cache_hit: bool = False
    stages: list[StageItem] = []
    errors: list[ErrorItem] = []


class JobMessage(Common, kw_only=True, tag_field="type", tag="job"):
    """Base of the messages about one job; not a message itself."""

    epoch: str | None = None
    timestamp: str | None = None


class JobStarted(JobMessage, kw_only=True, tag="job_started"):
    """A job began, or began anew."""

    photo_info: object = None
    stages: list[str] = []
    averages: dict[str, float | None] = {}


class JobProgress(JobMessage, kw_only=True, tag="job_progress"):
    """A phase began or came further. `progress` is the phase's own percent, if its worker tells."""

    stage: str | None = None
    progress: float | None = None
    message: str | None = None
    details: object = None


class StageCompleted(JobMessage, kw_only=True, tag="stage_completed"):
    """A phase ended well, or was skipped."""

    stage: str | None = None
    result: object = None
    skipped: bool = False
    stage_seconds: float | None = None
    average_seconds: float | None = None


class PhotoInfo(JobMessage, kw_only=True, tag="photo_info"):
    """Facts about the photo of a job."""

    photo_data: object = None


class ErrorOccurred(JobMessage, kw_only=True, tag="error_occurred"):
    """Something went wrong; the job may go on."""

    error_type: str | None = None
    error_message: str | None = None
    error_details: object = None
    stage: str | None = None


class JobCompleted(JobMessage, kw_only=True, tag="job_completed"):
    """A job ended well."""

    success: bool | None = None
    result: object = None
    duration: float | None = None


class JobFailed(JobMessage, kw_only=True, tag="job_failed"):
    """A job failed or was cancelled."""

    success: bool | None = None
    result: object = None
    duration: float | None = None


class ConnectionEstablished(msgspec.Struct, kw_only=True, tag_field="type", tag="connection_established"):
    """The first thing that a server says."""

    protocol: int | None = None
    epoch: str | None = None


class SubscriptionConfirmed(msgspec.Struct, kw_only=True, tag_field="type", tag="subscription_confirmed"):
    """The subscription holds."""

    channels: list[str] = []


class Snapshot(msgspec.Struct, kw_only=True, tag_field="type", tag="snapshot"):
    """Every job that the server knows, at one position of its stream."""

    epoch: str | None = None
    seq: int | None = None
    jobs: list[JobStatus] = []


class Pong(msgspec.Struct, kw_only=True, tag_field="type", tag="pong"):
    """The answer to a ping."""


class Problem(msgspec.Struct, kw_only=True, tag_field="type", tag="error"):
    """The server could not do what it was asked."""

    error: str | None = None
    code: str | None = None


Frame = (
    ConnectionEstablished
    | SubscriptionConfirmed
    | Snapshot
    | Pong
    | Problem
    | JobStarted
    | JobProgress
    | StageCompleted
    | PhotoInfo
    | ErrorOccurred
    | JobCompleted
    | JobFailed
)

_DECODER: Final = msgspec.json.Decoder(Frame)
_BATCH_DECODER: Final = msgspec.json.Decoder(list[Frame])
_RAW_DECODER: Final = msgspec.json.Decoder(list[msgspec.Raw])
_BY_TYPE: Final[dict[object, type[msgspec.Struct]]] = {
    struct.__struct_config__.tag: struct for struct in typing.get_args(Frame)
}


def decode(data: str | bytes) -> tuple[Frame | None, int]:
    """Return the message in a text frame, and how many things in it had to be ignored.

    The message is None when the frame is no JSON object, of an unknown type, or about a job without an id.
    """
    try:
        return _DECODER.decode(data), 0
    except msgspec.ValidationError:
        pass
    except (msgspec.DecodeError, RecursionError, ValueError, OverflowError):
        return None, 1
    try:
        raw = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, ValueError, OverflowError):
        return None, 1
    tag = raw.get("type") if isinstance(raw, dict) else None
    struct = _BY_TYPE.get(tag) if isinstance(tag, str) else None
    if struct is None:
        return None, 1
    salvaged, ignored = _salvage(struct, raw)
    return typing.cast("Frame | None", salvaged), ignored


def decode_batch(data: str | bytes) -> tuple[list[Frame], int]:
    """Return the messages in a text frame, one alone or an array of them, and how many things had to be ignored."""
    if data[:1] not in {"[", b"["}:
        frame, ignored = decode(data)
        return ([] if frame is None else [frame]), ignored
    try:
        return _BATCH_DECODER.decode(data), 0
    except msgspec.ValidationError:
        pass
    except (msgspec.DecodeError, RecursionError, ValueError, OverflowError):
        return [], 1
    try:
        pairs = [decode(bytes(raw)) for raw in _RAW_DECODER.decode(data)]
    except (msgspec.DecodeError, RecursionError, ValueError, OverflowError):
        return [], 1
    return [frame for frame, _ in pairs if frame is not None], sum(ignored for _, ignored in pairs)


def _salvage(struct: type[msgspec.Struct], raw: object) -> tuple[msgspec.Struct | None, int]:
    """Build a `struct` from those fields of `raw` that have the right type; None if an indispensable one hasn't."""
    if not isinstance(raw, dict):
        return None, 1
    good: dict[str, object] = {}
    ignored = 0
    for field in msgspec.structs.fields(struct):
        if field.encode_name not in raw:
            continue
        value = raw[field.encode_name]
        item = _item_struct(field.type)
        if item is not None and isinstance(value, list):
            pairs = [_salvage(item, each) for each in value]
            good[field.name] = [each for each, _ in pairs if each is not None]
            ignored += sum(count for _, count in pairs)
            continue
        try:
            good[field.name] = msgspec.convert(value, field.type)
        except (msgspec.ValidationError, OverflowError, RecursionError):
            ignored += 1
    try:
        return struct(**good), ignored
    except TypeError:  # An indispensable field is missing.
        return None, max(1, ignored)


@cache
def _item_struct(field_type: object) -> type[msgspec.Struct] | None:
    """Return X when the type is `list[X]` of a struct X."""
    if isinstance(field_type, types.GenericAlias) and field_type.__origin__ is list:
        item = field_type.__args__[0]
        if isinstance(item, type) and issubclass(item, msgspec.Struct):
            return item
    return None
