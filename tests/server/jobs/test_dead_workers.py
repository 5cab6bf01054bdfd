"""Dead workers on a real server: killed, ended without a close, or temporarily disconnected."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import trio
import trio_websocket

from tests.support.reporting import job_status, network, subscriber, ws_url
from tests.support.servers import server_process
from tests.support.workers import line, program

FLAGS = ("--gone-after", "1", "--lost-after", "3")
WORKER = """
reporter = Reporter(sys.argv[1], flush_timeout=60)
reporter.report(JobStarted(job_id="a", phases=("render", "save")))
reporter.report(JobProgress(job_id="a", phase="render", progress=54))
reporter.flush(60)
print("reported", flush=True)
"""
ENDINGS = {
    "kill -9": (WORKER + "time.sleep(3600)", signal.SIGKILL),
    "SIGTERM": (WORKER + "time.sleep(3600)", signal.SIGTERM),
    "os._exit": (WORKER + "os._exit(0)", None),
    "exit": (WORKER, None),
    "exception": (WORKER + "raise ValueError", None),
}


async def state_of(url: str, state: str) -> dict[str, Any]:
    """Wait until the job is in a state; return it."""
    with trio.fail_after(60):
        while True:
            found = await job_status(url, "a")
            if found["state"] == state:
                return found
            await trio.sleep(0.1)


@pytest.mark.parametrize(
    "ending", [pytest.param(each, marks=pytest.mark.slow if each != "kill -9" else ()) for each in ENDINGS]
)
async def test_a_dead_worker_is_detected_and_its_estimate_freezes(tmp_path: Path, ending: str) -> None:
    code, number = ENDINGS[ending]
    async with server_process(tmp_path, *FLAGS) as server, subscriber(server.url) as watching:
        started = trio.current_time()
        async with program(code, ws_url(server.url)) as worker:
            assert await line(worker) == "reported"
            reported = trio.current_time()
            if number is not None:
                os.kill(worker.pid, number)
            await worker.wait()
        ended = trio.current_time()
        await watching.until_type("job_stalled")
        assert trio.current_time() - reported > 0.5  # it may disconnect long before it has ended
        assert trio.current_time() - ended < 30
        stalled = watching.messages[-1]
        assert (stalled["reason"], stalled["eta_seconds"], stalled["finish_at"]) == ("worker gone", None, None)
        status = await job_status(server.url, "a")
        assert (status["state"], status["reason"], status["progress"]) == ("stalled", "worker gone", 54)
        assert (status["percent"], status["eta_seconds"]) == (stalled["percent"], None)
        await watching.until_type("job_lost")
        lost = await job_status(server.url, "a")
        assert (lost["percent"], lost["state"], lost["reason"]) == (stalled["percent"], "lost", "worker gone")
        assert lost["elapsed_seconds"] <= ended - started


@pytest.mark.slow
async def test_a_worker_continues_after_a_network_failure(tmp_path: Path) -> None:
    async with (
        server_process(tmp_path, *FLAGS) as server,
        network(server.url) as way,
        program(WORKER + "time.sleep(3600)", way.url) as worker,
    ):
        assert await line(worker) == "reported"
        way.close()
        assert (await state_of(server.url, "stalled"))["reason"] == "worker gone"
        way.closed = False
        # It has nothing to report, but it is there.
        assert (await state_of(server.url, "active"))["reason"] is None


async def test_connections_that_close_after_each_report_lose_no_job(tmp_path: Path) -> None:
    async with server_process(tmp_path, *FLAGS) as server:
        for message in ({"type": "job_started"}, {"type": "job_progress", "stage": "importing", "progress": 5}):
            async with trio_websocket.open_websocket_url(ws_url(server.url)) as websocket:
                await websocket.get_message()
                await websocket.send_message(json.dumps({"type": "register", "acks": True}))
                await websocket.send_message(json.dumps({"job_id": "a", **message}))
                while json.loads(await websocket.get_message())["type"] != "ack":
                    pass
        await trio.sleep(3)
        assert (await job_status(server.url, "a"))["state"] == "active"


@pytest.mark.slow
async def test_a_suspended_server_does_not_mark_workers_as_dead(tmp_path: Path) -> None:
    async with (
        server_process(tmp_path, "--stall-after", "1", *FLAGS) as server,
        subscriber(server.url) as watching,
        program(WORKER + "time.sleep(3600)", ws_url(server.url)) as worker,
    ):
        assert await line(worker) == "reported"
        os.kill(server.process.pid, signal.SIGSTOP)
        await trio.sleep(12)  # longer than a phase without history may be silent
        os.kill(server.process.pid, signal.SIGCONT)
        await trio.sleep(3)
        assert [message["type"] for message in watching.messages if message["type"] == "job_stalled"] == []
        assert (await job_status(server.url, "a"))["state"] == "active"
