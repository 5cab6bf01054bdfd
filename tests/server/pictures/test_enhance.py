"""The chat endpoint that rewrites prompts, against a real server."""

from typing import Any

import httpx
import pytest

from phaseline_server.pictures.enhance import ChatEnhancer
from phaseline_server.pictures.errors import ProviderError
from phaseline_server.pictures.openai_http import ApiAccess
from phaseline_server.pictures.retry import Retries
from tests.support.misbehaving import Reply, answer, cut_off, misbehaving


def text(content: Any, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": content, **more}}]}


async def enhanced(client: httpx.AsyncClient, url: str, lines: list[str] | None = None) -> str:
    async def report(line: str) -> None:
        if lines is not None:
            lines.append(line)

    access = ApiAccess("chat", f"{url}/v1/", "sk-secret-enough", "gpt-mini")
    enhancer = ChatEnhancer(client, access, Retries(timeout=60, retries=1, backoff=0.001))
    return await enhancer.enhance("a violet fox", report)


async def test_the_enhanced_prompt_is_returned(client: httpx.AsyncClient) -> None:
    lines: list[str] = []
    async with misbehaving(answer(text("  A fox,\nviolet as\x00 dusk\x1b. \n"))) as server:
        assert await enhanced(client, server.url, lines) == "A fox,\nviolet as dusk."
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == "Bearer sk-secret-enough"
    assert request.json["model"] == "gpt-mini"
    assert [message["role"] for message in request.json["messages"]] == ["system", "user"]
    assert request.json["messages"][1]["content"] == "a violet fox"
    assert lines == ["waiting for gpt-mini"]


@pytest.mark.parametrize(
    "trouble",
    [answer(b"", 429, Retry_After="0"), answer(b"", 502), cut_off(b"{}" * 9, 3)],
    ids=["429", "502", "cut off"],
)
async def test_temporary_errors_are_retried(client: httpx.AsyncClient, trouble: Reply) -> None:
    async with misbehaving(trouble, answer(text("better"))) as server:
        assert await enhanced(client, server.url) == "better"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (text(""), "the response text is empty (finish_reason none); allowed: a non-empty prompt"),
        (text(" \n\x00 "), "the response text is empty"),
        (text(None), "the response text is empty"),
        ({"choices": [{"message": {}, "finish_reason": "content_filter"}]}, "(finish_reason content_filter)"),
        (text(None, refusal="I can't\x07 paint that."), "refused: I can't paint that."),
        ({"choices": []}, "the response has no choices"),
        ({}, "unexpected JSON in the response: Object missing required field `choices`"),
        ({"choices": [{"message": {"content": [1]}}]}, "Expected `str | null`, got `array`"),
    ],
)
async def test_a_response_without_a_prompt_is_an_error(
    client: httpx.AsyncClient, body: dict[str, Any], problem: str
) -> None:
    async with misbehaving(answer(body)) as server:
        with pytest.raises(ProviderError) as caught:
            await enhanced(client, server.url)
    assert str(caught.value).startswith(f"request to gpt-mini at {server.url}/v1/: ")
    assert problem in str(caught.value)


async def test_an_error_names_the_settings_of_the_chat_api(client: httpx.AsyncClient) -> None:
    async with misbehaving(answer(b"", 404)) as server:
        with pytest.raises(ProviderError, match=r"status 404; check chat_url and chat_model$"):
            await enhanced(client, server.url)
