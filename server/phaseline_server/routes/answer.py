"""Answers that several families give."""

from typing import Final

import msgspec
from quart import Response

__all__ = ["json_answer", "raw_json"]

_encoder: Final = msgspec.json.Encoder()


def json_answer(value: object, status: int = 200) -> Response:
    """Return `value` as JSON."""
    return raw_json(_encoder.encode(value), status)


def raw_json(document: bytes, status: int = 200) -> Response:
    """Return a JSON document that is encoded already. It tells of a moment, so nobody may keep it."""
    return Response(document, status, {"Cache-Control": "no-store"}, content_type="application/json")
