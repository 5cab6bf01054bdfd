"""No error shows the key, and the address is checked before the first request."""

import logging
import traceback

import httpx
import pytest

from phaseline.errors import ConfigError
from phaseline_server.pictures.errors import ProviderError
from phaseline_server.pictures.openai_http import ApiAccess
from phaseline_server.pictures.openai_images import OpenAIImages
from phaseline_server.pictures.retry import Retries
from tests.support.misbehaving import Reply, answer, hang_up, misbehaving, redirect
from tests.support.openai_asker import GOOD, KEY, PATIENCE, Asker


async def test_without_a_key_no_header_is_sent(client: httpx.AsyncClient) -> None:
    async with misbehaving(GOOD) as server:
        await Asker(client, server.url, key=" \n").ask()
    assert "authorization" not in server.requests[0].headers


async def test_redirects_are_not_followed_and_get_no_key(client: httpx.AsyncClient) -> None:
    async with misbehaving(GOOD) as other, misbehaving(redirect(f"{other.url}/v1?token=1")) as server:
        text = await Asker(client, server.url).failure()
    assert other.requests == []
    assert text.endswith(f"status 302, a redirect to {other.url}/v1; set image_url accordingly")


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
        reported = [await asker.failure(), *asker.lines, *caplog.messages]
        reported += [repr(asker.images), repr(asker.images._api.access), repr(asker.images._api.access.headers)]
    assert len(server.requests) == 5
    assert reported[0].count("***") == reported[2].count("***") == 1
    assert not [text for text in reported if KEY[:10] in text or "horse-battery" in text or KEY[-12:] in text]


@pytest.mark.parametrize("written", [b"correct/horse==", b"correct\\/horse=="])
async def test_a_key_with_a_slash_is_hidden_in_both_json_spellings(client: httpx.AsyncClient, written: bytes) -> None:
    async with misbehaving(answer(b'{"errors": ["no such key: ' + written + b'"]}', 400)) as server:
        text = await Asker(client, server.url, key="correct/horse==").failure()
    assert 'status 400: {"errors": ["no such key: ***"]}' in text


@pytest.mark.parametrize("trouble", [answer(b"", 400), answer(b"{}"), hang_up, redirect(f"/{KEY}")])
async def test_the_key_is_not_in_tracebacks_with_local_variables(client: httpx.AsyncClient, trouble: Reply) -> None:
    async with misbehaving(trouble) as server:
        asker = Asker(client, server.url, patience=Retries(timeout=60, retries=0))
        with pytest.raises(ProviderError) as caught:
            await asker.ask()
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    ours = [text for text in frames if "test_openai_access.py" not in text]  # this test's own variables hold it
    assert len(ours) > 3
    assert not [text for text in ours if KEY in text]


@pytest.mark.parametrize(
    ("url", "key", "problem"),
    [
        ("ftp://x/v1", "", "image_url is 'ftp://x/v1'; allowed: a URL such as https://"),
        ("localhost:8080", "", "image_url is 'localhost:8080'; allowed: "),
        ("http://", "", "image_url is 'http://'; allowed: "),
        ("http://[::1", "", "image_url is not valid (Invalid port: ':1'); allowed: "),
        ("http://x\x00y", "", "image_url is not valid (Invalid non-printable ASCII character"),
        ("http://" + "a" * 70, "", "image_url is not valid ("),
        ("http://me:sesame@x/v1", "", "image_url contains a user or password (not shown); put the secret in image_key"),
        ("http://x", "sesame\nsesame", "image_key has invalid characters (not shown)"),
        ("http://x", "schlüssel-sesame", "image_key has invalid characters (not shown)"),
    ],
)
def test_an_invalid_url_or_key_is_an_error_before_any_request(url: str, key: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ApiAccess("image", url, key, "m")
    assert str(caught.value).startswith(problem)
    assert "sesame" not in str(caught.value)


async def test_an_empty_url_is_an_error_only_at_a_request(client: httpx.AsyncClient) -> None:
    images = OpenAIImages(client, ApiAccess("image", "", "", "m"), PATIENCE, max_picture_bytes=1)
    with pytest.raises(ProviderError, match="image_url is empty"):
        await images.request("a fox", 1, 1, Asker(client, "http://x").report)


async def test_the_url_keeps_its_query_and_errors_hide_it(client: httpx.AsyncClient) -> None:
    async with misbehaving(answer(b"", 400)) as server:
        access = ApiAccess("image", f"{server.url}/base/?api-version=2", "", "m")
        images = OpenAIImages(client, access, PATIENCE, max_picture_bytes=1)
        with pytest.raises(ProviderError) as caught:
            await images.request("a fox", 1, 1, Asker(client, server.url).report)
    assert server.requests[0].target == "/base/images/generations?api-version=2"
    assert f"{server.url}/base/: status 400" in str(caught.value)
