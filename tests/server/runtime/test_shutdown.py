"""Shutdown: the server ends cleanly and soon, and loses nothing, even with busy clients and pictures."""

import json
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from phaseline.model.events import JobCompleted, JobProgress, JobStarted
from phaseline_server.pictures import helpers
from phaseline_server.pictures.making import ENDED
from tests.support.disks import names
from tests.support.listening import Listener, listening
from tests.support.misbehaving import silence
from tests.support.pictures import GOOD, ask, studio
from tests.support.processes import alive, children
from tests.support.servers import ServerProcess, client_of, server_process, serving

# Long enough for the slowest machine, so that only a hanging server fails.
GUARD_S = 60
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def client_frame(text: str) -> bytes:
    """Return a short text frame as a client sends it, its mask all zeros."""
    return b"\x81" + bytes([0x80 | len(text)]) + bytes(4) + text.encode()


async def end(server: ServerProcess, number: signal.Signals) -> None:
    """Send the signal, and wait for the clean end."""
    server.process.send_signal(number)
    with trio.fail_after(GUARD_S):
        assert await server.process.wait() == 0


def check_log(server: ServerProcess) -> None:
    log = "\n".join(server.log)
    assert "Traceback" not in log, log
    assert "error" not in log.lower(), log
    assert "shutting down; interrupt again to force exit" in log


async def stall(server: ServerProcess, client: httpx.AsyncClient) -> trio.SocketStream:
    """Return a subscriber's connection with pending messages, because it does not read."""
    socket = trio.socket.socket()
    socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 4096)
    await socket.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
    stream = trio.SocketStream(socket)
    await stream.send_all(HANDSHAKE)
    assert b"101" in await stream.receive_some()
    await stream.send_all(client_frame('{"type": "subscribe"}'))
    await client.post("/progress/start", json={"job_id": "noisy"})
    event = {"type": "job_progress", "job_id": "noisy", "stage": "importing", "message": "x" * 9000}
    batch = json.dumps([event] * 25).encode()
    with trio.fail_after(GUARD_S):
        while not (await ask(client, "/ws/status"))["queued_messages"]:
            assert (await client.post("/progress/batch", content=batch)).json()["success"] is True
    return stream


async def painting(client: httpx.AsyncClient, listener: Listener) -> None:
    """Return once a large picture is being painted."""
    await ask(client, "/dalle/simple/0x1?generate=1")
    with trio.fail_after(GUARD_S):
        while True:
            message = await listener.receive()
            if message["type"] == "job_progress" and message["stage"] == "image_wait" and message["progress"]:
                return


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_server_ends_cleanly_during_any_work(tmp_path: Path, number: signal.Signals) -> None:
    async with (
        server_process(tmp_path, "--picture-size", "2048x2048") as server,
        client_of(server.url) as client,
        listening(server.url, "job:dalle:simple:0x1") as listener,
    ):
        port = int(server.url.rpartition(":")[2])
        idle = await trio.open_tcp_stream("127.0.0.1", port)
        await idle.send_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200" in await idle.receive_some()
        silent = await trio.open_tcp_stream("127.0.0.1", port)
        halfway = await trio.open_tcp_stream("127.0.0.1", port)
        await halfway.send_all(b"POST /progress/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        await painting(client, listener)
        stalled = await stall(server, client)
        for job_id in ("one", "two"):
            await client.post("/progress/start", json={"job_id": job_id})
            await client.post("/progress/report", json={"job_id": job_id, "stage": "exporting"})
            await client.post("/progress/complete", json={"job_id": job_id})
        painters = children(server.process.pid)
        assert any("painter_worker" in command for command in painters.values())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receives_the_end, listener)
            await end(server, number)
        assert alive(painters) == {}
        for stream in (idle, silent, halfway, stalled):
            await trio.aclose_forcefully(stream)
    check_log(server)
    assert names(tmp_path / "output" / ".scratch") == []
    saved = json.loads((tmp_path / "metrics" / "progress_phase_stats.json").read_bytes())
    assert saved["phaseAverages"]["photo/exporting"]["count"] == 2
    assert saved["generationRuns"] == 0


async def receives_the_end(listener: Listener) -> None:
    """Check that a subscriber receives the cancellation of the run, and then the close of the server."""
    last = (await listener.receive_until("job_failed"))[-1]
    assert (last["state"], last["result"]) == ("cancelled", {"error": ENDED})
    assert await listener.wait_closed() == (1001, "the server is shutting down; reconnect")


async def test_a_server_that_does_nothing_ends_and_writes_nothing(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        await end(server, signal.SIGTERM)
    check_log(server)
    assert names(tmp_path) == ["journal.lock", "journal.sqlite3"]


async def test_statistics_that_another_server_saved_meanwhile_stay(tmp_path: Path) -> None:
    async with serving(tmp_path):
        (tmp_path / "metrics").mkdir()
        (tmp_path / "metrics" / "progress_phase_stats.json").write_text("another's")
    assert (tmp_path / "metrics" / "progress_phase_stats.json").read_text() == "another's"


@pytest.mark.parametrize(
    "options", [{}, {"coalesce_ms": 60_000}, {"batch": True}, {"coalesce_ms": 60_000, "batch": True}]
)
async def test_queued_messages_are_sent_before_shutdown(tmp_path: Path, options: dict[str, Any]) -> None:
    async with trio.open_nursery() as nursery:
        received: list[dict[str, Any]] = []
        listens = trio.Event()

        async def listen(url: str) -> None:
            async with listening(url) as listener:
                await listener.send("subscribe", channels=["jobs"], **options)
                frame = await listener.frame()
                assert "subscription_confirmed" in str(frame)
                listens.set()
                while not received or received[-1]["type"] != "job_failed":
                    frame = await listener.frame()
                    received.extend(frame if isinstance(frame, list) else [frame])
                assert (await listener.wait_closed())[0] == 1001

        async with studio(tmp_path, silence) as (client, _):
            nursery.start_soon(listen, str(client.base_url))
            await listens.wait()
            await ask(client, "/dalle/simple/0x1?generate=1")
            tracker = helpers._running[-1][1]
            await tracker.report(JobStarted(job_id="a"))
            await tracker.report(JobProgress(job_id="a", phase="importing"))
            await tracker.report(JobCompleted(job_id="a"))
    kinds = [(message["type"], message["job_id"]) for message in received]
    assert ("job_started", "a") in kinds
    assert ("job_completed", "a") in kinds
    assert received[-1]["state"] == "cancelled"


async def test_a_run_that_was_cancelled_by_the_end_is_made_by_the_next_server(tmp_path: Path) -> None:
    async with studio(tmp_path, silence) as (client, _):
        await ask(client, "/dalle/simple/0x1?generate=1")
    async with studio(tmp_path, GOOD) as (client, _):
        assert (await ask(client, "/dalle/simple/0x1"))["error"].startswith("canceled: the server stopped")
        assert (await ask(client, "/dalle/simple/0x1?generate=1"))["done"] is False
