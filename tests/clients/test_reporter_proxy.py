"""A reporter behind a proxy that passes no WebSockets: its reports go by HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from phaseline.model.events import JobStarted, PhaseCompleted
from phaseline.reporting import Reporter
from tests.support.reporting import job_status
from tests.support.servers import server_process


@asynccontextmanager
async def proxy(http_url: str) -> AsyncIterator[str]:
    """Pass requests on without the headers of an upgrade, one a connection, as nginx does by default."""
    port = int(http_url.rpartition(":")[2])
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def handle(near: trio.SocketStream) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = await near.receive_some()
            if not chunk:
                return
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        lines = [
            line
            for line in head.split(b"\r\n")
            if not line.lower().startswith((b"upgrade:", b"connection:", b"sec-websocket-"))
        ]
        async with await trio.open_tcp_stream("127.0.0.1", port) as far:
            await far.send_all(b"\r\n".join([*lines, b"Connection: close", b"", body]))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_pump, near, far)
                await _pump(far, near)
                nursery.cancel_scope.cancel()
        await near.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, handle, [listener])
        yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def _pump(source: trio.SocketStream, to: trio.SocketStream) -> None:
    try:
        async for chunk in source:
            await to.send_all(chunk)
    except trio.BrokenResourceError:
        return


async def test_reports_go_by_http_through_a_proxy_without_websockets(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        server_process(tmp_path) as server,
        proxy(server.url) as url,
        Reporter(url, flush_timeout=60) as reporter,
    ):
        with reporter.job("a", job_id="a", phases=["load", "render"]) as job:
            for n in job.track(range(300), phase="load"):
                job.info(n=n)
            assert await reporter.aflush()
            reporter.report(PhaseCompleted(job_id="a", phase="nowhere" * 20))
        assert await reporter.aflush()
        status = await job_status(server.url, "a")
    assert (status["state"], status["photo_info"]["n"]) == ("completed", 299)
    assert [each["stage"] for each in status["stages_completed"]] == ["load"]
    assert "doesn't pass WebSockets; reports go by HTTP" in caplog.text
    assert caplog.text.count("doesn't pass") == 1


async def test_each_request_through_the_proxy_may_use_a_new_connection(tmp_path: Path) -> None:
    async with (
        server_process(tmp_path) as server,
        proxy(server.url) as url,
        Reporter(url, flush_timeout=60) as reporter,
    ):
        for n in range(3):
            reporter.report(JobStarted(job_id=str(n)))
            assert await reporter.aflush()
        assert (await job_status(server.url, "2"))["state"] == "active"
