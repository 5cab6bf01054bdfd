"""No text shows a key, in whole or in part."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import trio

from phaseline_server.pictures.redaction import Redaction
from tests.support.misbehaving import Reply, answer, misbehaving
from tests.support.pictures import ask
from tests.support.servers import client_of, server_process

KEY = "sk-correct-horse/battery+staple"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("nothing to hide: sk-corre", "nothing to hide: ***"),
        ("nothing to hide: sk-corr", "nothing to hide: sk-corr"),
        (f"<{KEY}>", "<***>"),
        (f"{KEY}{KEY} {KEY}", "*** ***"),
        (f"cut: {KEY[:-3]}", "cut: ***"),
        (f"cut: {KEY[5:]}", "cut: ***"),
        ("sk-correct-horse\\/battery+staple", "***"),
        ("http://x/sk-correct-horse%2Fbattery%2Bstaple/1.png", "http://x/***/1.png"),
        ("sk-cor\x00rect-horse/bat\u202etery+staple", "***"),
        ("chat-key-1234 too\n", "*** too\n"),
    ],
)
def test_keys_and_their_parts_are_hidden(text: str, shown: str) -> None:
    assert Redaction(KEY, "chat-key-1234").hide(text) == shown


def test_a_placeholder_for_a_key_is_not_a_secret() -> None:
    assert Redaction("", "none", "EMPTY").hide("none is EMPTY") == "none is EMPTY"


def test_all_keys_in_a_long_text_are_hidden() -> None:
    assert set(Redaction(KEY).hide(f"{KEY} " * 2000).split()) == {"***"}


def encoded(text: str) -> Reply:
    return answer({"data": [{"b64_json": text}]})


def located(url: str) -> Reply:
    return answer({"data": [{"url": url}]})


@pytest.mark.parametrize(
    "reply",
    [
        answer({"error": {"message": f"no such key: {KEY}"}}, 400),
        located(f"ftp://{KEY}/1.png"),
        located(f"http://127.0.0.1:1/{'x' * 80}/{KEY}/1.png"),
        located(f"http://10.0.0.1/{KEY}"),
        located(f"http://{KEY}\n"),
        encoded(f"{KEY}?"),
        encoded(base64.b64encode(KEY.encode()).decode()),
    ],
    ids=["error", "scheme", "path", "private", "invalid", "not base64", "not a picture"],
)
@pytest.mark.slow
async def test_no_answer_file_or_log_shows_the_key(tmp_path: Path, reply: Reply) -> None:
    async with misbehaving(reply) as api:
        last, log = await run(tmp_path, api.url)
    assert last["error"] != ""
    check_hidden(tmp_path, json.dumps(last), *log)


@pytest.mark.slow
async def test_a_prompt_that_repeats_the_key_is_stored_without_it(tmp_path: Path) -> None:
    prompt = answer({"choices": [{"message": {"content": f"a fox with {KEY}"}}]})
    async with misbehaving(prompt, answer(b"", 400)) as api:
        last, log = await run(tmp_path, api.url, "--chat-model", "m", "--chat-url", f"{api.url}/v1")
        assert json.loads(api.requests[1].body)["prompt"] == "a fox with ***"
    check_hidden(tmp_path, json.dumps(last), *log)


async def run(data_dir: Path, url: str, *flags: str) -> tuple[dict[str, Any], list[str]]:
    """Return the last snapshot of a picture's run, and the server's log."""
    flags = ("--provider", "openai", "--image-url", f"{url}/v1", "--image-retries", "0", *flags)
    keys = {"PHASELINE_IMAGE_KEY": KEY, "PHASELINE_CHAT_KEY": KEY}
    async with server_process(data_dir, *flags, env=keys) as server, client_of(server.url) as client:
        last = await ask(client, "/dalle/simple/0x1?generate=1")
        with trio.fail_after(60):
            while not last["done"]:
                last = await ask(client, "/dalle/simple/0x1")
        stored = (await client.get("/progress/job/dalle:simple:0x1")).text
        return last | {"stored": stored}, server.log


def check_hidden(data_dir: Path, *texts: str) -> None:
    """Check that no text and no file has a part of the key."""
    files = [path.read_bytes().decode("latin-1") for path in data_dir.rglob("*") if path.is_file()]
    for text in (*texts, *files):
        assert not any(part in text for part in (KEY[:8], KEY[8:16], KEY[-8:]))
