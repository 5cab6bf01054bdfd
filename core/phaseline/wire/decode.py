"""Decoding of what clients send: typed, bounded, cleaned; every refusal names the field and what is allowed."""

import re
from typing import Annotated, Any, Final, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta

from phaseline.errors import InvalidField, InvalidJSON, TooLarge, UnknownType
from phaseline.events import Event, Report
from phaseline.stream import JOBS, PHOTOS, SYSTEM, Position
from phaseline.text import clean_json, needs_cleaning

__all__ = [
    "MAX_DEPTH",
    "Auth",
    "ClientMessage",
    "Ping",
    "Register",
    "Subscribe",
    "Unsubscribe",
    "decode_client",
    "decode_json",
    "decode_object",
    "encode_event",
]

MAX_DEPTH: Final = 16

Channel = Annotated[str, Meta(min_length=1, max_length=210)]
Channels = Annotated[tuple[Channel, ...], Meta(max_length=1000)]
T = TypeVar("T")


class Register(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="register"):
    """A client says what it is. With `acks`, each of its reports is answered by `ack`."""

    client_type: Annotated[str, Meta(max_length=100)] = ""
    client_name: Annotated[str, Meta(max_length=100)] = ""
    acks: bool = False


class Subscribe(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="subscribe"):
    """A client wants the messages of `channels`, which are added to those that it has.

    Attributes:
        snapshot: Send the current state first, at a position.
        since: Send all messages after this position first, or, if they are gone, the current state.
        coalesce_ms: At most one job_progress of a job in so many milliseconds, the latest.
        batch: Frames are JSON arrays of messages.
    """

    channels: Channels = (JOBS, PHOTOS, SYSTEM)
    snapshot: bool = False
    since: Position | None = None
    coalesce_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0
    batch: bool = False


class Unsubscribe(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="unsubscribe"):
    """A client no longer wants the messages of `channels`."""

    channels: Channels


class Ping(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="ping"):
    """A client asks whether the server is there; answered by `pong`."""


class Auth(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="auth"):
    """A client shows its token."""

    token: Annotated[str, Meta(max_length=500)]


ClientMessage = Register | Subscribe | Unsubscribe | Ping | Auth | Report

_client: "Final[msgspec.json.Decoder[ClientMessage]]" = msgspec.json.Decoder(ClientMessage)
_anything: Final = msgspec.json.Decoder()
_encoder: Final = msgspec.json.Encoder()
_TYPES: Final = ", ".join(
    str(kind.__struct_config__.tag) for kind in (Register, Subscribe, Unsubscribe, Ping, Auth, *Report.__args__)
)
_AT: Final = re.compile(r"^(?P<problem>.*?)(?: - at `\$\.?(?P<path>.*?)`)?$", re.DOTALL)
_MISSING: Final = re.compile(r"missing required field `(?P<field>.+?)`")


def decode_client(frame: bytes | str, max_bytes: int, max_depth: int = MAX_DEPTH) -> ClientMessage:
    """Return the message in a frame.

    Raises:
        TooLarge: The frame is over `max_bytes`.
        InvalidJSON: It is no JSON, no object, or nested deeper than `max_depth`.
        UnknownType: Its `type` is none of a client's.
        InvalidField: A field is missing, or has a wrong type or value.
    """
    return _decode(_client, ClientMessage, _bounded(frame, max_bytes, max_depth))


def decode_object(document: bytes, kind: type[T], max_bytes: int, max_depth: int = MAX_DEPTH) -> T:
    """Return a request's body as `kind`, a struct; raises as `decode_client` does."""
    return _decode(msgspec.json.Decoder(kind), kind, _bounded(document, max_bytes, max_depth))


def decode_json(document: bytes, max_bytes: int, max_depth: int = MAX_DEPTH) -> Any:
    """Return any JSON value.

    Raises:
        TooLarge: The document is over `max_bytes`.
        InvalidJSON: It is no JSON, or nested deeper than `max_depth`.
    """
    return _anything.decode(_bounded(document, max_bytes, max_depth))


def encode_event(event: Event) -> bytes:
    """Return `event` as a reporter sends it."""
    return _encoder.encode(event)


def _bounded(frame: bytes | str, max_bytes: int, max_depth: int) -> bytes:
    """Return the frame as bytes of valid JSON within bounds, its strings cleaned."""
    document = frame.encode("utf-8", "surrogatepass") if isinstance(frame, str) else frame
    if len(document) > max_bytes:
        raise TooLarge("the document", len(document), max_bytes)
    deep = document.count(b"[") + document.count(b"{") > max_depth
    dirty = needs_cleaning(document)
    if not deep and not dirty:
        return document
    try:
        value = _anything.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidJSON(_not_json(error)) from None
    if deep and (depth := _depth(value)) > max_depth:
        text = f"the document is nested {depth} deep; allowed: at most {max_depth}"
        raise InvalidJSON(text)
    return _encoder.encode(clean_json(value)) if dirty else document


def _depth(value: object) -> int:
    """Return how deep a JSON value is nested; a scalar is 0 deep."""
    deepest, todo = 0, [(value, 0)]
    while todo:
        item, depth = todo.pop()
        inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else None
        if inner is not None:
            deepest = max(deepest, depth + 1)
            todo.extend((each, depth + 1) for each in inner)
    return deepest


def _decode(decoder: "msgspec.json.Decoder[T]", kind: Any, document: bytes) -> T:
    try:
        return decoder.decode(document)
    except msgspec.ValidationError as error:
        raise _explained(str(error), kind, document) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidJSON(_not_json(error)) from None


def _not_json(error: Exception) -> str:
    reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    return f"the document is not valid JSON: {reason}; allowed: one JSON document in UTF-8"


def _explained(problem: str, kind: Any, document: bytes) -> InvalidJSON | InvalidField | UnknownType:
    """Turn msgspec's complaint, which names the field but not the value, into one of ours."""
    value = _anything.decode(document)
    if not isinstance(value, dict):
        text = f"the document is of type {type(value).__name__}; allowed: a JSON object"
        return InvalidJSON(text)
    match = _AT.match(problem)
    path = (match["path"] or "") if match else ""
    reason = match["problem"] if match else problem
    if path == "type" or (not path and "`type`" in reason):
        return UnknownType(value.get("type"), _TYPES)
    if missing := _MISSING.search(reason):
        return InvalidField(f"{path}.{missing['field']}".lstrip("."), None, "it is required")
    return InvalidField(path or "the document", _at(value, path), _described(kind, path) or _type_in(reason))


def _described(kind: Any, path: str) -> str:
    """Return the description of the field at `path` in whichever struct of `kind` has it, or ""."""
    for struct in get_args(kind) or (kind,):
        names = dict(zip(struct.__struct_encode_fields__, struct.__struct_fields__, strict=True))
        if path in names:
            hint = get_type_hints(struct, include_extras=True)[names[path]]
            for part in (hint, *get_args(hint)):
                for note in getattr(part, "__metadata__", ()):
                    if isinstance(note, Meta) and note.description:
                        return note.description
    return ""


def _type_in(reason: str) -> str:
    """Return the type that msgspec expected: "Expected `int`, got `str`" is about an `int`."""
    return reason.removeprefix("Expected ").partition(", got")[0].replace("`", "")


def _at(value: Any, path: str) -> object:
    """Return what stands at msgspec's path in a decoded document, as far as it can be followed."""
    for step in re.findall(r"[^.\[\]]+", path):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return value
    return value
