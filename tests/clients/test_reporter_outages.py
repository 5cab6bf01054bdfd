"""Servers that are down, die and restart, and networks that lose answers: each report arrives once, in order."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import trio

from phaseline.model.events import ErrorOccurred, JobCompleted, JobProgress, JobStarted, PhaseCompleted, PhotoInfo
from phaseline.reporting import Reporter
from phaseline.reporting.record import Record, encoded
from tests.support.ports import free_port
from tests.support.reporting import Message, job_status, network, subscriber
from tests.support.servers import server_process

pytestmark = pytest.mark.filterwarnings("error")


def reported(messages: Iterable[Message]) -> list[tuple[str, Any]]:
    """Return the fields that distinguish messages: the type and the subject."""
    keys = ("stage", "photo_data", "error_message", "result")
    return [(m["type"], next((m[key] for key in keys if key in m), None)) for m in messages]


def info(job_id: str, n: int) -> PhotoInfo:
    return PhotoInfo(job_id=job_id, data={"n": n})


async def test_reports_before_the_start_of_the_server_are_delivered_in_order(tmp_path: Path) -> None:
    port = free_port()
    with Reporter(f"ws://127.0.0.1:{port}/ws", flush_timeout=60) as reporter:
        reporter.report(JobStarted(job_id="a", phases=("one", "two")))
        for n in range(50):
            reporter.report(info("a", n))
        reporter.report(PhaseCompleted(job_id="a", phase="one"))
        reporter.report(ErrorOccurred(job_id="a", error_type="odd", text="so it was"))
        reporter.report(JobCompleted(job_id="a", result={"n": 50}))
        assert not await reporter.aflush(0.5)
        async with server_process(tmp_path, "--bind", f"127.0.0.1:{port}") as server:
            assert await reporter.aflush()
            status = await job_status(server.url, "a")
            assert (status["state"], status["result"], status["seq"]) == ("completed", {"n": 50}, 54)
            assert status["photo_info"] == {"n": 49}
            await reporter.aclose()


async def test_while_the_server_is_down_the_first_and_the_latest_progress_of_a_phase_are_kept(tmp_path: Path) -> None:
    port = free_port()
    with Reporter(f"ws://127.0.0.1:{port}/ws", flush_timeout=60) as reporter:
        for job in "ab":
            reporter.report(JobStarted(job_id=job, phases=("one", "two")))
            for percent in range(101):
                reporter.report(JobProgress(job_id=job, phase="one", progress=percent))
            for percent in range(43):
                reporter.report(JobProgress(job_id=job, phase="two", progress=percent))
        async with server_process(tmp_path, "--bind", f"127.0.0.1:{port}") as server:
            assert await reporter.aflush()
            statuses = [await job_status(server.url, job) for job in "ab"]
            for status in statuses:
                assert (status["current_stage"], status["progress"]) == ("two", 42)
                assert [stage["state"] for stage in status["stages"]] == ["done", "current"]
            # For each job, its start, and the first and the latest progress of each phase.
            assert max(status["seq"] for status in statuses) == 10
            await reporter.aclose()


@pytest.mark.slow
async def test_a_full_spool_never_drops_a_start_or_an_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    jobs = [f"job {n}" for n in range(200)]
    with Reporter(f"ws://127.0.0.1:{port}/ws", spool=100, flush_timeout=60) as reporter:
        for job in jobs:
            reporter.report(JobStarted(job_id=job, phases=("one",)))
            for n in range(5):
                reporter.report(info(job, n))
            reporter.report(JobCompleted(job_id=job))
        async with server_process(tmp_path, "--bind", f"127.0.0.1:{port}") as server:
            assert await reporter.aflush()
            for job in jobs[::20]:
                assert (await job_status(server.url, job))["state"] == "completed"
            assert (await job_status(server.url, jobs[-1]))["seq"] < 7 * len(jobs)
            await reporter.aclose()
    [dropped] = [record.message for record in caplog.records if "dropped" in record.message]
    assert "at most 100 are kept" in dropped


async def test_a_killed_server_without_its_data_gets_every_job_again(
    tmp_path: Path,
) -> None:
    port = free_port()
    (tmp_path / "other").mkdir()
    flags = ("--bind", f"127.0.0.1:{port}")
    with Reporter(f"ws://127.0.0.1:{port}/ws", flush_timeout=60, host="box") as reporter:
        async with server_process(tmp_path, *flags) as server:
            reporter.report(
                JobStarted(job_id="a", photo_id=7, photo_info={"file": "x"}, phases=("one", "two", "three"))
            )
            reporter.report(JobProgress(job_id="a", phase="one", progress=50))
            reporter.report(PhaseCompleted(job_id="a", phase="one"))
            reporter.report(JobProgress(job_id="a", phase="two", progress=10, text="before"))
            reporter.report(info("a", 1))
            reporter.report(ErrorOccurred(job_id="a", error_type="odd", text="so it was"))
            reporter.report(JobStarted(job_id="over", phases=("one",)))
            reporter.report(JobCompleted(job_id="over"))
            assert await reporter.aflush()
            assert (await job_status(server.url, "over"))["state"] == "completed"
            server.process.kill()
            await server.process.wait()
        reporter.report(JobProgress(job_id="a", phase="two", progress=60, text="during"))
        reporter.report(info("a", 2))
        async with server_process(tmp_path / "other", *flags) as server:
            assert await reporter.aflush()
            status = await job_status(server.url, "a")
            assert (status["state"], status["current_stage"], status["progress"]) == ("active", "two", 60)
            assert (status["message"], status["photo_id"], status["photo_info"]) == ("during", 7, {"file": "x", "n": 2})
            assert [stage["state"] for stage in status["stages"]] == ["done", "current", "pending"]
            assert [error["error_message"] for error in status["errors"]] == ["so it was"]
            async with subscriber(server.url) as watching:
                reporter.report(PhaseCompleted(job_id="a", phase="two"))
                reporter.report(JobProgress(job_id="a", phase="three", progress=1))
                reporter.report(JobCompleted(job_id="a", result={"well": True}))
                await watching.until_type("job_completed")
                assert reported(watching.messages) == [
                    ("stage_completed", "two"),
                    ("job_progress", "three"),
                    ("job_completed", {"well": True}),
                ]
                assert [each["stage"] for each in watching.messages[-1]["stages_completed"]] == ["one", "two", "three"]
            await reporter.aclose()


async def test_a_server_without_memory_learns_how_long_the_phases_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ago = 0.0

    def past(output: Any) -> Record:
        record = encoded(output)
        record.at -= ago
        return record

    monkeypatch.setattr("phaseline.reporting.reporter.encoded", past)
    port = free_port()
    (tmp_path / "other").mkdir()
    with Reporter(f"ws://127.0.0.1:{port}/ws", flush_timeout=60) as reporter:
        async with server_process(tmp_path, "--bind", f"127.0.0.1:{port}") as server:
            ago = 9000.0
            reporter.report(JobStarted(job_id="a", workflow="w", phases=("one", "two", "three", "four")))
            for phase, ago in (("one", 9000.0), ("two", 7000.0), ("one", 6000.0)):  # noqa: B007 - `past` reads it
                for percent in range(3):
                    reporter.report(JobProgress(job_id="a", phase=phase, progress=percent))
            ago = 2000.0
            reporter.report(PhaseCompleted(job_id="a", phase="one"))
            reporter.report(PhaseCompleted(job_id="a", phase="three", skipped=True))
            reporter.report(JobProgress(job_id="a", phase="four", progress=1))
            assert await reporter.aflush()
            before = await job_status(server.url, "a")
        async with server_process(tmp_path / "other", "--bind", f"127.0.0.1:{port}") as server:
            reporter.report(JobProgress(job_id="a", phase="four", progress=2))
            assert await reporter.aflush()
            after = await job_status(server.url, "a")
            assert [stage["state"] for stage in after["stages"]] == [stage["state"] for stage in before["stages"]]
            assert [stage["state"] for stage in after["stages"]] == ["done", "done", "skipped", "current"]
            # By the worker's clock, not by the times of delivery, which are nearly the same for all.
            took = [stage["elapsed_seconds"] for stage in after["stages"][:3]]
            assert took == [pytest.approx(2000 + 4000, abs=60), pytest.approx(1000, abs=60), 0]
            await reporter.aclose()


async def test_the_reporter_does_not_wait_for_a_server_that_disconnects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phaseline.reporting.delivery.delivery._HANDSHAKE_S", 3600.0)
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    async with listener, Reporter(f"ws://127.0.0.1:{port}/ws", flush_timeout=0) as reporter:
        reporter.report(JobStarted(job_id="a", phases=("one",)))
        with trio.fail_after(60):
            for _ in range(3):
                await (await listener.accept()).aclose()


@pytest.mark.slow
@pytest.mark.parametrize(("lost", "count"), [(600, 150), (5000, 400)])
async def test_lost_answers_neither_lose_nor_repeat_a_report(tmp_path: Path, lost: int, count: int) -> None:
    """A server that keeps its memory, behind a network that cuts each connection after a number of bytes of answers."""
    async with server_process(tmp_path) as server, network(server.url) as way, subscriber(server.url) as watching:
        way.deaf_after = lost
        async with Reporter(way.url, flush_timeout=60) as reporter:
            reporter.report(JobStarted(job_id="a", phases=("one",)))
            for n in range(count):
                reporter.report(info("a", n))
            reporter.report(JobCompleted(job_id="a"))
            assert await reporter.aflush(100)
            await watching.until_type("job_completed")
            sent = [message["photo_data"]["n"] for message in watching.messages if message["type"] == "photo_info"]
            assert sent == list(range(count))
            assert way.connections > 3


@pytest.mark.slow
async def test_repeated_disconnects_under_load_lose_nothing(tmp_path: Path) -> None:
    count = 1500
    async with server_process(tmp_path) as server, network(server.url) as way, subscriber(server.url) as watching:
        way.mute_after = 40_000
        async with Reporter(way.url, flush_timeout=60) as reporter:
            reporter.report(JobStarted(job_id="a", phases=("one",)))
            for n in range(count):
                reporter.report(info("a", n))
                if n % 50 == 0:
                    await trio.lowlevel.checkpoint()
            reporter.report(JobCompleted(job_id="a"))
            await watching.until_type("job_completed")
        sent = Counter(m["photo_data"]["n"] for m in watching.messages if m["type"] == "photo_info")
        assert sent == Counter(range(count))
        assert way.connections > 3
