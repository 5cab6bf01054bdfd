"""Fetching pictures: from a real server that misbehaves, from base64, from a file."""

import base64
import gc
from pathlib import Path

import httpx
import pytest
import trio
from trio.testing import MockClock

from phaseline_server.pictures.download import fetch
from phaseline_server.pictures.errors import PictureError
from phaseline_server.pictures.retry import Retries
from phaseline_server.pictures.sources import EncodedPicture, LocalPicture, PictureSource, RemotePicture
from tests.support.misbehaving import (
    CHUNK,
    Reply,
    answer,
    cut_off,
    hang_up,
    huge,
    misbehaving,
    nobody_there,
    redirect,
    too_slow,
)
from tests.support.servers import client_of

LIMIT = 1_000_000
BYTES = bytes(range(256)) * 2000
PATIENCE = Retries(timeout=60, retries=2, backoff=0.001)
ONCE = Retries(timeout=60, retries=0)


class Fetcher:
    """`fetch` with its reports kept."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.percents: list[float] = []

    async def fetch(self, source: PictureSource, patience: Retries = PATIENCE) -> bytes:
        return await fetch(source, LIMIT, self.client, self.report, patience)

    async def report(self, percent: float) -> None:
        await trio.lowlevel.checkpoint()
        self.percents.append(percent)

    async def failure(self, source: PictureSource, patience: Retries = PATIENCE) -> str:
        with pytest.raises(PictureError) as caught:
            await self.fetch(source, patience)
        return str(caught.value)


@pytest.fixture
def fetcher(client: httpx.AsyncClient) -> Fetcher:
    return Fetcher(client)


async def test_a_picture_is_downloaded_with_percentages_up_to_100(fetcher: Fetcher) -> None:
    async with misbehaving(answer(BYTES)) as server:
        assert await fetcher.fetch(RemotePicture(f"{server.url}/1.png?sig=a%20b")) == BYTES
    assert server.requests[0].target == "/1.png?sig=a%20b"
    assert "authorization" not in server.requests[0].headers
    assert fetcher.percents == sorted(set(fetcher.percents))
    assert len(fetcher.percents) > 3
    assert fetcher.percents[-1] == 100.0


async def test_without_a_length_only_the_end_is_reported(fetcher: Fetcher) -> None:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

    async def reply(stream: trio.SocketStream, _server: object) -> None:
        await stream.send_all(head + BYTES)

    async with misbehaving(reply) as server:
        assert await fetcher.fetch(RemotePicture(server.url)) == BYTES
    assert fetcher.percents == [100.0]


@pytest.mark.parametrize(
    "trouble",
    [answer(b"", 429, Retry_After="0"), answer(b"", 500), hang_up, cut_off(BYTES, 200_000)],
    ids=["429", "500", "hang up", "cut off"],
)
async def test_temporary_errors_are_retried_and_percentages_never_fall(fetcher: Fetcher, trouble: Reply) -> None:
    async with misbehaving(trouble, answer(BYTES)) as server:
        assert await fetcher.fetch(RemotePicture(server.url)) == BYTES
    assert len(server.requests) == 2
    assert fetcher.percents == sorted(set(fetcher.percents))


async def test_the_error_for_an_incomplete_picture_names_the_received_bytes(fetcher: Fetcher) -> None:
    async with misbehaving(cut_off(BYTES[:5678], 1234)) as server:
        text = await fetcher.failure(RemotePicture(f"{server.url}/1.png?sig=secret"))
    gave_up = "gave up after attempt 3 of 3: connection closed after 1,234 of 5,678 bytes"
    assert text == f"cannot fetch {server.url}/1.png: {gave_up}"


async def test_a_body_that_ends_within_a_chunk_is_an_error(fetcher: Fetcher) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def reply(stream: trio.SocketStream, _server: object) -> None:
        await stream.send_all(head + b"5\r\nhello\r\n5\r\nhe")
        await stream.aclose()

    async with misbehaving(reply) as server:
        text = await fetcher.failure(RemotePicture(server.url), ONCE)
    assert text.endswith("connection closed after 7 of an unknown number of bytes")


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"], ids=["no answer", "half a body"]
)
async def test_a_server_that_stops_sending_times_out(mock_clock: MockClock, fetcher: Fetcher, head: bytes) -> None:
    async with misbehaving(too_slow(mock_clock, 30, head)) as server:
        text = await fetcher.failure(RemotePicture(server.url), Retries(timeout=30, retries=1, backoff=0))
        await server.clients_gone.wait()
    assert text.endswith("gave up after attempt 2 of 2: no complete response within 30 s")
    assert len(server.requests) == 2
    assert fetcher.percents == ([33.0] if head else [])


@pytest.mark.parametrize("status", [429, 503])
async def test_a_retry_after_beyond_the_deadline_fails_at_once(fetcher: Fetcher, status: int) -> None:
    async with misbehaving(answer(b"", status, Retry_After="59")) as server:
        text = await fetcher.failure(RemotePicture(server.url), Retries(timeout=60, retries=4, deadline=40))
    assert f"attempt 1 of 5: status {status}; the next attempt would start in 59 s, but" in text
    assert len(server.requests) == 1


async def test_only_connecting_has_a_separate_time_out(fetcher: Fetcher) -> None:
    limits: list[dict[str, float | None]] = []

    async def note(request: httpx.Request) -> None:
        limits.append(request.extensions["timeout"])

    fetcher.client.event_hooks = {"request": [note]}
    async with misbehaving(answer(BYTES)) as server:
        await fetcher.fetch(RemotePicture(server.url))
    assert limits == [{"connect": 10.0, "read": None, "write": None, "pool": None}]


@pytest.mark.parametrize("says_so", [True, False])
async def test_at_most_the_limit_and_one_chunk_of_a_huge_picture_is_read(says_so: bool) -> None:
    responses: list[httpx.Response] = []

    async def keep(response: httpx.Response) -> None:
        responses.append(response)

    async with (
        misbehaving(huge(100_000_000, says_so=says_so)) as server,
        client_of(event_hooks={"response": [keep]}) as client,
    ):
        text = await Fetcher(client).failure(RemotePicture(server.url))
        await server.clients_gone.wait()
    assert text.endswith("100,000,000 bytes; allowed: at most 1,000,000" if says_so else "at most 1,000,000")
    assert len(server.requests) == 1
    assert responses[0].num_bytes_downloaded <= (0 if says_so else LIMIT + 2 * CHUNK)
    # The rest that the server sent is in the two sockets' buffers, at most some megabytes.
    assert server.sent < 50_000_000


async def test_cancellation_within_a_body_leaves_no_file(client: httpx.AsyncClient) -> None:
    with trio.CancelScope() as scope:

        async def cancel(_percent: float) -> None:
            scope.cancel()
            await trio.lowlevel.checkpoint()

        async with misbehaving(huge(LIMIT, says_so=True)) as server:
            await fetch(RemotePicture(server.url), LIMIT, client, cancel, PATIENCE)
    assert scope.cancelled_caught
    gc.collect()  # a generator left open would cause a warning now, which is a failure


async def test_a_few_redirects_are_followed(fetcher: Fetcher) -> None:
    async with (
        misbehaving(answer(b"picture")) as last,
        misbehaving(redirect("/next?x=1"), redirect("other"), redirect(f"{last.url}/p.png")) as first,
    ):
        assert await fetcher.fetch(RemotePicture(f"{first.url}/a/b")) == b"picture"
    assert [request.target for request in first.requests] == ["/a/b", "/next?x=1", "/other"]
    assert [request.target for request in last.requests] == ["/p.png"]


async def test_a_redirect_loop_ends(fetcher: Fetcher) -> None:
    async with misbehaving(redirect("/again")) as server:
        text = await fetcher.failure(RemotePicture(server.url))
    assert text.endswith(f"more than 3 redirects, the last one to {server.url}/again")
    assert len(server.requests) == 4


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://x/y", "data:image/png;base64,AA", f"//{'a' * 70}/"])
async def test_a_redirect_to_another_scheme_than_http_is_rejected(fetcher: Fetcher, location: str) -> None:
    async with misbehaving(redirect(location)) as server:
        text = await fetcher.failure(RemotePicture(server.url))
    assert "the picture's URL " in text or "redirect to an invalid URL (" in text
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url", ["", "x", "file:///etc/passwd", "http://", "http://[::1", "http://a\nb/", "http://x/\ud800", "http://..."]
)
async def test_only_http_and_https_urls_are_accepted(fetcher: Fetcher, url: str) -> None:
    assert (await fetcher.failure(RemotePicture(url))).startswith("the picture's URL ")


@pytest.mark.parametrize("status", [201, 204, 206, 304, 403, 404, 410])
async def test_other_statuses_are_not_retried(fetcher: Fetcher, status: int) -> None:
    async with misbehaving(answer(b"", status), answer(BYTES)) as server:
        text = await fetcher.failure(RemotePicture(server.url))
    assert text.endswith(f"status {status}; allowed: 200 with a picture")


async def test_compressed_responses_are_rejected(fetcher: Fetcher) -> None:
    async with misbehaving(answer(b"\x1f\x8b", Content_Encoding="gzip")) as server:
        text = await fetcher.failure(RemotePicture(server.url))
    assert "the response has Content-Encoding gzip" in text


async def test_a_refused_connection_is_an_error(fetcher: Fetcher) -> None:
    with nobody_there() as url:
        text = await fetcher.failure(RemotePicture(url))
    assert "gave up after attempt 3 of 3: could not connect (" in text


async def test_base64_is_decoded(fetcher: Fetcher) -> None:
    assert await fetcher.fetch(EncodedPicture(base64.b64encode(BYTES).decode())) == BYTES
    assert fetcher.percents == [100.0]


@pytest.mark.parametrize("data", ["AAA", "AA==AA==", "AA A", "AAA\n", "AA-_", "ÄAAA", "A===", "data:,AAAA"])
async def test_invalid_base64_is_rejected(fetcher: Fetcher, data: str) -> None:
    assert "the picture is not valid base64 (" in await fetcher.failure(EncodedPicture(data))


@pytest.mark.parametrize("over", [0, 1, 2, 3])
async def test_the_size_limit_of_base64_is_exact(fetcher: Fetcher, over: int) -> None:
    source = EncodedPicture(base64.b64encode(bytes(LIMIT + over)).decode())
    if over:
        text = await fetcher.failure(source)
        assert text == f"the picture has {LIMIT + over:,} bytes; allowed: at most 1,000,000"
    else:
        assert len(await fetcher.fetch(source)) == LIMIT


def test_the_repr_of_an_encoded_picture_is_short() -> None:
    assert repr(EncodedPicture("A" * 1_000_000)) == f"EncodedPicture('{'A' * 24}'…, 1,000,000 characters)"


async def test_a_file_is_read(fetcher: Fetcher, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(BYTES)
    assert await fetcher.fetch(LocalPicture(str(path))) == BYTES
    assert fetcher.percents == [100.0]


async def test_too_large_missing_and_irregular_files_are_rejected(fetcher: Fetcher, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(bytes(LIMIT + 1))
    assert "is too large; allowed: at most 1,000,000 bytes" in await fetcher.failure(LocalPicture(str(path)))
    for wrong in (tmp_path / "missing", tmp_path, "\x00"):
        assert "cannot read the picture's file " in await fetcher.failure(LocalPicture(str(wrong)))
