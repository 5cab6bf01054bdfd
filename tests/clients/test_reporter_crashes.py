"""Reports of workers that were killed."""

import os
import signal
import stat
import sys
from pathlib import Path

import pytest
import trio

from phaseline.model.events import JobStarted
from phaseline.reporting import Reporter
from tests.support.ports import free_port
from tests.support.reporting import job_status, network, spool_files, subscriber, ws_url
from tests.support.servers import server_process
from tests.support.workers import line, program

CRASHES = """
reporter = Reporter(sys.argv[1], spool_dir=sys.argv[2], host="box")
reporter.report(JobStarted(job_id=sys.argv[3], phases=("one", "two")))
reporter.report(JobProgress(job_id=sys.argv[3], phase="one", progress=50))
reporter.report(PhaseCompleted(job_id=sys.argv[3], phase="one"))
for n in range(100):
    reporter.report(PhotoInfo(job_id=sys.argv[3], data={"n": n}))
print("reported", flush=True)
if sys.stdin.readline() == "flush\\n":
    print("delivered" if reporter.flush(60) else "too late", flush=True)
    sys.stdin.readline()
for n in range(100, 200):
    reporter.report(PhotoInfo(job_id=sys.argv[3], data={"n": n}))
reporter.report(JobFailed(job_id=sys.argv[3], result={"error": "the end"}))
print("again", flush=True)
time.sleep(3600)
"""


async def written(directory: Path, text: bytes) -> Path:
    """Wait until a spool's file has `text`; return the file."""
    with trio.fail_after(60):
        while True:
            for file in spool_files(directory):
                if text in file.read_bytes():
                    return file
            await trio.sleep(0.01)


@pytest.mark.slow
async def test_the_next_reporter_delivers_the_reports_of_a_killed_one(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    url = f"ws://127.0.0.1:{free_port()}/ws"
    async with program(CRASHES, url, str(spool), "a") as worker:
        assert worker.stdin is not None
        await worker.stdin.send_all(b"\n")
        file = await written(spool, b"job_failed")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(spool.stat().st_mode) == 0o700
        os.kill(worker.pid, signal.SIGKILL)
    (tmp_path / "data").mkdir()
    async with server_process(tmp_path / "data") as server, subscriber(server.url) as watching:
        async with Reporter(ws_url(server.url), spool_dir=spool, flush_timeout=60) as reporter:
            reporter.report(JobStarted(job_id="b"))
            assert await reporter.aflush()
        messages = await watching.until_type("job_started", 2)
        assert [message["type"] for message in messages] == [
            *("job_started", "job_progress", "stage_completed"),
            *["photo_info"] * 200,
            *("job_failed", "job_started"),
        ]
        assert [m["photo_data"]["n"] for m in messages if m["type"] == "photo_info"] == list(range(200))
        assert not list(spool.iterdir())


async def crash(worker: trio.Process, spool: Path) -> None:
    """Make the worker report the rest, and kill it once that is on the disk."""
    assert worker.stdin is not None
    await worker.stdin.send_all(b"\n")
    await written(spool, b"job_failed")
    os.kill(worker.pid, signal.SIGKILL)


async def adopt(url: str, spool: Path) -> None:
    async with Reporter(url, spool_dir=spool, flush_timeout=60) as reporter:
        reporter.report(JobStarted(job_id="b"))
        assert await reporter.aflush()
    assert not spool_files(spool)


@pytest.mark.slow
@pytest.mark.parametrize("answers", [sys.maxsize, 2000], ids=["acknowledged", "taken in, but the answers got lost"])
async def test_reports_accepted_before_a_crash_are_not_delivered_twice(tmp_path: Path, answers: int) -> None:
    spool = tmp_path / "spool"
    (tmp_path / "data").mkdir()
    async with server_process(tmp_path / "data") as server, subscriber(server.url) as watching:
        async with network(server.url) as way:
            way.deaf_after = answers
            async with program(CRASHES, way.url, str(spool), "a") as worker:
                await watching.until(lambda messages: len(messages) == 103)
                way.close()
                await crash(worker, spool)
        await adopt(ws_url(server.url), spool)
        await watching.until_type("job_failed")
        assert [m["photo_data"]["n"] for m in watching.of("a") if m["type"] == "photo_info"] == list(range(200))
        assert len(watching.of("a")) == 204


@pytest.mark.slow
async def test_a_server_without_its_data_gets_every_job_from_the_spool_of_a_dead_worker(tmp_path: Path) -> None:
    spool, port = tmp_path / "spool", free_port()
    (tmp_path / "data").mkdir()
    flags = ("--bind", f"127.0.0.1:{port}")
    async with program(CRASHES, f"ws://127.0.0.1:{port}/ws", str(spool), "a") as worker:
        async with server_process(tmp_path / "data", *flags):
            # Wait for the flush: subscribers may receive a report before its reporter receives the acknowledgement.
            assert worker.stdin is not None
            await worker.stdin.send_all(b"flush\n")
            while "delivered" not in (output := await line(worker)):
                assert output == "reported"
        await crash(worker, spool)
    (tmp_path / "other").mkdir()
    async with server_process(tmp_path / "other", *flags) as server, subscriber(server.url) as watching:
        await adopt(ws_url(server.url), spool)
        await watching.until_type("job_failed")
        received = [m["photo_data"]["n"] for m in watching.of("a") if m["type"] == "photo_info"]
        assert received == list(range(50, 200))  # the latest 50 of those that the other server knew already
        status = await job_status(server.url, "a")
        assert (status["state"], status["result"]) == ("failed", {"error": "the end"})
        assert [each["stage"] for each in status["stages_completed"]] == ["one"]


@pytest.mark.slow
async def test_the_spool_file_of_a_running_worker_is_not_changed(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    url = f"ws://127.0.0.1:{free_port()}/ws"
    (tmp_path / "data").mkdir()
    async with server_process(tmp_path / "data") as server, program(CRASHES, url, str(spool), "a"):
        file = await written(spool, b'"n":99')
        async with Reporter(ws_url(server.url), spool_dir=spool, flush_timeout=60) as reporter:
            reporter.report(JobStarted(job_id="b"))
            assert await reporter.aflush()
        assert spool_files(spool) == [file]


async def test_an_unwritable_directory_only_causes_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("not a directory")
    (tmp_path / "data").mkdir()
    async with server_process(tmp_path / "data") as server:
        async with Reporter(ws_url(server.url), spool_dir=tmp_path / "file", flush_timeout=60) as reporter:
            reporter.report(JobStarted(job_id="a"))
            assert await reporter.aflush()
        assert (await job_status(server.url, "a"))["state"] == "active"
    [warning] = [record.message for record in caplog.records]
    assert "kept in memory only" in warning
