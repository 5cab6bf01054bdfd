"""Decoding of text frames.

Decoding is lenient, because the server may be newer or older than the view: unknown types and fields of a wrong type
are skipped and counted. Only `job_id` is required.
"""

import math
import types
import typing
from collections.abc import Iterator
from functools import cache
from typing import Final, TypeVar

import msgspec

from phaseline_tui.model.frames import Frame, JobStatus, Snapshot

__all__ = ["UNDECODABLE", "decode", "decode_answer", "decode_batch", "statuses"]

_T = TypeVar("_T")
_DECODER: Final = msgspec.json.Decoder(Frame)
_BATCH_DECODER: Final = msgspec.json.Decoder(list[Frame])
_STATUS_DECODER: Final = msgspec.json.Decoder(JobStatus)
_RAW_DECODER: Final = msgspec.json.Decoder(list[msgspec.Raw])
_ANY_DECODER: Final = msgspec.json.Decoder(
    float_hook=lambda literal: number if math.isfinite(number := float(literal)) else literal
)
"""Decodes any JSON. A number beyond the range of a float becomes a text, so that only its field is skipped."""
UNDECODABLE: Final = (msgspec.DecodeError, RecursionError, ValueError, OverflowError)
"""The errors of msgspec for text that is not JSON, is nested too deeply, or has a number that is out of range."""
_BY_TYPE: Final[dict[object, type[msgspec.Struct]]] = {
    struct.__struct_config__.tag: struct for struct in typing.get_args(Frame)
}


def decode_answer(body: bytes, kind: type[_T]) -> _T:
    """Decode the body of an HTTP answer.

    Raises:
        ValueError: The body is invalid.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except UNDECODABLE as error:
        raise ValueError(str(error)) from error


def decode(data: str | bytes) -> tuple[Frame | None, int]:
    """Return the message of a text frame, and the number of ignored parts.

    The message is None if the frame is not a JSON object, has an unknown type, or lacks a required field.
    """
    try:
        return _DECODER.decode(data), 0
    except msgspec.ValidationError:
        pass
    except UNDECODABLE:
        return None, 1
    try:
        raw = _ANY_DECODER.decode(data)
    except UNDECODABLE:
        return None, 1
    tag = raw.get("type") if isinstance(raw, dict) else None
    struct = _BY_TYPE.get(tag) if isinstance(tag, str) else None
    if struct is None:
        return None, 1
    salvaged, ignored = _salvage(struct, raw)
    return typing.cast("Frame | None", salvaged), ignored


def decode_batch(data: str | bytes) -> tuple[list[Frame], int]:
    """Return the messages of a text frame, one or an array, and the number of ignored parts."""
    if data[:1] not in {"[", b"["}:
        frame, ignored = decode(data)
        return ([] if frame is None else [frame]), ignored
    try:
        return _BATCH_DECODER.decode(data), 0
    except msgspec.ValidationError:
        pass
    except UNDECODABLE:
        return [], 1
    try:
        pairs = [decode(bytes(raw)) for raw in _RAW_DECODER.decode(data)]
    except UNDECODABLE:
        return [], 1
    return [frame for frame, _ in pairs if frame is not None], sum(ignored for _, ignored in pairs)


def statuses(snapshot: Snapshot) -> Iterator[tuple[JobStatus | None, int]]:
    """Yield the jobs of a snapshot, each with the number of ignored parts; None for a job without an id."""
    for raw in snapshot.jobs:
        try:
            yield _STATUS_DECODER.decode(raw), 0
            continue
        except msgspec.ValidationError:
            pass
        except UNDECODABLE:
            yield None, 1
            continue
        try:
            whole = _ANY_DECODER.decode(raw)
        except UNDECODABLE:  # after the field of a wrong type, where the first decoder stopped
            yield None, 1
            continue
        salvaged, ignored = _salvage(JobStatus, whole)
        yield typing.cast("JobStatus | None", salvaged), ignored


def _salvage(struct: type[msgspec.Struct], raw: object) -> tuple[msgspec.Struct | None, int]:
    """Build a `struct` from the valid fields of `raw`; return None if a required one is missing or invalid."""
    if not isinstance(raw, dict):
        return None, 1
    good: dict[str, object] = {}
    ignored = 0
    for field in msgspec.structs.fields(struct):
        if field.encode_name not in raw:
            continue
        value = raw[field.encode_name]
        if field.type == list[msgspec.Raw] and isinstance(value, list):
            good[field.name] = [msgspec.Raw(msgspec.json.encode(each)) for each in value]
            continue
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
    except TypeError:  # a required field is missing
        return None, max(1, ignored)


@cache
def _item_struct(field_type: object) -> type[msgspec.Struct] | None:
    """Return X if the type is `list[X]` with a struct X; otherwise None."""
    if isinstance(field_type, types.GenericAlias) and field_type.__origin__ is list:
        item = field_type.__args__[0]
        if isinstance(item, type) and issubclass(item, msgspec.Struct):
            return item
    return None
