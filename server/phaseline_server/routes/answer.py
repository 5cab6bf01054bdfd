"""Bodies that several families take and give."""

from typing import Final

import msgspec
from quart import Response, request

__all__ = ["json_answer", "raw_json", "read_body"]

_encoder: Final = msgspec.json.Encoder()


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
