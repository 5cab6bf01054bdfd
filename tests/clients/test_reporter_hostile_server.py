"""A reporter and servers that send too much, hostile text, or reject it."""

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio_websocket

from phaseline.model.events import JobStarted
from phaseline.reporting import Reporter
from tests.support.certificates import make_certificate
from tests.support.servers import server_process
from tests.support.tokens import make_tokens

Handler = Callable[[trio_websocket.WebSocketConnection], Awaitable[None]]
GREETING = {"type": "connection_established", "epoch": "e", "client_id": "c"}


@asynccontextmanager
async def fake_server(handle: Handler) -> AsyncIterator[str]:
    """Serve WebSockets with `handle` for the length of the block."""

    async def accept(request: trio_websocket.WebSocketRequest) -> None:
        websocket = await request.accept()
        try:
            await websocket.send_message(json.dumps(GREETING))
            await handle(websocket)
        except trio_websocket.ConnectionClosed:
            return

    async with trio.open_nursery() as nursery:
        server = await nursery.start(trio_websocket.serve_websocket, accept, "127.0.0.1", 0, None)
        yield f"ws://127.0.0.1:{server.port}/ws"
        nursery.cancel_scope.cancel()


async def test_no_report_is_dropped_when_the_reporter_itself_closes_with_1009(caplog: pytest.LogCaptureFixture) -> None:
    arrived: set[int] = set()
    connections = 0

    async def handle(websocket: trio_websocket.WebSocketConnection) -> None:
        nonlocal connections
        connections += 1
        while True:
            message = json.loads(await websocket.get_message())
            if "producer_seq" not in message:
                continue
            if connections == 1 and message["producer_seq"] == 3:
                await websocket.send_message("x" * (2**20 + 1))
            arrived.add(message["producer_seq"])
            await websocket.send_message(json.dumps({"type": "ack", "producer_seq": message["producer_seq"]}))

    async with fake_server(handle) as url, Reporter(url, flush_timeout=60) as reporter:
        for n in range(12):
            reporter.report(JobStarted(job_id=str(n)))
        assert await reporter.aflush()
    assert arrived == set(range(1, 13))
    assert connections == 2
    assert not [record for record in caplog.records if "rejected" in record.message]


async def test_the_text_of_a_server_is_cleaned_and_cut(caplog: pytest.LogCaptureFixture) -> None:
    hostile = "\x1b]52;c;cm0gLXJm\x07\x1b[2J\x9b31m\u202e\n" + "z" * 300_000

    async def handle(websocket: trio_websocket.WebSocketConnection) -> None:
        while True:
            message: dict[str, Any] = json.loads(await websocket.get_message())
            if "producer_seq" in message:
                answer = {"type": "error", "producer_seq": message["producer_seq"], "code": hostile, "error": hostile}
                await websocket.send_message(json.dumps(answer))

    async with fake_server(handle) as url, Reporter(url, flush_timeout=60) as reporter:
        for n in range(12):
            reporter.report(JobStarted(job_id=str(n)))
        assert await reporter.aflush()
    assert len(caplog.records) == 12
    for record in caplog.records:
        assert record.message.isprintable()
        assert len(record.message) < 600


async def test_the_reason_of_a_close_is_cleaned(caplog: pytest.LogCaptureFixture) -> None:
    async def handle(websocket: trio_websocket.WebSocketConnection) -> None:
        await websocket.aclose(4500, "\x1b[31mgo\u202e away")

    async with fake_server(handle) as url, Reporter(url, flush_timeout=0.5) as reporter:
        reporter.report(JobStarted(job_id="a"))
        await reporter.aflush()
    [first, *_] = caplog.records
    assert "(the server closed the connection (close code 4500: [31mgo away))" in first.message


async def _complaint(url: str, caplog: pytest.LogCaptureFixture) -> str:
    async with Reporter(url, flush_timeout=60) as reporter:
        reporter.report(JobStarted(job_id="a"))
    return next(record.message for record in caplog.records if "no connection" in record.message)


async def test_http_in_place_of_tls_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with server_process(tmp_path) as server:
        text = await _complaint(server.url.replace("http", "https"), caplog)
    assert "does not speak TLS; use http:// in PROGRESS_URL" in text


async def test_a_missing_token_is_named_with_the_remedy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROGRESS_TOKEN", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    make_tokens(tmp_path)
    async with (
        server_process(tmp_path, "--auth-timeout", "0.5") as server,
        Reporter(server.url, flush_timeout=0) as reporter,
    ):
        reporter.report(JobStarted(job_id="a"))
        with trio.fail_after(60):
            while not caplog.records:  # noqa: ASYNC110 - a log has no event
                await trio.sleep(0.05)
    assert "the server needs a valid token" in caplog.records[0].message
    assert "set PROGRESS_TOKEN, or write the token to ~/.config/phaseline/token" in caplog.records[0].message


async def test_an_untrusted_certificate_is_named_with_the_remedy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    async with trio.open_nursery() as nursery:
        [listener] = await trio.open_ssl_over_tcp_listeners(0, context, host="127.0.0.1")

        async def answer(stream: trio.SSLStream[trio.SocketStream]) -> None:
            with pytest.raises(trio.BrokenResourceError):
                await stream.do_handshake()

        nursery.start_soon(trio.serve_listeners, answer, [listener])
        port = listener.transport_listener.socket.getsockname()[1]  # type: ignore[attr-defined]
        text = await _complaint(f"wss://127.0.0.1:{port}/ws", caplog)
        nursery.cancel_scope.cancel()
    assert f"the certificate of 127.0.0.1:{port} is not trusted" in text
    assert "set SSL_CERT_FILE" in text
