"""The `image_download` phase: gets a picture's bytes from the provider's source, within a size limit."""

import base64
import binascii
import random
from collections.abc import Awaitable, Callable
from typing import Final

import httpx
import trio

from phaseline.errors import shown
from phaseline_server.pictures.errors import PictureError
from phaseline_server.pictures.http_client import IDENTITY, Unacceptable, one_line, public, read_body, retry_after, why
from phaseline_server.pictures.retry import Again, Retries, persist
from phaseline_server.pictures.sources import EncodedPicture, LocalPicture, PictureSource, RemotePicture

__all__ = ["PATIENCE", "fetch"]

# Retries, because the picture is already paid for.
PATIENCE: Final = Retries(timeout=60.0, retries=2, deadline=120.0, backoff=0.5)

_CONNECT_SECONDS: Final = 10.0
_REDIRECTS: Final = 3
_OK: Final = 200
_TOO_MANY_REQUESTS: Final = 429

Report = Callable[[float], Awaitable[None]]


async def fetch(
    source: PictureSource, limit_bytes: int, client: httpx.AsyncClient, report: Report, patience: Retries = PATIENCE
) -> bytes:
    """Return the bytes of a picture, without validating them.

    Args:
        source: The location of the picture.
        limit_bytes: Maximum size. At most one chunk more is read.
        client: Sends the requests for a `RemotePicture`.
        report: Called with the percentage at each whole percent, up to 100; only with 100 if the length is unknown.
        patience: Time-outs and retries of a `RemotePicture`. 429, 5xx, failed connections, time-outs and incomplete
            bodies are retried.

    Raises:
        PictureError: The picture is not available, is too large, or is not valid base64.
    """
    data = await _bytes_of(source, limit_bytes, client, report, patience)
    await report(100.0)
    return data


async def _bytes_of(
    source: PictureSource, limit: int, client: httpx.AsyncClient, report: Report, patience: Retries
) -> bytes:
    match source:
        case RemotePicture(url=text):
            return await _Download(client, _address(text), limit, report).run(patience)
        case EncodedPicture(data=text):
            # In a thread, because decoding megabytes would block the event loop.
            return await trio.to_thread.run_sync(_decode, text, limit)
        case LocalPicture(path=path):
            return await trio.to_thread.run_sync(_read, path, limit)


class _Download:
    """The download of one picture over HTTP, with its retries."""

    def __init__(self, client: httpx.AsyncClient, url: httpx.URL, limit: int, report: Report) -> None:
        self._client = client
        self._url = url
        self._limit = limit
        self._report = report
        self._percent = 0

    async def run(self, patience: Retries) -> bytes:
        return await persist(self._attempt, patience, random.Random(), _ignore, self._failed)  # noqa: S311 (waits only)

    async def _attempt(self, _number: int) -> bytes:
        url = self._url
        try:
            for _ in range(_REDIRECTS + 1):
                async with self._client.stream(
                    "GET",
                    url,
                    headers=IDENTITY | {"Accept": "image/*"},
                    timeout=httpx.Timeout(None, connect=_CONNECT_SECONDS),  # `persist` limits the total time
                    follow_redirects=False,  # each target is checked first
                ) as response:
                    if not response.has_redirect_location:
                        return await self._body(response)
                    url = _address(response.headers["Location"], url)
        except httpx.TransportError as error:
            raise Again(why(error)) from error
        except Unacceptable as unacceptable:
            raise self._failed(str(unacceptable)) from None
        except (httpx.InvalidURL, UnicodeError) as error:  # httpx parses a redirect's target in any case
            raise self._failed(f"redirect to an invalid URL ({one_line(str(error))})") from error
        raise self._failed(f"more than {_REDIRECTS} redirects, the last one to {public(url)}")

    async def _body(self, response: httpx.Response) -> bytes:
        status = response.status_code
        if status == _OK:
            return await read_body(response, self._limit, self._progress)
        if status == _TOO_MANY_REQUESTS or response.is_server_error:
            raise Again(f"status {status}", retry_after(response.headers))
        raise self._failed(f"status {status}; allowed: 200 with a picture")

    async def _progress(self, received: int, length: int | None) -> None:
        percent = 100 * received // length if length else 0
        if self._percent < percent < 100:  # noqa: PLR2004 (percent)
            self._percent = percent
            await self._report(float(percent))

    def _failed(self, reason: str) -> PictureError:
        return PictureError(f"cannot fetch {public(self._url)}: {reason}")


async def _ignore(_line: str) -> None:
    """Ignore texts about retries, because a download reports percentages."""


def _address(text: str, base: httpx.URL | None = None) -> httpx.URL:
    try:
        url = httpx.URL(text) if base is None else base.join(text)
        url.host.encode("idna")
        str(url).encode()
    except (httpx.InvalidURL, UnicodeError) as error:
        raise PictureError(
            f"the picture's URL is not valid ({one_line(str(error))}); allowed: http://… or https://…"
        ) from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise PictureError(f"the picture's URL is {shown(public(url))}; allowed: http://… or https://…")
    return url


def _decode(text: str, limit: int) -> bytes:
    size = len(text) // 4 * 3 - text[-2:].count("=")
    if size > limit:
        raise PictureError(f"the picture has {size:,} bytes; allowed: at most {limit:,}")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise PictureError(
            f"the picture is not valid base64 ({error}): {len(text):,} characters, starting with {shown(text[:24])}"
        ) from None


def _read(path: str, limit: int) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (the path is text)
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:
        raise PictureError(f"cannot read the picture's file {shown(path)}: {error}") from error
    if len(data) > limit:
        raise PictureError(f"the picture's file {shown(path)} is too large; allowed: at most {limit:,} bytes")
    return data
