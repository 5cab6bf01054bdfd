"""What every HTTP request to a provider shares: bounded bodies, failures in words, `Retry-After`, clean texts."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from phaseline.text import clean
from phaseline_server.pictures.retry import Again

__all__ = ["IDENTITY", "CutOff", "Unacceptable", "one_line", "public", "read_body", "retry_after", "why"]

# Only a body that is as long on the wire as in memory can be bounded while it comes in: 64 KiB of gzip may hold 64 MiB.
IDENTITY: Final = {"Accept-Encoding": "identity"}

_LONGEST_LINE: Final = 300
_LONGEST_ADDRESS: Final = 120
_SECONDS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")


class Unacceptable(Exception):
    """A body is too large or is packed; the text is a clause. Asking again would bring the same."""


class CutOff(Again):
    """A body ended before it was whole."""

    def __init__(self, received: int, length: int | None) -> None:
        whole = "an unknown number of" if length is None else f"{length:,}"
        super().__init__(f"cut off after {received:,} of {whole} bytes")


async def read_body(
    response: httpx.Response, limit: int, each: Callable[[int, int | None], Awaitable[None]] | None = None
) -> bytes:
    """Return the body of a streamed response, never taking in more than `limit` bytes and one chunk (64 KiB).

    Args:
        response: Opened with `client.stream`, with `IDENTITY` among the request's headers.
        limit: The most bytes that the body may have.
        each: Awaited after each chunk with the bytes so far and `Content-Length`, None if the server didn't say.

    Raises:
        Unacceptable: The body is longer than `limit` (not one byte is read if `Content-Length` says so), or packed.
        CutOff: The connection ended first.
    """
    packing = response.headers.get("Content-Encoding", "identity")
    if packing.strip().lower() != "identity":
        raise Unacceptable(f"answered with Content-Encoding {one_line(packing)}, which was not asked for")
    length = _length(response)
    if length is not None and length > limit:
        raise Unacceptable(f"answered with {length:,} bytes; allowed: at most {limit:,}")
    body = bytearray()
    async with _chunks(response) as chunks:
        try:
            async for chunk in chunks:
                body += chunk
                if len(body) > limit:
                    raise Unacceptable(f"answered with more bytes than are allowed: at most {limit:,}")
                if each is not None:
                    await each(len(body), length)
        except httpx.TransportError as error:
            raise CutOff(len(body), length) from error
    return bytes(body)


@asynccontextmanager
async def _chunks(response: httpx.Response) -> AsyncIterator[AsyncIterator[bytes]]:
    """Iterate over a body as it comes, and leave no asynchronous generator behind when the loop is left early.

    httpx nests seven of them; closing the outermost leaves the others to the garbage collector, about which Trio
    warns. With the connection closed the next read fails, and that ends them all, innermost first.
    """
    chunks = response.aiter_raw()
    try:
        yield chunks
    finally:
        await response.aclose()
        with suppress(httpx.HTTPError, httpx.StreamError):
            async for _ in chunks:
                pass


def _length(response: httpx.Response) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def retry_after(headers: httpx.Headers) -> float | None:
    """Return the seconds that `Retry-After` asks for; None without one that can be read.

    A date is compared with the answer's own `Date`, so that a clock that is wrong here does no harm, and with this
    machine's clock only when there is none (RFC 9110, sections 10.2.3 and 5.6.7).
    """
    asked = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(asked):
        return float(asked)
    then = _date(asked)
    if then is None:
        return None
    now = _date(headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (then - now).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def why(error: httpx.TransportError) -> str:
    """Say in a clause why no answer came: the first text in the chain of causes, as the outer ones may be empty."""
    cause: BaseException | None = error
    while cause is not None and not str(cause):
        cause = cause.__cause__ or cause.__context__
    what = "could not connect" if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) else "connection lost"
    return f"{what} ({one_line(str(cause or type(error).__name__))})"


def one_line(text: str, longest: int = _LONGEST_LINE) -> str:
    """Return a stranger's text as one line without control characters, of at most `longest` characters."""
    line = " ".join(clean(text).split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def public(url: httpx.URL) -> str:
    """Return the part of an address that anybody may see: no password, no query (it may be a signature)."""
    return one_line(str(url.copy_with(userinfo=b"", query=None, fragment=None)), _LONGEST_ADDRESS)
