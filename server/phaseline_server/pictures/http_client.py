"""Helpers for HTTP requests to providers: limited bodies, error texts, `Retry-After`, and sanitized text."""

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

# Compression is disabled, because the size limit applies to received bytes: 64 KiB of gzip can hold 64 MiB.
IDENTITY: Final = {"Accept-Encoding": "identity"}

_LONGEST_LINE: Final = 300
_LONGEST_ADDRESS: Final = 120
_SECONDS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")


class Unacceptable(Exception):
    """An address is not allowed, or a body is too large or compressed; a retry would not help. The text is a clause."""


class CutOff(Again):
    """A body ended before it was complete."""

    def __init__(self, received: int, length: int | None) -> None:
        whole = "an unknown number of" if length is None else f"{length:,}"
        super().__init__(f"connection closed after {received:,} of {whole} bytes")


async def read_body(
    response: httpx.Response, limit: int, each: Callable[[int, int | None], Awaitable[None]] | None = None
) -> bytes:
    """Return the body of a streamed response, reading at most `limit` bytes and one chunk (64 KiB).

    Args:
        response: A response opened with `client.stream`, with `IDENTITY` in the request's headers.
        limit: Maximum size of the body, in bytes.
        each: Awaited after each chunk with the bytes so far and `Content-Length`, or None without this header.

    Raises:
        Unacceptable: The body is over `limit`, or compressed. If `Content-Length` is over it, nothing is read.
        CutOff: The connection closed first.
    """
    packing = response.headers.get("Content-Encoding", "identity")
    if packing.strip().lower() != "identity":
        raise Unacceptable(f"the response has Content-Encoding {one_line(packing)}; allowed: identity")
    length = _length(response)
    if length is not None and length > limit:
        raise Unacceptable(f"the response has {length:,} bytes; allowed: at most {limit:,}")
    body = bytearray()
    async with _chunks(response) as chunks:
        try:
            async for chunk in chunks:
                body += chunk
                if len(body) > limit:
                    raise Unacceptable(f"the response is too large; allowed: at most {limit:,}")
                if each is not None:
                    await each(len(body), length)
        except httpx.TransportError as error:
            raise CutOff(len(body), length) from error
    return bytes(body)


@asynccontextmanager
async def _chunks(response: httpx.Response) -> AsyncIterator[AsyncIterator[bytes]]:
    """Yield an iterator over a body, and close all its asynchronous generators on exit.

    httpx nests seven generators. Closing only the outermost leaves the others to the garbage collector, about which
    Trio warns. After the connection is closed, the next read fails, which ends all of them, innermost first.
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
    """Return the seconds in `Retry-After`, or None if it is missing or not valid.

    A date is compared with the response's `Date`, so that a wrong clock here does not matter. Without `Date`, it is
    compared with this machine's clock (RFC 9110, sections 10.2.3 and 5.6.7).
    """
    value = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    then = _date(value)
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
    """Return a clause with the cause of a transport error: the first text in its chain; outer ones may be empty."""
    cause: BaseException | None = error
    while cause is not None and not str(cause):
        cause = cause.__cause__ or cause.__context__
    what = "could not connect" if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) else "connection lost"
    return f"{what} ({one_line(str(cause or type(error).__name__))})"


def one_line(text: str, longest: int = _LONGEST_LINE) -> str:
    """Return an untrusted text as one line without control characters, of at most `longest` characters."""
    line = " ".join(clean(text).split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def public(url: httpx.URL) -> str:
    """Return the public part of a URL: without password, and without the query, which may be a signature."""
    return one_line(str(url.copy_with(userinfo=b"", query=None, fragment=None)), _LONGEST_ADDRESS)
