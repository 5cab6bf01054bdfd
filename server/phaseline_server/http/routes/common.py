"""What several families take and give: bodies, positions, numbers."""

from typing import Final

import msgspec
from quart import Response, request

from phaseline.errors import InvalidField
from phaseline.stream import Position

__all__ = ["json_answer", "parse_number", "parse_position", "parse_seconds", "raw_json", "read_body"]

_encoder: Final = msgspec.json.Encoder()
_DIGITS: Final = 20  # Python refuses to read numbers of thousands


async def read_body() -> bytes:
    """Return the request's body as it came: `curl -d` calls any JSON a form, which Quart would take apart."""
    body = await request.get_data(parse_form_data=False)
    return body if isinstance(body, bytes) else body.encode()


def json_answer(value: object, status: int = 200) -> Response:
    """Return `value` as JSON."""
    return raw_json(_encoder.encode(value), status)


def raw_json(document: bytes, status: int = 200) -> Response:
    """Return a JSON document that is encoded already. It tells of a moment, so nobody may keep it."""
    return Response(document, status, {"Cache-Control": "no-store"}, content_type="application/json")


def parse_number(name: str, text: str | None, default: int, least: int, most: int) -> int:
    """Return a whole number of a query.

    Raises:
        InvalidField: It is none, or out of range.
    """
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS and least <= int(text) <= most):
        raise InvalidField(name, text, f"a whole number from {least} to {most}")
    return int(text)


def parse_seconds(name: str, text: str | None, most: float) -> float:
    """Return a number of seconds of a query; 0 without one, `most` at most.

    Raises:
        InvalidField: It is none, or below 0.
    """
    try:
        seconds = float(text or "0")
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise InvalidField(name, text, "a number of seconds, 0 or more")
    return min(seconds, most)


def parse_position(name: str, text: str | None) -> Position | None:
    """Return the position `<epoch>/<seq>`; None without one.

    Raises:
        InvalidField: It is no position.
    """
    if not text:
        return None
    epoch, slash, seq = text.rpartition("/")
    if not slash or not (seq.isascii() and seq.isdecimal() and len(seq) <= _DIGITS):
        raise InvalidField(name, text, "<epoch>/<seq>, the position of the last message that was received")
    return Position(epoch, int(seq))
