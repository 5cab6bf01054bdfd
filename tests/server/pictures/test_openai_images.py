"""The `openai` provider against a real server that misbehaves."""

from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from phaseline_server.pictures.retry import Retries
from phaseline_server.pictures.sources import EncodedPicture, RemotePicture
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
    silence,
    too_slow,
)
from tests.support.openai_asker import GOOD, KEY, PICTURE, Asker
from tests.support.servers import client_of


async def test_the_request_follows_the_openai_documentation(client: httpx.AsyncClient) -> None:
    async with misbehaving(GOOD) as server:
        asker = Asker(client, server.url)
        assert await asker.ask() == PICTURE
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/v1/images/generations")
    assert request.json == {"model": "gpt-image-1", "prompt": "a violet fox", "size": "1792x1024", "n": 1}
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    assert asker.lines == ["waiting for gpt-image-1"]


@pytest.mark.parametrize(
    ("data", "picture"),
    [
        ([{"b64_json": "AAAA"}], EncodedPicture("AAAA")),
        ([{"b64_json": "AAAA", "url": None}], EncodedPicture("AAAA")),
        ([{"b64_json": None, "url": "http://x/y"}], RemotePicture("http://x/y")),
        ([{"url": "data:image/png;base64,AAAA"}], EncodedPicture("AAAA")),
        ([{"b64_json": "data:image/png;base64,AAAA"}], EncodedPicture("AAAA")),
        ([{}, {"url": "http://x/y"}], RemotePicture("http://x/y")),
    ],
)
async def test_urls_and_base64_are_accepted(client: httpx.AsyncClient, data: Any, picture: object) -> None:
    async with misbehaving(answer({"data": data})) as server:
        assert await Asker(client, server.url).ask() == picture


async def test_429_waits_for_retry_after(client: httpx.AsyncClient) -> None:
    slow_down = answer({"error": {"message": "Slow down."}}, 429, Retry_After="0")
    async with misbehaving(slow_down, GOOD) as server:
        asker = Asker(client, server.url, patience=Retries(timeout=60, retries=4, backoff=1000))
        assert await asker.ask() == PICTURE
    assert asker.lines == [
        "waiting for gpt-image-1",
        "rate limited: Slow down.; retrying in 0 s (2 of 5)",
        "waiting for gpt-image-1 (attempt 2)",
    ]


async def test_429_with_a_past_date_is_retried_at_once(client: httpx.AsyncClient) -> None:
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    async with misbehaving(answer(b"", 429, Retry_After=date, Date=date), GOOD) as server:
        asker = Asker(client, server.url, patience=Retries(timeout=60, retries=1, backoff=1000))
        assert await asker.ask() == PICTURE
    assert asker.lines[1] == "rate limited; retrying in 0 s (2 of 2)"


@pytest.mark.parametrize(("status", "what"), [(429, "rate limited"), (503, "status 503")])
async def test_a_wait_beyond_the_deadline_fails_at_once(client: httpx.AsyncClient, status: int, what: str) -> None:
    async with misbehaving(answer(b"", status, Retry_After="59")) as server:
        text = await Asker(client, server.url, patience=Retries(timeout=60, retries=4, deadline=40)).failure()
    assert len(server.requests) == 1
    assert f"{what}; the next attempt would start in 59 s, but" in text


@pytest.mark.parametrize("trouble", [answer(b"oops", 500), answer(b"", 503), hang_up], ids=["500", "503", "hang up"])
async def test_temporary_errors_are_retried(client: httpx.AsyncClient, trouble: Reply) -> None:
    async with misbehaving(trouble, trouble, GOOD) as server:
        assert await Asker(client, server.url).ask() == PICTURE
    assert len(server.requests) == 3


async def test_repeated_500_fails_after_the_last_attempt(client: httpx.AsyncClient) -> None:
    async with misbehaving(answer({"error": {"message": "The server is\non fire"}}, 500)) as server:
        text = await Asker(client, server.url).failure()
    assert len(server.requests) == 5
    assert text == (
        f"request to gpt-image-1 at {server.url}/v1: gave up after attempt 5 of 5: status 500: The server is on fire"
    )


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 422])
async def test_other_statuses_are_not_retried(client: httpx.AsyncClient, status: int) -> None:
    async with misbehaving(answer({"error": {"message": "No."}}, status), GOOD) as server:
        text = await Asker(client, server.url).failure()
    assert len(server.requests) == 1
    assert f"status {status}: No.; " in text


async def test_401_names_the_setting_to_check(client: httpx.AsyncClient) -> None:
    async with misbehaving(answer({"error": {"message": "Bad key."}}, 401)) as server:
        assert (await Asker(client, server.url).failure()).endswith("status 401: Bad key.; check image_key")


async def test_a_slow_attempt_times_out_and_is_retried(mock_clock: MockClock, client: httpx.AsyncClient) -> None:
    async with misbehaving(too_slow(mock_clock, 120), GOOD) as server:
        asker = Asker(client, server.url, patience=Retries(timeout=120, retries=1, backoff=0))
        assert await asker.ask() == PICTURE
        assert asker.lines[1] == "no complete response within 120 s; retrying in 0 s (2 of 2)"
        await server.clients_gone.wait()


@pytest.mark.parametrize(
    "head",
    [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b"HTTP/1.1 500 No\r\n\r\noops"],
    ids=["nothing", "half a head", "half a body", "half a refusal"],
)
async def test_a_server_that_never_responds_is_an_error(
    mock_clock: MockClock, client: httpx.AsyncClient, head: bytes
) -> None:
    async with misbehaving(too_slow(mock_clock, 120, head)) as server:
        text = await Asker(client, server.url, patience=Retries(timeout=120, retries=1, backoff=0)).failure()
    assert text.endswith("/v1: gave up after attempt 2 of 2: no complete response within 120 s")
    assert len(server.requests) == 2


async def test_all_attempts_share_one_deadline(mock_clock: MockClock, client: httpx.AsyncClient) -> None:
    async with misbehaving(too_slow(mock_clock, 120), too_slow(mock_clock, 30), GOOD) as server:
        patience = Retries(timeout=120, retries=4, deadline=150, backoff=0)
        text = await Asker(client, server.url, patience=patience).failure()
    assert "gave up after attempt 2 of 5: no complete response within 30 s; " in text
    assert len(server.requests) == 2


async def test_only_connecting_has_a_separate_time_out(client: httpx.AsyncClient) -> None:
    limits: list[dict[str, float | None]] = []

    async def note(request: httpx.Request) -> None:
        limits.append(request.extensions["timeout"])

    client.event_hooks = {"request": [note]}
    async with misbehaving(GOOD) as server:
        await Asker(client, server.url).ask()
    assert limits == [{"connect": 10.0, "read": None, "write": None, "pool": None}]


async def test_cancellation_closes_the_connection(client: httpx.AsyncClient) -> None:
    async with misbehaving(silence) as server, trio.open_nursery() as nursery:
        asker = Asker(client, server.url, patience=Retries(timeout=60, retries=0))
        nursery.start_soon(asker.ask)
        while not server.requests:
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await server.clients_gone.wait()


async def test_an_incomplete_response_is_retried(client: httpx.AsyncClient) -> None:
    body = b'{"data": [{"b64_json": "' + b"A" * 4000 + b'"}]}'
    async with misbehaving(cut_off(body, 1234), GOOD) as server:
        asker = Asker(client, server.url)
        assert await asker.ask() == PICTURE
    assert asker.lines[1].startswith(f"connection closed after 1,234 of {len(body):,} bytes; retrying")


async def test_a_refused_connection_is_retried_and_then_an_error(client: httpx.AsyncClient) -> None:
    with nobody_there() as url:
        asker = Asker(client, url, patience=Retries(timeout=60, retries=1, backoff=0.001))
        text = await asker.failure()
    assert text.startswith(f"request to gpt-image-1 at {url}/v1: gave up after attempt 2 of 2: could not connect (")
    assert len(asker.lines) == 3


async def test_a_server_without_tls_is_an_error(client: httpx.AsyncClient) -> None:
    async with misbehaving(GOOD) as server:
        url = server.url.replace("http:", "https:")
        text = await Asker(client, url, patience=Retries(timeout=60, retries=0)).failure()
    assert "could not connect ([SSL: " in text


@pytest.mark.parametrize("says_so", [True, False])
async def test_at_most_the_limit_and_one_chunk_of_a_huge_response_is_read(says_so: bool) -> None:
    responses: list[httpx.Response] = []

    async def keep(response: httpx.Response) -> None:
        responses.append(response)

    async with (
        misbehaving(huge(100_000_000, says_so=says_so)) as server,
        client_of(event_hooks={"response": [keep]}) as client,
    ):
        text = await Asker(client, server.url).failure()
        await server.clients_gone.wait()
    limit = 1_465_536  # 1.4 x MAX_BYTES + 64 KiB
    assert text.endswith("100,000,000 bytes; allowed: at most 1,465,536" if says_so else "at most 1,465,536")
    assert len(server.requests) == 1
    assert responses[0].num_bytes_downloaded <= (0 if says_so else limit + 2 * CHUNK)
    # The rest that the server sent is in the two sockets' buffers, at most some megabytes.
    assert server.sent < 50_000_000


async def test_compressed_responses_are_rejected(client: httpx.AsyncClient) -> None:
    async with misbehaving(answer(b"\x1f\x8b", Content_Encoding="gzip")) as server:
        text = await Asker(client, server.url).failure()
    assert server.requests[0].headers["accept-encoding"] == "identity"
    assert "the response has Content-Encoding gzip" in text


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (
            b"<p>no</p>",
            "the response is not JSON: JSON is malformed: invalid character (byte 0); it begins with '<p>no",
        ),
        (b"", "the response is not JSON: Input data was truncated; it is empty"),
        (b'{"data": [', "the response is not JSON: Input data was truncated; it begins with "),
        (b"\xff\xfe{}", "the response is not JSON: "),
        (b'{"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "nested too deeply; it begins with "),
        (b"[1]", "unexpected JSON in the response: Expected `object`, got `array`; it begins with '[1]'"),
        (b"{}", "unexpected JSON in the response: Object missing required field `data`; it begins with '{}'"),
        (b'{"data": {}}', "unexpected JSON in the response: Expected `array`, got `object` - at `$.data`"),
        (
            b'{"data": [{"url": 3}]}',
            "unexpected JSON in the response: Expected `str | null`, got `int` - at `$.data[0].url`",
        ),
        (b'{"data": []}', "0 pictures in the response, none with url or b64_json; check that image_model"),
        (b'{"data": [{"url": ""}]}', "1 pictures in the response, none with url or b64_json; check that image_model"),
    ],
)
async def test_the_error_for_a_response_without_a_picture_shows_its_beginning(
    client: httpx.AsyncClient, body: bytes, seen: str
) -> None:
    async with misbehaving(answer(body)) as server:
        text = await Asker(client, server.url).failure()
    assert seen in text
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": {"message": "no\\u001b[31m red\\u0007\\r\\nline \\u202etwo"}}', "no[31m red line two"),
        (b'{"error": {"message": "' + b"long " * 1000 + b'"}}', "long " * 59 + "long…"),
        (b'{"error": "Only text."}', "Only text."),
        (b'{"message": "Elsewhere."}', "Elsewhere."),
        (b'{"detail": "Not Found"}', "Not Found"),
        (b'{"error": {"code": 3}}', '{"error": {"code": 3}}'),
        (b"plain \x1b]0;title\x07 text \xff", "plain ]0;title text \ufffd"),
    ],
)
async def test_errors_contain_the_sanitized_text_of_the_provider(
    client: httpx.AsyncClient, body: bytes, words: str
) -> None:
    async with misbehaving(answer(body, 400)) as server:
        text = await Asker(client, server.url).failure()
    assert f"status 400: {words}; a retry" in text


async def test_an_endless_error_page_is_not_read_completely(client: httpx.AsyncClient) -> None:
    page = b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 3 * CHUNK

    async def endless(stream: trio.SocketStream, _server: object) -> None:
        while True:
            await stream.send_all(page)

    async with misbehaving(endless) as server:
        text = await Asker(client, server.url).failure()
    assert "status 400: the response is too large; allowed: at most 65,536" in text


async def test_a_redirect_to_an_invalid_url_is_an_error(client: httpx.AsyncClient) -> None:
    async with misbehaving(redirect("data:image/png;base64,AA")) as server:
        assert "redirect to an invalid URL (" in await Asker(client, server.url).failure()
