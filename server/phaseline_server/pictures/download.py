"""The `image_download` phase: a picture's bytes, from wherever the provider put them, never more than the limit."""

import base64
import binascii
import random
from collections.abc import Awaitable, Callable
from typing import Final

import httpx
import trio

from phaseline.errors import PictureError, shown
from phaseline_server.pictures.http_client import IDENTITY, Unacceptable, one_line, public, read_body, retry_after, why
from phaseline_server.pictures.retry import Again, Retries, persist
from phaseline_server.pictures.sources import EncodedPicture, LocalPicture, PictureSource, RemotePicture

__all__ = ["PATIENCE", "fetch"]

# A picture that was paid for is worth some patience.
PATIENCE: Final = Retries(timeout=60.0, retries=2, deadline=120.0, backoff=0.5)

_CONNECT_SECONDS: Final = 10.0
_REDIRECTS: Final = 3
_OK: Final = 200
_TOO_MANY_REQUESTS: Final = 429

Report = Callable[[float], Awaitable[None]]


async def fetch(
    source: PictureSource, limit_bytes: int, client: httpx.AsyncClient, report: Report, patience: Retries = PATIENCE
) -> bytes:
    """Return the bytes of a picture, which nobody has looked at yet.

    Args:
        source: Where the picture is.
        limit_bytes: The most bytes that it may have; of a longer one no more than this and one chunk is read.
        client: Sends the requests for a `RemotePicture`.
        report: Gets the percent that is fetched, rising to 100, whenever another whole percent is there; only the
            last if the length isn't known.
        patience: Time-outs and retries of a `RemotePicture`; 429, 5xx, failed connections, time-outs and bodies that
            were cut off are tried again.

    Raises:
        PictureError: The picture is not to be had, is too large, or is not well encoded.
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
            # A thread keeps the server answering while megabytes are decoded.
            return await trio.to_thread.run_sync(_decode, text, limit)
        case LocalPicture(path=path):
            return await trio.to_thread.run_sync(_read, path, limit)


class _Download:
    """One picture over HTTP: what all attempts share."""

    def __init__(self, client: httpx.AsyncClient, url: httpx.URL, limit: int, report: Report) -> None:
        self._client = client
        self._url = url
        self._limit = limit
        self._report = report
        self._percent = 0

    async def run(self, patience: Retries) -> bytes:
        return await persist(self._attempt, patience, random.Random(), _no_words, self._failed)  # noqa: S311 (waits only)

    async def _attempt(self, _number: int) -> bytes:
        url = self._url
        try:
            for _ in range(_REDIRECTS + 1):
                async with self._client.stream(
                    "GET",
                    url,
                    headers=IDENTITY | {"Accept": "image/*"},
                    timeout=httpx.Timeout(None, connect=_CONNECT_SECONDS),  # Trio's clock limits the whole
                    follow_redirects=False,  # each target is looked at first
                ) as response:
                    if not response.has_redirect_location:
                        return await self._body(response)
                    url = _address(response.headers["Location"], url)
        except httpx.TransportError as error:
            raise Again(why(error)) from error
        except Unacceptable as unacceptable:
            raise self._failed(str(unacceptable)) from None
        except (httpx.InvalidURL, UnicodeError) as error:  # httpx reads a redirect's target before it is asked to
            raise self._failed(f"redirected to what is no address ({one_line(str(error))})") from error
        raise self._failed(f"redirected more than {_REDIRECTS} times, at last to {public(url)}")

    async def _body(self, response: httpx.Response) -> bytes:
        status = response.status_code
        if status == _OK:
            return await read_body(response, self._limit, self._progress)
        if status == _TOO_MANY_REQUESTS or response.is_server_error:
            raise Again(f"answered {status}", retry_after(response.headers))
        raise self._failed(f"answered {status}; allowed: 200 with a picture")

    async def _progress(self, received: int, length: int | None) -> None:
        percent = 100 * received // length if length else 0
        if self._percent < percent < 100:  # noqa: PLR2004 (percent)
            self._percent = percent
            await self._report(float(percent))

    def _failed(self, what: str) -> PictureError:
        return PictureError(f"fetching {public(self._url)}: {what}")


async def _no_words(_line: str) -> None:
    """Take the lines about retries: a download reports percents."""


def _address(text: str, base: httpx.URL | None = None) -> httpx.URL:
    try:
        url = httpx.URL(text) if base is None else base.join(text)
        url.host.encode("idna")
        str(url).encode()
    except (httpx.InvalidURL, UnicodeError) as error:
        raise PictureError(
            f"the picture's address can't be read ({one_line(str(error))}); allowed: http, https"
        ) from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise PictureError(f"the picture's address is {shown(public(url))}; allowed: http://… or https://…")
    return url


def _decode(text: str, limit: int) -> bytes:
    size = len(text) // 4 * 3 - text[-2:].count("=")
    if size > limit:
        raise PictureError(f"the picture has {size:,} bytes; allowed: at most {limit:,}")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise PictureError(
            f"the picture is not base64 ({error}): {len(text):,} characters, starting with {shown(text[:24])}"
        ) from None


def _read(path: str, limit: int) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (the path is text)
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:
        raise PictureError(f"the picture's file {shown(path)} can't be read: {error}") from error
    if len(data) > limit:
        raise PictureError(f"the picture's file {shown(path)} has more than {limit:,} bytes, which is the most allowed")
    return data
