"""The reasons why a mirror can't follow its source."""

from functools import partial
from pathlib import Path

import pytest
import trio
from msgspec import Raw
from trio_websocket import WebSocketRequest, serve_websocket

from phaseline.model.record import decode_job
from phaseline.stream import Position
from phaseline.wire.replication import LogFrame, LogJobs, LogStart, LogUpdate
from phaseline_server.jobs.tracker import now
from phaseline_server.mirror.source import Source, SourceAway
from tests.support.certificates import make_certificate
from tests.support.listening import listening
from tests.support.ports import free_port
from tests.support.servers import serving
from tests.support.tokens import make_tokens


async def reason(url: str, token: str = "") -> str:
    """Return why a server can't be followed."""
    with trio.fail_after(60), pytest.raises(SourceAway) as away:
        await Source(url, lambda: token).receive(None, ignore)
    return str(away.value)


async def ignore(_: LogFrame) -> None:
    """Take a frame."""


async def first_frames(source: Source, since: Position | None = None) -> list[LogFrame]:
    """Return the frames of a source up to the first update."""
    frames: list[LogFrame] = []
    with trio.CancelScope() as scope:

        async def take(frame: LogFrame) -> None:
            frames.append(frame)
            if isinstance(frame, LogUpdate):
                scope.cancel()
                await trio.lowlevel.checkpoint()

        await source.receive(since, take)
    return frames


async def test_no_server_answers() -> None:
    port = free_port()
    assert f"127.0.0.1:{port}" in await reason(f"127.0.0.1:{port}")


async def test_a_token_must_allow_reading_everything(tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path)
    async with serving(tmp_path) as client:
        url = str(client.base_url)
        advice = "the server needs a valid token (HTTP 401); set PHASELINE_FOLLOW_TOKEN to a token of that server"
        assert await reason(url, "wrong") == advice
        without = await reason(url)
        assert "needs a valid token" in without
        assert "PHASELINE_FOLLOW_TOKEN" in without
        allowed = "allowed: scope read or admin"
        assert await reason(url, tokens["report"]) == f"token scope report does not allow reading; {allowed}"
        assert await reason(url, tokens["read:shot-"]) == (
            f"the token allows reading some jobs only; {allowed} without a job prefix"
        )
        for caller in ("read", "admin"):
            [start, update] = await first_frames(Source(url, lambda caller=caller: tokens[caller]))  # type: ignore[misc]
            assert isinstance(start, LogStart)
            assert isinstance(update, LogUpdate)


async def test_the_error_names_a_source_that_is_not_a_phaseline_server() -> None:
    async def answer(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope")
        await stream.aclose()

    async def chat(request: WebSocketRequest) -> None:
        socket = await request.accept()
        await socket.send_message('{"type": "hello"}')

    async with trio.open_nursery() as nursery:
        http = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
        port = http[0].socket.getsockname()[1]
        assert await reason(f"http://127.0.0.1:{port}") == (
            f"127.0.0.1:{port} answered HTTP 404 instead of opening a WebSocket: nope; "
            "check the address, or the proxy in front of it"
        )
        assert "does not speak TLS; use http:// in --follow" in await reason(f"https://127.0.0.1:{port}")
        other = await nursery.start(serve_websocket, chat, "127.0.0.1", 0, None)
        assert "is not a Phaseline server of this version" in await reason(f"http://127.0.0.1:{other.port}")
        nursery.cancel_scope.cancel()


async def test_an_untrusted_certificate_is_named(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    async with serving(tmp_path, tls_cert=str(certificate.certificate), tls_key=str(certificate.key)) as client:
        text = await reason(str(client.base_url))
    assert "is not trusted" in text
    assert "SSL_CERT_FILE" in text


async def test_a_source_sends_the_messages_after_a_position_or_a_full_copy(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        for number in range(3):
            await client.post("/progress/start", json={"job_id": f"job-{number}"})
        source = Source(str(client.base_url), str)
        start, _, update = await first_frames(source)
        assert isinstance(start, LogStart)
        assert isinstance(update, LogUpdate)
        assert (start.seq, update.top, [message.seq for message in update.messages]) == (0, 3, [1, 2, 3])
        [resumed] = await first_frames(source, Position(start.epoch, 2))
        assert isinstance(resumed, LogUpdate)
        assert [(message.seq, message.job_id) for message in resumed.messages] == [(3, "job-2")]
        assert resumed.estimates.keys() == {"job-2"}
        assert isinstance((await first_frames(source, Position("other", 2)))[0], LogStart)
        assert isinstance((await first_frames(source, Position(start.epoch, 4)))[0], LogStart)


async def test_the_connection_of_a_worker_is_not_sent_to_a_mirror(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        async with listening(client) as worker:
            await worker.send("register", acks=True)
            await worker.receive("registration_confirmed")
            await worker.send("job_started", job_id="a")
            await worker.receive("ack")
            frames = await first_frames(Source(str(client.base_url), str))
        [job] = [decode_job(bytes(record), now(), same_clock=True) for record in jobs_of(frames)]
    assert (job.job_id, job.workers) == ("a", ())


def jobs_of(frames: list[LogFrame]) -> list[Raw]:
    return [record for frame in frames if isinstance(frame, LogJobs) for record in frame.jobs]
