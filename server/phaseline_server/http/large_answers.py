"""Large answers: held in the budget until they are sent, and sent in pieces."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Final, cast

import msgspec
from quart import Response, request

from phaseline_server.access.keeper import CURRENT
from phaseline_server.http.answer_budget import AnswerBudget, Hold

__all__ = ["HELD", "client_name", "hold_for_answer", "joined", "json_page", "line_page"]

HELD: Final = "phaseline.held"
"""The ASGI extension with what a request holds until its answer is sent: an `ExitStack`."""
_PIECE: Final = 65_536
_NO_STORE: Final = {"Cache-Control": "no-store"}  # an answer describes one moment
_encoder: Final = msgspec.json.Encoder()


def client_name() -> str:
    """Return the name of the current request's client in the budget: its token, or else its address."""
    grant = CURRENT.get().grant
    return (grant.token if grant is not None else "") or request.remote_addr or ""


async def hold_for_answer(budget: AnswerBudget, size: int) -> Hold:
    """Hold `size` bytes of the budget until the current request is answered, or its client has disconnected.

    Raises:
        Busy: The budget is exhausted.
    """
    hold = await budget.hold(size, client_name())
    held = cast(ExitStack, request.scope["extensions"][HELD])  # set by `HttpCall`
    return held.enter_context(hold)


def json_page(fields: dict[str, object], name: str, documents: Sequence[bytes], hold: Hold) -> Response:
    """Return an answer with `fields`, and the list `documents` of encoded JSON documents in the field `name`."""
    head = _encoder.encode(fields)[:-1] + f',"{name}":['.encode()
    return _in_pieces(head, documents, b",", b"]}", hold, content_type="application/json")


def line_page(documents: Sequence[bytes], hold: Hold, content_type: str, headers: dict[str, str]) -> Response:
    """Return an answer with one encoded JSON document per line."""
    end = b"\n" if documents else b""
    return _in_pieces(b"", documents, b"\n", end, hold, content_type=content_type, headers=headers)


def _in_pieces(
    head: bytes,
    documents: Sequence[bytes],
    separator: bytes,
    end: bytes,
    hold: Hold,
    *,
    content_type: str,
    headers: dict[str, str] | None = None,
) -> Response:
    size = len(head) + sum(map(len, documents)) + len(separator) * max(0, len(documents) - 1) + len(end)
    hold.resize(size)
    pieces = joined(documents, separator)
    answer = Response(
        _sent(head, pieces, separator, end, hold), headers=_NO_STORE | (headers or {}), content_type=content_type
    )
    answer.headers["Content-Length"] = str(size)
    return answer


async def _sent(head: bytes, pieces: Iterator[bytes], separator: bytes, end: bytes, hold: Hold) -> AsyncIterator[bytes]:
    """Yield the pieces, and give back what is sent."""
    before = head
    for piece in pieces:
        yield before + piece
        hold.resize(max(0, hold.size - len(before) - len(piece)))
        before = separator
    yield end if before is separator else head + end


def joined(documents: Iterable[bytes], separator: bytes) -> Iterator[bytes]:
    """Yield the documents, joined to pieces of at least 64 KiB, except for the last one."""
    part: list[bytes] = []
    size = 0
    for document in documents:
        part.append(document)
        size += len(document)
        if size >= _PIECE:
            yield separator.join(part)
            part, size = [], 0
    if part:
        yield separator.join(part)
