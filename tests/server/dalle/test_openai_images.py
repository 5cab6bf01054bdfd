"""The `openai` provider against a real server that misbehaves."""

import logging
import random
import traceback
from typing import Any

import httpx
import pytest
import trio

from misbehaving import CHUNK, Reply, answer, cut_off, hang_up, huge, misbehaving, nobody_there, redirect, silence
from phaseline.errors import ConfigError, ProviderError
from phaseline_server.dalle.openai_http import Access
from phaseline_server.dalle.openai_images import OpenAIImages
from phaseline_server.dalle.retry import Patience
from phaseline_server.dalle.sources import EncodedPicture, RemotePicture

KEY = "sk-correct-horse-battery-staple"
GOOD = answer({"created": 1, "data": [{"url": "https://pictures.example/1.png?sig=x", "revised_prompt": "…"}]})
PICTURE = RemotePicture("https://pictures.example/1.png?sig=x")
MAX_BYTES = 1_000_000
# Short, so that no test waits; a time-out that should not strike is long.
PATIENCE = Patience(timeout=5, retries=4, backoff=0.001)
BRIEFLY = Patience(timeout=0.05, retries=1, backoff=0.001)


class Asker:
    """`OpenAIImages` with its reports kept."""

    def __init__(self, client: httpx.AsyncClient, url: str, key: str = KEY, patience: Patience = PATIENCE) -> None:
        access = Access("image", f"{url}/v1", key, "gpt-image-1")
        jitter = random.Random(1)
        self.images = OpenAIImages(client, access, patience, max_picture_bytes=MAX_BYTES, jitter=jitter)
        self.lines: list[str] = []

    async def ask(self) -> RemotePicture | EncodedPicture:
        return await self.images.request("a violet fox", 1792, 1024, self.report)

    async def report(self, line: str) -> None:
        self.lines.append(line)

    async def failure(self) -> str:
        with pytest.raises(ProviderError) as caught:
            await self.ask()
        return str(caught.value)


async def test_it_asks_as_openai_documents_it_and_nothing_else(client: httpx.AsyncClient) -> None:
    async with misbehaving(GOOD) as server:
        asker = Asker(client, server.url)
        assert await asker.ask() == PICTURE
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/v1/images/generations")
    assert request.json == {"model": "gpt-image-1", "prompt": "a violet fox", "size": "1792x1024", "n": 1}
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    assert asker.lines == ["asked gpt-image-1"]


async def test_without_a_key_no_header_is_sent(client: httpx.AsyncClient) -> None:
    async with misbehaving(GOOD) as server:
        await Asker(client, server.url, key=" \n").ask()
    assert "authorization" not in server.requests[0].headers


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
async def test_both_kinds_of_answers_are_taken(client: httpx.AsyncClient, data: Any, picture: object) -> None:
    async with misbehaving(answer({"data": data})) as server:
        assert await Asker(client, server.url).ask() == picture


async def test_429_waits_as_long_as_the_server_asks_and_tries_again(client: httpx.AsyncClient) -> None:
    slow_down = answer({"error": {"message": "Slow down."}}, 429, Retry_After="0")
    async with misbehaving(slow_down, GOOD) as server:
        asker = Asker(client, server.url, patience=Patience(timeout=5, retries=4, backoff=1000))
        assert await asker.ask() == PICTURE
    assert asker.lines == [
        "asked gpt-image-1",
        "rate limited: Slow down.; trying again in 0 s (2 of 5)",
        "asked gpt-image-1 (attempt 2)",
    ]


async def test_429_with_a_date_that_has_passed_tries_again_at_once(client: httpx.AsyncClient) -> None:
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    async with misbehaving(answer(b"", 429, Retry_After=date, Date=date), GOOD) as server:
        assert await Asker(client, server.url, patience=Patience(timeout=5, retries=1, backoff=1000)).ask() == PICTURE


async def test_a_wait_beyond_the_deadline_is_refused_at_once(client: httpx.AsyncClient) -> None:
    async with misbehaving(answer(b"", 429, Retry_After="59")) as server:
        text = await Asker(client, server.url, patience=Patience(timeout=5, retries=4, deadline=20)).failure()
    assert len(server.requests) == 1
    assert "rate limited; the next may begin in 59 s, but" in text


@pytest.mark.parametrize("trouble", [answer(b"oops", 500), answer(b"", 503), hang_up], ids=["500", "503", "hang up"])
async def test_what_may_pass_is_tried_again(client: httpx.AsyncClient, trouble: Reply) -> None:
    async with misbehaving(trouble, trouble, GOOD) as server:
        assert await Asker(client, server.url).ask() == PICTURE
    assert len(server.requests) == 3


async def test_500_for_ever_ends_after_the_last_attempt_and_says_so(client: httpx.AsyncClient) -> None:
    async with misbehaving(answer({"error": {"message": "The server is\non fire"}}, 500)) as server:
        text = await Asker(client, server.url).failure()
    assert len(server.requests) == 5
    assert text == (
        f"asking gpt-image-1 at {server.url}/v1: gave up after attempt 5 of 5: answered 500: The server is on fire"
    )


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 422])
async def test_other_refusals_are_final(client: httpx.AsyncClient, status: int) -> None:
    async with misbehaving(answer({"error": {"message": "No."}}, status), GOOD) as server:
        text = await Asker(client, server.url).failure()
    assert len(server.requests) == 1
    assert f"answered {status}: No.; " in text


async def test_401_says_which_setting_to_check(client: httpx.AsyncClient) -> None:
    async with misbehaving(answer({"error": {"message": "Bad key."}}, 401)) as server:
        assert (await Asker(client, server.url).failure()).endswith("answered 401: Bad key.; check image_key")


async def test_slow_servers_are_given_up_and_asked_again(client: httpx.AsyncClient) -> None:
    async with misbehaving(silence, GOOD) as server:
        asker = Asker(client, server.url, patience=Patience(timeout=0.2, retries=1, backoff=0.001))
        assert await asker.ask() == PICTURE
        assert asker.lines[1].startswith("no whole answer within 0.2 s; trying again in ")
        await server.clients_gone.wait()


async def test_a_server_that_is_slow_for_ever_is_a_clear_error(client: httpx.AsyncClient) -> None:
    async with misbehaving(silence) as server:
        text = await Asker(client, server.url, patience=BRIEFLY).failure()
    assert "/v1: gave up after attempt 2 of 2: no whole answer within 0.0" in text
    assert len(server.requests) == 2


async def test_cancelling_hangs_up(client: httpx.AsyncClient) -> None:
    async with misbehaving(silence) as server, trio.open_nursery() as nursery:
        asker = Asker(client, server.url, patience=Patience(timeout=60, retries=0))
        nursery.start_soon(asker.ask)
        while not server.requests:
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await server.clients_gone.wait()


async def test_an_answer_that_is_cut_off_is_asked_for_again(client: httpx.AsyncClient) -> None:
    body = b'{"data": [{"b64_json": "' + b"A" * 4000 + b'"}]}'
    async with misbehaving(cut_off(body, 1234), GOOD) as server:
        asker = Asker(client, server.url)
        assert await asker.ask() == PICTURE
    assert asker.lines[1].startswith(f"cut off after 1,234 of {len(body):,} bytes; trying again")


async def test_nobody_listening_is_tried_again_and_then_told(client: httpx.AsyncClient) -> None:
    url = await nobody_there()
    asker = Asker(client, url, patience=Patience(timeout=5, retries=1, backoff=0.001))
    text = await asker.failure()
    assert text.startswith(f"asking gpt-image-1 at {url}/v1: gave up after attempt 2 of 2: could not connect (")
    assert len(asker.lines) == 3


async def test_a_server_that_speaks_no_tls_is_a_clear_error(client: httpx.AsyncClient) -> None:
    async with misbehaving(GOOD) as server:
        url = server.url.replace("http:", "https:")
        text = await Asker(client, url, patience=Patience(timeout=5, retries=0)).failure()
    assert "could not connect ([SSL: " in text


@pytest.mark.parametrize("says_so", [True, False])
async def test_of_a_huge_answer_no_more_than_the_limit_and_a_chunk_is_read(says_so: bool) -> None:
    responses: list[httpx.Response] = []

    async def keep(response: httpx.Response) -> None:
        responses.append(response)

    async with (
        misbehaving(huge(100_000_000, says_so=says_so)) as server,
        httpx.AsyncClient(trust_env=False, verify=False, event_hooks={"response": [keep]}) as client,  # noqa: S501
    ):
        text = await Asker(client, server.url).failure()
        await server.clients_gone.wait()
    limit = 1_465_536  # 1.4 x MAX_BYTES + 64 KiB
    assert text.endswith("100,000,000 bytes; allowed: at most 1,465,536" if says_so else "at most 1,465,536")
    assert len(server.requests) == 1
    assert responses[0].num_bytes_downloaded <= (0 if says_so else limit + 2 * CHUNK)
    # What else left the server lies in the two sockets' buffers, at most some megabytes.
    assert server.sent < 20_000_000


async def test_packed_answers_are_refused_since_their_size_cannot_be_bounded(client: httpx.AsyncClient) -> None:
    async with misbehaving(answer(b"\x1f\x8b", Content_Encoding="gzip")) as server:
        text = await Asker(client, server.url).failure()
    assert server.requests[0].headers["accept-encoding"] == "identity"
    assert "answered with Content-Encoding gzip, which was not asked for" in text


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (b"<p>no</p>", "what is not JSON: JSON is malformed: invalid character (byte 0); it begins with '<p>no"),
        (b"", "what is not JSON: Input data was truncated; it is empty"),
        (b'{"data": [', "what is not JSON: Input data was truncated; it begins with "),
        (b"\xff\xfe{}", "what is not JSON: "),
        (b'{"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "JSON that is nested too deeply; it begins with "),
        (b"[1]", "JSON of another shape: Expected `object`, got `array`; it begins with '[1]'"),
        (b"{}", "JSON of another shape: Object missing required field `data`; it begins with '{}'"),
        (b'{"data": {}}', "JSON of another shape: Expected `array`, got `object` - at `$.data`"),
        (b'{"data": [{"url": 3}]}', "JSON of another shape: Expected `str | null`, got `int` - at `$.data[0].url`"),
        (b'{"data": []}', "with 0 pictures, none with url or b64_json; check that image_model"),
        (b'{"data": [{"url": ""}]}', "with 1 pictures, none with url or b64_json; check that image_model"),
    ],
)
async def test_an_answer_without_a_picture_is_told_with_what_was_seen(
    client: httpx.AsyncClient, body: bytes, seen: str
) -> None:
    async with misbehaving(answer(body)) as server:
        text = await Asker(client, server.url).failure()
    assert f": answered {seen}" in text
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
async def test_the_providers_own_words_are_told_cleaned_and_shortened(
    client: httpx.AsyncClient, body: bytes, words: str
) -> None:
    async with misbehaving(answer(body, 400)) as server:
        text = await Asker(client, server.url).failure()
    assert f"answered 400: {words}; the same request" in text


async def test_an_endless_error_page_is_not_read(client: httpx.AsyncClient) -> None:
    page = b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 3 * CHUNK

    async def endless(stream: trio.SocketStream, _server: object) -> None:
        while True:
            await stream.send_all(page)

    async with misbehaving(endless) as server:
        text = await Asker(client, server.url).failure()
    assert "answered 400: answered with more bytes than are allowed: at most 65,536" in text


async def test_redirects_are_not_followed_and_take_no_key_along(client: httpx.AsyncClient) -> None:
    async with misbehaving(GOOD) as other, misbehaving(redirect(f"{other.url}/v1?token=1")) as server:
        text = await Asker(client, server.url).failure()
    assert other.requests == []
    assert text.endswith(f"answered 302, a redirect to {other.url}/v1; set image_url accordingly")


async def test_a_redirect_to_nonsense_is_a_clear_error(client: httpx.AsyncClient) -> None:
    async with misbehaving(redirect("data:image/png;base64,AA")) as server:
        assert "redirected to what is no address (" in await Asker(client, server.url).failure()


async def test_the_key_appears_in_no_error_report_or_log(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = f"Incorrect API key provided: {KEY}."
    hidden = echo.replace("horse", "ho\x00r\u202ese")
    replies = [
        answer({"error": {"message": echo}}, 500),
        answer({"error": {"message": hidden}}, 429, Retry_After="0"),
        answer(f"<p>{KEY}</p>".encode(), 503),
        answer({"error": {"message": "x" * 280 + KEY}}, 500),
        answer(f'"{KEY}"'.encode()),
    ]
    async with misbehaving(*replies) as server:
        asker = Asker(client, server.url)
        told = [await asker.failure(), *asker.lines, *caplog.messages]
        told += [repr(asker.images), repr(asker.images._api.access), repr(asker.images._api.access.headers)]
    assert len(server.requests) == 5
    assert told[0].count("***") == told[2].count("***") == 1
    assert not [text for text in told if "horse-battery" in text or KEY[-12:] in text]


@pytest.mark.parametrize("trouble", [answer(b"", 400), answer(b"{}"), hang_up, redirect(f"/{KEY}")])
async def test_the_key_is_in_no_traceback_even_one_with_local_variables(
    client: httpx.AsyncClient, trouble: Reply
) -> None:
    async with misbehaving(trouble) as server:
        asker = Asker(client, server.url, patience=Patience(timeout=5, retries=0))
        with pytest.raises(ProviderError) as caught:
            await asker.ask()
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    ours = [text for text in frames if "test_openai_images.py" not in text]  # this test's own variables hold it
    assert len(ours) > 3
    assert not [text for text in ours if KEY in text]


@pytest.mark.parametrize(
    ("url", "key", "problem"),
    [
        ("ftp://x/v1", "", "image_url is 'ftp://x/v1'; allowed: an address such as https://"),
        ("localhost:8080", "", "image_url is 'localhost:8080'; allowed: "),
        ("http://", "", "image_url is 'http://'; allowed: "),
        ("http://[::1", "", "image_url can't be read (Invalid port: ':1'); allowed: "),
        ("http://x\x00y", "", "image_url can't be read (Invalid non-printable ASCII character"),
        ("http://" + "a" * 70, "", "image_url can't be read ("),
        ("http://me:sesame@x/v1", "", "image_url holds a user or password (not shown); put the secret in image_key"),
        ("http://x", "sesame\nsesame", "image_key has characters that no key has (not shown)"),
        ("http://x", "schlüssel-sesame", "image_key has characters that no key has (not shown)"),
    ],
)
def test_a_wrong_address_or_key_is_told_before_any_request(url: str, key: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Access("image", url, key, "m")
    assert str(caught.value).startswith(problem)
    assert "sesame" not in str(caught.value)


async def test_an_empty_address_is_an_error_only_when_somebody_asks(client: httpx.AsyncClient) -> None:
    images = OpenAIImages(client, Access("image", "", "", "m"), PATIENCE, max_picture_bytes=1)
    with pytest.raises(ProviderError, match="image_url is empty"):
        await images.request("a fox", 1, 1, Asker(client, "http://x").report)


async def test_the_address_keeps_its_query_which_no_error_shows(client: httpx.AsyncClient) -> None:
    async with misbehaving(answer(b"", 400)) as server:
        access = Access("image", f"{server.url}/base/?api-version=2", "", "m")
        images = OpenAIImages(client, access, PATIENCE, max_picture_bytes=1)
        with pytest.raises(ProviderError) as caught:
            await images.request("a fox", 1, 1, Asker(client, server.url).report)
    assert server.requests[0].target == "/base/images/generations?api-version=2"
    assert f"{server.url}/base/: answered 400" in str(caught.value)
