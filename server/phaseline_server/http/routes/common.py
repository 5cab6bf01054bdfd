"""Helpers shared by the routes: request bodies, JSON responses and query parameters."""

from typing import Final

import msgspec
from quart import Response, request

from phaseline.errors import InvalidField
from phaseline.stream import JOBS, PHOTOS, SYSTEM, Position
from phaseline_server.http.clients import MAX_CHANNELS
from phaseline_server.http.encodings import check_encoding, without_mark

__all__ = [
    "json_answer",
    "parse_channels",
    "parse_number",
    "parse_position",
    "parse_seconds",
    "raw_json",
    "read_body",
    "read_text",
]

_encoder: Final = msgspec.json.Encoder()
_LONGEST_CHANNEL: Final = 210
_DIGITS: Final = 20  # int() raises ValueError beyond 4,300 digits


async def read_body() -> bytes:
    """Return the request body, a JSON document.

    Raises:
        UnsupportedEncoding: It is compressed, or not in UTF-8.
    """
    return without_mark(await read_text())


async def read_text() -> bytes:
    """Return the request body as it is. `curl -d` labels everything as a form, which Quart would otherwise parse.

    Raises:
        UnsupportedEncoding: It is compressed, or labeled as another encoding than UTF-8.
    """
    check_encoding(request.headers.get("Content-Encoding", ""), request.mimetype_params.get("charset"))
    body = await request.get_data(parse_form_data=False)
    return body if isinstance(body, bytes) else body.encode()


def json_answer(value: object, status: int = 200) -> Response:
    """Return a response with `value` as JSON."""
    return raw_json(_encoder.encode(value), status)


def raw_json(document: bytes, status: int = 200) -> Response:
    """Return a response with an encoded JSON document; caching is disabled because it describes one moment."""
    return Response(document, status, {"Cache-Control": "no-store"}, content_type="application/json")


def parse_number(name: str, text: str | None, default: int, least: int, most: int) -> int:
    """Return an integer from a query parameter, or `default` if it is missing.

    Raises:
        InvalidField: The value is not an integer from `least` to `most`.
    """
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS and least <= int(text) <= most):
        raise InvalidField(name, text, f"an integer from {least} to {most}")
    return int(text)


def parse_seconds(name: str, text: str | None, most: float) -> float:
    """Return a number of seconds from a query parameter, capped at `most`; 0 if it is missing.

    Raises:
        InvalidField: The value is not a number, or is negative.
    """
    try:
        seconds = float(text or "0")
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise InvalidField(name, text, "a number of seconds, 0 or more")
    return min(seconds, most)


def parse_channels(text: str | None) -> frozenset[str]:
    """Return the channels of a query parameter, separated by commas; the usual three if it is missing.

    Raises:
        InvalidField: There are too many, or one of them is too long.
    """
    channels = frozenset((f"{JOBS},{PHOTOS},{SYSTEM}" if text is None else text).split(",")) - {""}
    if len(channels) > MAX_CHANNELS or any(len(name) > _LONGEST_CHANNEL for name in channels):
        allowed = f"at most {MAX_CHANNELS} names of at most {_LONGEST_CHANNEL} characters, separated by commas"
        raise InvalidField("channels", text, allowed)
    return channels


def parse_position(name: str, text: str | None) -> Position | None:
    """Return the position `<epoch>/<seq>`, or None if it is missing.

    Raises:
        InvalidField: The value is not a position.
    """
    if not text:
        return None
    epoch, slash, seq = text.rpartition("/")
    if not slash or not (seq.isascii() and seq.isdecimal() and len(seq) <= _DIGITS):
        raise InvalidField(name, text, "<epoch>/<seq>, the position of the last message received")
    return Position(epoch, int(seq))
