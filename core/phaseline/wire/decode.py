"""Decoding of what clients send: typed, bounded, cleaned; every refusal names the field and what is allowed."""

import re
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from phaseline.errors import InvalidField, InvalidJSON, TooLarge
from phaseline.model.events import Event, Label, Report, one_line
from phaseline.stream import JOBS, PHOTOS, SYSTEM, Position
from phaseline.text import clean_json, needs_cleaning
from phaseline.wire.explain import explained, not_json, out_of_range
from phaseline.wire.one_line import check_lines

__all__ = [
    "MAX_DEPTH",
    "Auth",
    "ClientMessage",
    "Ping",
    "Register",
    "Subscribe",
    "Unsubscribe",
    "decode_array",
    "decode_client",
    "decode_json",
    "decode_object",
    "encode_event",
]

MAX_DEPTH: Final = 16

Channel = Annotated[str, one_line(1, 210)]
Channels = Annotated[tuple[Channel, ...], Meta(max_length=1000, description="a list of at most 1000 channels")]
T = TypeVar("T")


class Register(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="register"):
    """A client says what it is.

    Attributes:
        client_type: Any word.
        client_name: Any word.
        acks: Whether each of its reports is answered by `ack`.
        producer: The name under which it reports, if it does. Its jobs go on while it is connected, silent or not.
    """

    client_type: Label = ""
    client_name: Label = ""
    acks: bool = False
    producer: Label | None = None


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
    coalesce_ms: Annotated[int, Meta(ge=0, le=60_000, description="an integer from 0 to 60,000")] = 0
    batch: bool = False


class Unsubscribe(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="unsubscribe"):
    """A client no longer wants the messages of `channels`."""

    channels: Channels


class Ping(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="ping"):
    """A client asks whether the server is there; answered by `pong`."""


class Auth(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="auth"):
    """A client shows its token."""

    token: Annotated[str, Meta(max_length=500, description="a string of at most 500 characters")]


ClientMessage = Register | Subscribe | Unsubscribe | Ping | Auth | Report

_client: "Final[msgspec.json.Decoder[ClientMessage]]" = msgspec.json.Decoder(ClientMessage)
_clients: "Final[msgspec.json.Decoder[list[ClientMessage]]]" = msgspec.json.Decoder(list[ClientMessage])
_anything: Final = msgspec.json.Decoder()
_encoder: Final = msgspec.json.Encoder()
_ALIKE: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)).difference(b"{}[]"))
_NO_OBJECT: Final = re.compile(r"Expected `object`, got `array` - at `\$(?:\[(?P<index>\d+)\])?\.(?P<field>\w+)`")


def decode_client(frame: bytes | str, max_bytes: int, max_depth: int = MAX_DEPTH) -> ClientMessage:
    """Return the message in a frame.

    Raises:
        TooLarge: The frame is over `max_bytes`.
        InvalidJSON: It is no JSON, no object, or nested deeper than `max_depth`.
        UnknownType: Its `type` is none of a client's.
        InvalidField: A field is missing, or has a wrong type or value.
    """
    return _decode(_client, ClientMessage, _bounded(frame, max_bytes, max_depth))


def decode_array(frame: str, max_bytes: int, max_depth: int = MAX_DEPTH) -> list[ClientMessage] | None:
    """Return the messages in a frame that is an array of them, at a small part of what each by itself would take.

    None if anything is wrong with any of them, or has to be taken out: then each is to be decoded for itself.
    """
    document = frame.encode("utf-8", "surrogatepass")
    if len(document) > max_bytes or needs_cleaning(document) or not _is_flat(document, max_depth + 1):
        return None
    try:
        messages = _clients.decode(document)
        _check_lines(messages, document)
    except (msgspec.MsgspecError, InvalidField, UnicodeDecodeError, RecursionError):
        return None
    return messages


def _check_lines(value: object, document: bytes) -> None:
    if b"\\" in document:
        check_lines(value)


def decode_object(document: bytes, kind: type[T], max_bytes: int, max_depth: int = MAX_DEPTH) -> T:
    """Return a request's body as `kind`, a struct or a list of messages; raises as `decode_client` does."""
    decoder: msgspec.json.Decoder[T] = _decoders(kind)
    return _decode(decoder, kind, _bounded(document, max_bytes, max_depth))


_decoders: Final[Callable[[Any], Any]] = cache(msgspec.json.Decoder)


def decode_json(document: bytes, max_bytes: int, max_depth: int = MAX_DEPTH) -> Any:
    """Return any JSON value.

    Raises:
        TooLarge: The document is over `max_bytes`.
        InvalidJSON: It is no JSON, or nested deeper than `max_depth`.
        InvalidField: A number in it is out of range.
    """
    return _any(_bounded(document, max_bytes, max_depth))


def encode_event(event: Event) -> bytes:
    """Return `event` as a reporter sends it."""
    return _encoder.encode(event)


def _bounded(frame: bytes | str, max_bytes: int, max_depth: int) -> bytes:
    """Return the frame as bytes of valid JSON within bounds, its strings cleaned."""
    document = frame.encode("utf-8", "surrogatepass") if isinstance(frame, str) else frame
    if len(document) > max_bytes:
        raise TooLarge("the document", len(document), max_bytes)
    deep = not _is_flat(document, max_depth)
    dirty = needs_cleaning(document)
    if not deep and not dirty:
        return document
    value = _any(document)
    if deep and (depth := _depth(value)) > max_depth:
        raise InvalidJSON(f"the document is nested {depth} deep; allowed: at most {max_depth}")
    try:
        return _encoder.encode(clean_json(value)) if dirty else document
    except RecursionError as error:  # a `max_depth` beyond Python's own
        raise not_json(error, document) from None


def _is_flat(document: bytes, max_depth: int) -> bool:
    """Say whether JSON is nested at most so deep; False if that is not so easily seen, as with brackets in texts."""
    if document.count(b"{") + document.count(b"[") <= max_depth:
        return True
    brackets = document.translate(_ALIKE, _NO_BRACKETS)
    for _ in range(max_depth):
        brackets = brackets.replace(b"[]", b"")
        if not brackets:
            return True
    return False


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


def _any(document: bytes) -> Any:
    try:
        return _anything.decode(document)
    except msgspec.ValidationError:
        # Nothing was asked of its types, so the document is fine but for a number that no machine has room for.
        raise out_of_range(document) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(error, document) from None


def _decode(decoder: "msgspec.json.Decoder[T]", kind: Any, document: bytes) -> T:
    try:
        value = decoder.decode(document)
    except msgspec.ValidationError as error:
        value = _decode_again(str(error), kind, document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(error, document) from None
    _check_lines(value, document)
    return value


def _decode_again(problem: str, kind: Any, document: bytes) -> Any:
    """Decode what was refused because of `problem`, taking [] for {}; raise what it is refused for otherwise.

    Lua has one empty table for both, and its encoders write [].
    """
    value = _any(document)
    while match := _NO_OBJECT.fullmatch(problem):
        message = value if match["index"] is None else value[int(match["index"])]
        if message[match["field"]] != []:
            break
        message[match["field"]] = {}
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            problem = str(error)
    raise explained(problem, kind, value)
