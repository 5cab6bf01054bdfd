"""Configured limits: each has its own error, and is counted."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from tests.support.arrival import wait_read
from tests.support.door_clients import UPGRADE, close_code, frame, read_all, read_until
from tests.support.listening import listening
from tests.support.servers import serving

DEEP: Any = {"a": {"a": {"a": {"a": 1}}}}


async def test_a_too_large_message_closes_with_1009_and_is_counted(tmp_path: Path) -> None:
    async with serving(tmp_path, max_message=2000) as client:
        async with listening(client) as listener:
            await listener.send("register", client_name="x" * 2000)
            assert (await listener.wait_closed())[0] == 1009
        async with listening(client):
            pass
        while 'phaseline_websockets_broken_total{code="1009"} 1.0' not in (await client.get("/metrics")).text:
            await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1024, 431),
        (b"GET / HTTP/1.1\r\nHost:", 408),
    ],
)
async def test_a_too_large_or_too_slow_head_gets_an_error_and_is_counted(
    tmp_path: Path, mock_clock: MockClock, sent: bytes, status: int
) -> None:
    # On a clock that only moves for the slow head: the request for the figures must be in time on a slow machine, too.
    async with serving(tmp_path, max_head=1024, head_timeout=3) as client:
        port = client.base_url.port
        assert port is not None
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(sent)
            if status == 408:
                await wait_read(stream)
                mock_clock.jump(3)
            assert (await read_all(stream)).startswith(b"HTTP/1.1 %d " % status)
        figures = (await client.get("/metrics")).text
        assert f'phaseline_requests_malformed_total{{status="{status}"}} 1.0' in figures


async def test_a_message_in_too_many_fragments_closes_with_1009(tmp_path: Path) -> None:
    async with serving(tmp_path, max_fragments=3) as client:
        port = client.base_url.port
        assert port is not None
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(UPGRADE.replace(b"/echo", b"/ws").replace(b"door", b"localhost") + b"\r\n")
            await read_until(stream, b"connection_established")
            pieces = [frame(b"{", final=False), *[frame(b" ", 0, final=False)] * 2, frame(b"}", 0)]
            await stream.send_all(b"".join(pieces))
            with trio.fail_after(30):
                assert close_code(await read_all(stream)) == 1009


async def report(client: httpx.AsyncClient, kind: str, **body: Any) -> httpx.Response:
    return await client.post(f"/progress/{kind}", json={"job_id": "a", **body})


@pytest.mark.parametrize(
    ("limit", "kind", "body", "status", "code"),
    [
        ({"max_body": 2000}, "photo", {"photo_data": {"x": "y" * 2000}}, 413, "TOO_LARGE"),
        ({"max_depth": 4}, "photo", {"photo_data": DEEP}, 400, "INVALID_JSON"),
        ({"max_job_bytes": 1024}, "photo", {"photo_data": {"x": "y" * 1200}}, 413, "TOO_LARGE"),
        ({"max_phases": 2}, "report", {"stage": "three", "progress": 1}, 422, "INVALID_FIELD"),
        ({"max_jobs": 1}, "start", {"job_id": "b"}, 429, "TOO_MANY"),
    ],
)
async def test_each_limit_has_an_error_and_is_counted(
    tmp_path: Path, limit: dict[str, int], kind: str, body: dict[str, Any], status: int, code: str
) -> None:
    async with serving(tmp_path, **limit) as client:
        assert (await report(client, "start", phases=["one", "two"])).status_code == 200
        answer = await report(client, kind, **body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert ("Retry-After" in answer.headers) == (status == 429)
        assert f'phaseline_refused_total{{code="{code}"}} 1.0' in (await client.get("/metrics")).text
    unlimited = tmp_path / "unlimited"
    unlimited.mkdir()
    async with serving(unlimited) as client:
        await report(client, "start", phases=["one", "two"])
        assert (await report(client, kind, **body)).status_code == 200
