"""Logs: each entry is one line and contains no secret."""

import json
import logging
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import structlog
import trio

from phaseline_server.access.grant import Scope
from phaseline_server.access.tokens import TokenFile
from phaseline_server.runtime.logging_setup import configure_logs
from tests.support.door_clients import frame, read_all
from tests.support.servers import ServerProcess, client_of, server_process

CANARY = "canaryCANARYcanary0123456789canaryCANARY0123"
HOSTILE = "quoted\n2026-01-01T00:00:00Z [info     ] all is well\r\x1b[2J\u202e\tend"


@pytest.fixture
def restored() -> Iterator[None]:
    before = logging.root.handlers[:]
    yield
    logging.root.handlers[:] = before
    structlog.reset_defaults()


def entries(capfd: pytest.CaptureFixture[str]) -> list[str]:
    return capfd.readouterr().err.splitlines()


@pytest.mark.parametrize("form", ["text", "json"])
def test_logged_values_can_neither_add_a_line_nor_control_a_terminal(
    restored: None, capfd: pytest.CaptureFixture[str], form: str
) -> None:
    configure_logs(form, "debug")  # type: ignore[arg-type]
    log = structlog.get_logger("new")
    log.info(HOSTILE, text=HOSTILE, several=[HOSTILE], number=1)
    [line] = entries(capfd)
    assert "\x1b[2J" not in line
    assert "\u202e" not in line
    assert "\r" not in line
    assert "end" in line
    if form == "json":
        entry = json.loads(line)
        assert (entry["number"], entry["level"]) == (1, "info")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_can_t_pass_for_entries(restored: None, capfd: pytest.CaptureFixture[str], form: str) -> None:
    configure_logs(form, "debug")  # type: ignore[arg-type]
    try:
        int(f"{HOSTILE} phl_{CANARY}")
    except ValueError:
        structlog.get_logger("new").exception("failed")
    first, *rest = entries(capfd)
    if form == "json":
        assert rest == []
        assert "Traceback" in json.loads(first)["exception"]
    else:
        assert all(line.startswith("    ") for line in rest)
        assert any("all is well" in line for line in rest)
    assert CANARY not in "".join([first, *rest])


def test_log_lines_of_libraries_have_the_same_form(restored: None, capfd: pytest.CaptureFixture[str]) -> None:
    configure_logs("json", "info")
    logging.getLogger("quart.app").error("an %s", "error", exc_info=ValueError(HOSTILE))
    logging.getLogger("other").debug("no more than that")
    [line] = entries(capfd)
    entry = json.loads(line)
    assert (entry["event"], entry["level"]) == ("an error", "error")
    assert "ValueError" in entry["exception"]


@pytest.mark.parametrize(
    "text",
    [
        f"phl_{CANARY}",
        f"pht_{CANARY}",
        f"Bearer {CANARY}",
        f"http://127.0.0.1/events?ticket={CANARY}",
        f"/x?a=1&token={CANARY}",
        f"headers: [(b'authorization', b'Bearer {CANARY}')]",
    ],
)
def test_secrets_are_not_logged(restored: None, capfd: pytest.CaptureFixture[str], text: str) -> None:
    configure_logs("json", "debug")
    structlog.get_logger("new").warning(text, quoted=text, raw=text.encode(), deep={"a": [text]})
    [line] = entries(capfd)
    assert "canary" not in line


ASKED = [("GET", "/progress/jobs"), ("POST", "/progress/start"), ("PUT", "/"), ("GET", "/none")]
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: c2l4dGVlbiBieXRlcyAhIQ==\r\n"
)


async def misuse(server: ServerProcess) -> None:
    """Send the canary in every place where a client can send text."""
    token = f"phl_{CANARY}"
    secrets = {"token": token, "job_id": token}
    async with client_of(server.url) as client:
        for headers in ({"Authorization": f"Bearer {token}"}, {"Authorization": token}, {"X-Token": token}, {}):
            for method, path in ASKED:
                await client.request(
                    method, path, headers=headers, params={"ticket": token, "token": token}, json=secrets
                )
        for path in (f"/{token}", f"/dalle/{token}", f"/files/{token}", f"/progress/job/{token}"):
            await client.get(path)
        await client.get("/health", headers={"Host": token})
        await client.get("/health", headers={"Origin": token})
    auth = frame(json.dumps({"type": "auth", "token": token}).encode())
    for path in ("/ws", f"/ws?ticket={token}", f"/none?ticket={token}"):
        await send(server, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}\r\n".encode() + auth)
    for text in (
        f"GET /?ticket={token} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nno colon\r\n\r\n",
        f"GET http://{token}/ HTTP/9.9\r\nHost: localhost\r\n\r\n",
        f"{token}\r\n\r\n",
        f"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {token}\r\n\r\n{token}",
    ):
        await send(server, text.encode())


async def send(server: ServerProcess, data: bytes) -> None:
    """Send something, and wait for the end of the connection."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        with suppress(trio.BrokenResourceError):
            await stream.send_all(data)
            await stream.send_eof()
        await read_all(stream)


@pytest.mark.parametrize("form", ["text", "json"])
async def test_a_canary_token_never_appears_in_a_log(tmp_path: Path, form: str) -> None:
    file = TokenFile(tmp_path)
    text, token = file.create(Scope.ADMIN)
    flags = ["--log-level", "debug", "--log-format", form, "--image-key", CANARY, "--chat-key", CANARY]
    async with server_process(tmp_path, *flags) as server:
        await misuse(server)
        async with client_of(server.url, headers={"Authorization": f"Bearer {text}"}) as client:
            assert (await client.get("/progress/jobs")).status_code == 200
            ticket = (await client.post("/ws/ticket")).json()["ticket"]
            await client.get("/progress/jobs", params={"ticket": ticket})
        file.revoke(token.id)
        server.process.send_signal(signal.SIGTERM)
        with trio.fail_after(60):
            await server.process.wait()
    written = "\n".join(server.log)
    assert len(server.log) > 1
    if form == "json":
        assert all("event" in json.loads(line) for line in server.log)
    for secret in ("canary", text, ticket):
        assert secret not in written
