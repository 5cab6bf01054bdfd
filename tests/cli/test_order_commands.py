"""The commands that give orders: `cancel`, `pause` and `resume`; and jobs that wait in a queue."""

import os
import signal
from pathlib import Path

import httpx
import pytest
import trio

from tests.support.commands import job_status, phaseline
from tests.support.reporting import ws_url
from tests.support.servers import server_process
from tests.support.workers import line, program

Env = dict[str, str]

STOPPABLE = """
import threading
stop = threading.Event()
reporter = Reporter(sys.argv[1])
with reporter.job("a", job_id="a", on_cancel=lambda reason: stop.set()) as job:
    reporter.flush(60)
    print("ready", flush=True)
    stop.wait(60)
    print("stopped" if job.cancelled else "left", flush=True)
reporter.close()
"""
REFUSING = """
def refuse(reason):
    raise RuntimeError("the last tile is being written")
reporter = Reporter(sys.argv[1])
with reporter.job("a", job_id="a", on_cancel=refuse, on_pause=print, on_resume=print) as job:
    reporter.flush(60)
    print("ready", flush=True)
    time.sleep(60)
"""
DEAF = """
with Reporter(sys.argv[1]) as reporter, reporter.job("a", job_id="a") as job:
    reporter.flush(60)
    print("ready", flush=True)
    time.sleep(60)
"""


async def kinds(url: str) -> list[str]:
    async with httpx.AsyncClient(verify=False) as client:
        messages = (await client.get(f"{url}/progress/events")).json()["messages"]
    return [message["type"] for message in messages]


@pytest.mark.slow
async def test_a_reporter_with_on_cancel_stops_and_its_job_is_cancelled(env: Env, tmp_path: Path) -> None:
    async with server_process(tmp_path, bind=env["PROGRESS_URL"].removeprefix("http://")) as server:
        async with program(STOPPABLE, ws_url(server.url)) as worker:
            assert await line(worker) == "ready"
            assert (await phaseline(env, "cancel", "a", "-m", "wrong scene")).code == 0
            assert await line(worker) == "stopped"
            assert await worker.wait() == 0
        status = await job_status(server.url, "a")
        assert (status["state"], status["result"]) == ("cancelled", {"error": "wrong scene"})
        assert await kinds(server.url) == ["job_started", "order_given", "order_taken", "job_failed"]


@pytest.mark.slow
async def test_a_worker_rejects_an_order_with_a_reason(env: Env, tmp_path: Path) -> None:
    bind = env["PROGRESS_URL"].removeprefix("http://")
    async with (
        server_process(tmp_path, bind=bind) as server,
        program(REFUSING, ws_url(server.url)) as worker,
        httpx.AsyncClient(verify=False) as client,
    ):
        assert await line(worker) == "ready"
        assert (await phaseline(env, "cancel", "a")).code == 0
        url = f"{server.url}/progress/events?wait=30&limit=3"
        messages: list[dict[str, str]] = []
        while len(messages) < 3:
            messages = (await client.get(url)).json()["messages"]
        assert (messages[2]["type"], messages[2]["reason"]) == ("order_refused", "the last tile is being written")
        assert (await job_status(server.url, "a"))["state"] == "active"
        resumed = await phaseline(env, "resume", "a")
        assert (resumed.code, "it is not paused" in resumed.err) == (1, True)
        assert (await phaseline(env, "pause", "a", "-m", "lunch")).code == 0
        assert await line(worker) == "lunch"


@pytest.mark.slow
async def test_a_program_that_accepts_no_orders_is_not_recorded_as_cancelled(env: Env, tmp_path: Path) -> None:
    bind = env["PROGRESS_URL"].removeprefix("http://")
    async with server_process(tmp_path, bind=bind) as server, program(DEAF, ws_url(server.url)) as worker:
        assert await line(worker) == "ready"
        refused = await phaseline(env, "cancel", "a")
        assert refused.code == 1
        assert "its worker takes no orders" in refused.err
        assert f"end its process {worker.pid}" in refused.err
        assert (await job_status(server.url, "a"))["state"] == "active"
        assert (await phaseline(env, "cancel", "a", "--record", "-m", "wrong file")).code == 0
        assert (await job_status(server.url, "a"))["state"] == "cancelled"
        assert "  reason    wrong file\n" in (await phaseline(env, "show", "a")).out


async def test_an_order_needs_the_server_and_a_scripts_own_report_does_not(env: Env) -> None:
    refused = await phaseline(env, "cancel", "elsewhere")
    assert (refused.code, "orders are not stored for later" in refused.err) == (7, True)
    assert (await phaseline(env, "pause", "elsewhere")).code == 7
    assert (await phaseline(env, "start", "mine", "--id", "mine", "-q")).code == 0
    assert (await phaseline(env, "cancel", "mine", "-q")).code == 0
    assert (await phaseline(env | {"PROGRESS_JOB": "other"}, "cancel", "-q")).code == 0


@pytest.mark.slow
async def test_a_script_queues_a_job_and_starts_it_later(env: Env, tmp_path: Path) -> None:
    async with server_process(tmp_path, bind=env["PROGRESS_URL"].removeprefix("http://")) as server:
        flags = ("--queued", "--queue", "gpu", "--position", "2", "--workflow", "w")
        queued = await phaseline(env, "start", "shot 13", *flags)
        job = queued.out.strip()
        status = await job_status(server.url, job)
        assert (status["state"], status["queue"], status["position"], status["name"]) == ("queued", "gpu", 2, "shot 13")
        shown = await phaseline(env, "list")
        assert "queued" in shown.out
        assert "waits in gpu, place 2" in (await phaseline(env, "show", job)).out
        await phaseline(env, "start", "shot 13", "--id", job)
        status = await job_status(server.url, job)
        assert (status["state"], status["queue"], status["workflow"]) == ("active", "gpu", "w")
        misused = await phaseline(env, "start", "shot 13", "--position", "2")
        assert (misused.code, "--position is for --queued" in misused.err) == (2, True)


@pytest.mark.slow
async def test_a_worker_that_died_is_recorded_as_cancelled(env: Env, tmp_path: Path) -> None:
    flags = ("--gone-after", "1")
    async with server_process(tmp_path, *flags, bind=env["PROGRESS_URL"].removeprefix("http://")) as server:
        async with program(STOPPABLE, ws_url(server.url)) as worker:
            assert await line(worker) == "ready"
            os.kill(worker.pid, signal.SIGKILL)
            await worker.wait()
        with trio.fail_after(30):
            while (await job_status(server.url, "a"))["state"] == "active":  # noqa: ASYNC110 - of another process
                await trio.sleep(0.05)
        assert (await phaseline(env, "cancel", "a")).code == 0
        assert (await job_status(server.url, "a"))["state"] == "cancelled"
