"""Decode clients' messages: typed, limited in size, cleaned. Each error names the field and the allowed values."""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, TypeVar, get_args, get_origin

import msgspec

from phaseline.errors import InvalidField, InvalidJSON, TooLarge
from phaseline.model.events import Event
from phaseline.text import clean_json, needs_cleaning
from phaseline.wire.client_messages import ClientMessage
from phaseline.wire.explain import explained, not_json, out_of_range
from phaseline.wire.ignored import check_percent
from phaseline.wire.one_line import check_lines

__all__ = [
    "MAX_DEPTH",
    "decode_arrays",
    "decode_client",
    "decode_frames",
    "decode_json",
    "decode_object",
    "encode_event",
]

MAX_DEPTH: Final = 16

T = TypeVar("T")

_client: "Final[msgspec.json.Decoder[ClientMessage]]" = msgspec.json.Decoder(ClientMessage)
_clients: "Final[msgspec.json.Decoder[list[ClientMessage]]]" = msgspec.json.Decoder(list[ClientMessage])
_anything: Final = msgspec.json.Decoder()
_encoder: Final = msgspec.json.Encoder()
_ALIKE: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)).difference(b"{}[]"))
_NO_OBJECT: Final = re.compile(r"Expected `object`, got `array` - at `\$\.(?P<field>\w+)`")
_ROUNDING: Final = 1e-6  # percent


def decode_client(frame: bytes | str, max_bytes: int, max_depth: int = MAX_DEPTH) -> ClientMessage:
    """Return the message in a frame.

    Raises:
        TooLarge: The frame is larger than `max_bytes`.
        InvalidJSON: It is not valid JSON, not an object, or nested deeper than `max_depth`.
        UnknownType: Clients may not send messages of its `type`.
        InvalidField: A field is missing, or has a wrong type or value.
    """
    return _decode(_client, ClientMessage, _bounded(frame, max_bytes, max_depth))


def decode_arrays(frames: Sequence[str], max_bytes: int, max_depth: int = MAX_DEPTH) -> list[ClientMessage] | None:
    """Return the messages of frames that are arrays; much faster than decoding each separately. See `decode_frames`.

    Returns:
        None if any frame is not an array, or if any message is invalid or needs cleaning.
    """

    def decode(document: bytes) -> list[ClientMessage] | None:
        arrays = _clients.decode_lines(document)
        return [message for array in arrays for message in array] if len(arrays) == len(frames) else None

    return _at_once(frames, "[]", decode, max_bytes, max_depth + 1)


def decode_frames(frames: Sequence[str], max_bytes: int, max_depth: int = MAX_DEPTH) -> list[ClientMessage] | None:
    """Return the message of each frame; faster than decoding each separately.

    The frames are joined by newlines. A newline can't be in a string, and two values need a comma between them, so no
    message can span two frames. If there are as many messages as frames, each frame is one.

    Returns:
        None if any frame is invalid or needs cleaning, or is not an object; the caller then decodes each separately.
    """

    def decode(document: bytes) -> list[ClientMessage] | None:
        messages = _client.decode_lines(document)
        return messages if len(messages) == len(frames) else None

    return _at_once(frames, "{}", decode, max_bytes, max_depth)


def _at_once(
    frames: Sequence[str],
    brackets: str,
    decode: Callable[[bytes], list[ClientMessage] | None],
    max_bytes: int,
    max_depth: int,
) -> list[ClientMessage] | None:
    """Return the messages of all frames, each of them in `brackets`; None if they can't be decoded together."""
    for frame in frames:
        if not (frame.startswith(brackets[0]) and frame.endswith(brackets[1])):
            return None
    document = "\n".join(frames).encode("utf-8", "surrogatepass")
    if len(document) > max_bytes and any(len(frame.encode("utf-8", "surrogatepass")) > max_bytes for frame in frames):
        return None
    if needs_cleaning(document):
        return None
    try:
        messages = decode(document)
        outer = len(messages or ()) + (len(frames) if brackets == "[]" else 0)
        if messages is None or not _is_flat(document, max_depth, outer):
            return None
        _check(messages, document)
    except (msgspec.MsgspecError, InvalidField, UnicodeDecodeError, RecursionError):
        return None
    return messages


def _check(value: object, document: bytes) -> None:
    """Make the checks that msgspec can't; searches of the bytes rule out most documents."""
    if b"\\" in document:
        check_lines(value)
    if b'"percent"' in document:
        check_percent(value, document)


def decode_object(document: bytes, kind: type[T], max_bytes: int, max_depth: int = MAX_DEPTH) -> T:
    """Return a request's body as `kind`, a struct or a list of messages; raise the errors of `decode_client`."""
    decoder: msgspec.json.Decoder[T] = _decoders(kind)
    return _decode(decoder, kind, _bounded(document, max_bytes, max_depth))


_decoders: Final[Callable[[Any], Any]] = cache(msgspec.json.Decoder)


def decode_json(document: bytes, max_bytes: int, max_depth: int = MAX_DEPTH) -> Any:
    """Return any JSON value.

    Raises:
        TooLarge: The document is larger than `max_bytes`.
        InvalidJSON: It is not valid JSON, or nested deeper than `max_depth`.
        InvalidField: A number in it is out of range.
    """
    return _any(_bounded(document, max_bytes, max_depth))


def encode_event(event: Event) -> bytes:
    """Return `event` as a reporter sends it."""
    return _encoder.encode(event)


def _bounded(frame: bytes | str, max_bytes: int, max_depth: int) -> bytes:
    """Return the frame as bytes with cleaned strings, after checks of its size and depth."""
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
    except RecursionError as error:  # `max_depth` exceeds Python's recursion limit
        raise not_json(error, document) from None


def _is_flat(document: bytes, max_depth: int, outer: int = 0) -> bool:
    """Return whether JSON is nested at most `max_depth` deep; False also if unclear, as with brackets in strings.

    If it has no more brackets than `outer`, no value is more than 2 deep, which is always allowed.
    """
    if document.count(b"{") + document.count(b"[") <= max(max_depth, outer):
        return True
    brackets = document.translate(_ALIKE, _NO_BRACKETS)
    for _ in range(max_depth):
        brackets = brackets.replace(b"[]", b"")
        if not brackets:
            return True
    return False


def _depth(value: object) -> int:
    """Return the nesting depth of a JSON value; that of a scalar is 0."""
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
        # This decoder accepts any type, so the only possible error is a number out of range.
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
    _check(value, document)
    return value


def _decode_again(problem: str, kind: Any, document: bytes) -> Any:
    """Decode a document that failed because of `problem` leniently; raise the error if it still fails.

    Each message of an array is decoded separately; otherwise the time would grow with the square of their number.
    """
    value = _any(document)
    if get_origin(kind) is not list or not isinstance(value, list):
        return _convert(value, kind, problem)
    (item,) = get_args(kind)
    return [_convert(each, item, None, number) for number, each in enumerate(value)]


def _convert(value: Any, kind: Any, problem: str | None, number: int | None = None) -> Any:
    """Return `value` as a `kind`, reading [] as {}, and a progress that a rounding error moved out of 0 to 100.

    Lua encoders write [] for both, because their empty table is the same.
    """
    while True:
        if problem is not None and not _mended(value, problem):
            where = problem if number is None else _numbered(problem, number)
            raise explained(where, kind if number is None else list[kind], _padded(value, number))
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            problem = str(error)


def _mended(value: Any, problem: str) -> bool:
    """Change the field that `problem` names, if its meaning is clear; return whether it is."""
    if (match := _NO_OBJECT.fullmatch(problem)) and value[match["field"]] == []:
        value[match["field"]] = {}
        return True
    if problem.endswith(" - at `$.progress`"):
        progress = value["progress"]
        if isinstance(progress, float) and progress != (within := min(100.0, max(0.0, progress))):
            value["progress"] = within
            return abs(progress - within) <= _ROUNDING
    return False


def _numbered(problem: str, number: int) -> str:
    """Return msgspec's error text for an item as that for the list, which has the item at `number`."""
    if " - at `$" not in problem:
        return f"{problem} - at `$[{number}]`"
    reason, _, place = problem.rpartition(" - at `$")
    return f"{reason} - at `$[{number}]{place}"


def _padded(value: Any, number: int | None) -> Any:
    return value if number is None else [*([None] * number), value]
