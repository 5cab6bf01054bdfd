"""The friendly form of a worker's reporter, against a real server: from threads, asyncio and Trio programs."""

import os
import threading
from collections.abc import AsyncIterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import trio

from phaseline.model.events import ErrorOccurred, JobCompleted, JobProgress, JobStarted, PhaseCompleted, PhotoInfo
from phaseline.reporting import JobReporter, Reporter
from tests.support.reporting import Message, Subscriber, job_status, run_program, subscriber, ws_url
from tests.support.servers import ServerProcess, server_process


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    async with server_process(tmp_path) as running:
        yield running


@pytest.fixture
async def watching(server: ServerProcess) -> AsyncIterator[Subscriber]:
    async with subscriber(server.url, "jobs", "photos") as found:
        yield found


@pytest.fixture
async def reporter(server: ServerProcess) -> AsyncIterator[Reporter]:
    async with Reporter(ws_url(server.url), flush_timeout=60, host="box") as made:
        yield made


def kinds(messages: list[Message]) -> list[str]:
    """Return the types of messages, each stretch of progress once."""
    return [kind for kind, _ in groupby(message["type"] for message in messages)]


async def test_a_job_runs_from_its_start_to_its_end(reporter: Reporter, watching: Subscriber) -> None:
    with reporter.job("render shot 12", phases=["load", "render", "save"], info={"shot": 12}) as job:
        with job.phase("load", "reading the scene"):
            job.progress(50, "half of it")
        job.info(frames=10)
        for _ in job.track(range(10), phase="render"):
            pass
        job.skip("save")
        job.result(frames=10)
    await watching.until_type("job_completed")
    messages = watching.messages
    assert kinds(messages) == [
        "job_started",
        "job_progress",
        "stage_completed",
        "photo_info",
        "job_progress",
        "stage_completed",
        "job_completed",
    ]
    started, *_, done = messages
    assert job.job_id.startswith("render shot 12-")
    assert (started["name"], started["photo_info"]) == ("render shot 12", {"shot": 12})
    assert (started["host"], started["stages"]) == ("box", ["load", "render", "save"])
    assert [m["skipped"] for m in messages if m["type"] == "stage_completed"] == [False, False, True]
    assert [(m["message"], m["progress"]) for m in messages if m["type"] == "job_progress"][-1] == ("10 of 10", 100)
    assert (done["state"], done["result"], [each["stage"] for each in done["stages_completed"]]) == (
        "completed",
        {"frames": 10},
        ["load", "render"],
    )


async def test_an_exception_is_an_error_and_fails_the_job(
    reporter: Reporter, server: ServerProcess, watching: Subscriber
) -> None:
    def work(job: JobReporter) -> None:
        with job, job.phase("a"):
            job.result(kept=True)
            1 / 0  # noqa: B018

    job = reporter.job("fails", phases=["a", "b"])
    with pytest.raises(ZeroDivisionError):
        work(job)
    await watching.until_type("job_failed")
    assert kinds(watching.messages) == ["job_started", "job_progress", "error_occurred", "job_failed"]
    error, failed = watching.messages[-2:]
    assert (error["error_type"], error["error_message"], error["stage"]) == (
        "ZeroDivisionError",
        "division by zero",
        "a",
    )
    assert failed["result"] == {"kept": True, "error": "division by zero", "error_type": "ZeroDivisionError"}
    status = await job_status(server.url, job.job_id)
    assert [stage["state"] for stage in status["stages"]] == ["failed", "pending"]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, GeneratorExit])
async def test_the_end_of_the_program_cancels_the_job(
    reporter: Reporter, watching: Subscriber, kind: type[BaseException]
) -> None:
    with pytest.raises(kind), reporter.job("interrupted", phases=["a"]):
        raise kind
    await watching.until_type("job_failed")
    assert watching.messages[-1]["state"] == "cancelled"
    assert watching.messages[-1]["result"] == {"error": kind.__name__}


async def test_a_loop_that_ends_early_reports_its_progress(reporter: Reporter, watching: Subscriber) -> None:
    with reporter.job("early", phases=["loop", "rest"]) as job:
        for n in job.track(range(10), phase="loop"):
            if n == 4:
                break
    await watching.until_type("job_completed")
    assert "stage_completed" not in kinds(watching.messages)
    assert [m["message"] for m in watching.messages if m["type"] == "job_progress"][-1] == "4 of 10"


async def test_loops_of_unknown_length_and_nested_loops_are_reported(reporter: Reporter, watching: Subscriber) -> None:
    with reporter.job("nested", phases=["outer", "inner"]) as job:
        seen = [(n, m) for n in job.track(iter("ab"), phase="outer") for m in job.track(range(2), phase="inner")]
    assert seen == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    await watching.until_type("job_completed")
    completed = [m for m in watching.messages if m["type"] == "stage_completed"]
    assert [(m["stage"], m["result"]["count"]) for m in completed] == [("inner", 2), ("inner", 2), ("outer", 2)]


async def test_a_silent_loop_is_sampled(reporter: Reporter, watching: Subscriber) -> None:
    with reporter.job("slow", phases=["loop"]) as job:
        for n in job.track(range(3), phase="loop"):
            # Each item waits until subscribers have received the previous one.
            await watching.until(lambda messages: [m for m in messages if m.get("message") == f"{n} of 3"])  # noqa: B023


async def test_an_unchanged_report_is_not_sent_again(
    reporter: Reporter, watching: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phaseline.reporting.job.SIGN_OF_LIFE_S", 3600.0)
    with reporter.job("still", phases=["a"]) as job:
        for _ in range(100):
            job.progress(25.0, "still", phase="a")
            job.progress(25.001, "still")
            job.info(n=1)  # so that nothing is merged
    await watching.until_type("job_completed")
    assert len([m for m in watching.messages if m["type"] == "job_progress"]) == 1


def events(job_id: str) -> list[Any]:
    """Return 1,000 reports of a job, no two of which may be merged."""
    made: list[Any] = [JobStarted(job_id=job_id, workflow="w", phases=("one", "two"))]
    for n in range(249):
        made += [
            JobProgress(job_id=job_id, phase=("one", "two")[n % 2], text=str(n)),
            PhotoInfo(job_id=job_id, data={"n": n}),
            ErrorOccurred(job_id=job_id, error_type="odd", text=str(n)),
            PhaseCompleted(job_id=job_id, phase=("one", "two")[n % 2]),
        ]
    return [*made, PhotoInfo(job_id=job_id, data={}), PhotoInfo(job_id=job_id, data={}), JobCompleted(job_id=job_id)]


@pytest.mark.slow
async def test_eight_threads_lose_nothing_and_keep_each_jobs_order(
    server: ServerProcess, reporter: Reporter, watching: Subscriber
) -> None:
    together = threading.Barrier(8)
    reports = {f"job {n}": events(f"job {n}") for n in range(8)}
    assert {len(made) for made in reports.values()} == {1000}

    def report(job_id: str) -> None:
        together.wait()
        for event in reports[job_id]:
            reporter.report(event)

    async with trio.open_nursery() as nursery:
        for job_id in reports:
            nursery.start_soon(trio.to_thread.run_sync, report, job_id)
    assert await reporter.aflush()
    await watching.until_type("job_completed", 8)
    assert len(watching.messages) == 8 * 1000
    for job_id, made in reports.items():
        got = watching.of(job_id)
        assert [message["type"] for message in got] == [event.type for event in made]
        assert [m["message"] for m in got if m["type"] == "job_progress"] == [str(n) for n in range(249)]
        assert [m["photo_data"]["n"] for m in got if m["type"] == "photo_info" and m["photo_data"]] == list(range(249))


IN_ASYNCIO = """
import asyncio
from phaseline.reporting import JobReporter, Reporter

async def work(reporter, name):
    with reporter.job(name, phases=["a", "b"], job_id=name) as job:
        for _ in job.track(range(20), phase="a"):
            await asyncio.sleep(0.001)
        with job.phase("b"):
            if name == "cancelled":
                in_the_midst.set()
                await asyncio.sleep(3600)

in_the_midst = asyncio.Event()

async def main():
    async with Reporter() as reporter, asyncio.TaskGroup() as tasks:
        for name in ("x", "y"):
            tasks.create_task(work(reporter, name))
        doomed = tasks.create_task(work(reporter, "cancelled"))
        await in_the_midst.wait()
        doomed.cancel()
    print("delivered", await reporter.aflush())

asyncio.run(main())
"""
IN_TRIO = """
import trio
from phaseline.reporting import JobReporter, Reporter

async def work(reporter, name):
    with reporter.job(name, phases=["a", "b"], job_id=name) as job:
        for _ in job.track(range(20), phase="a"):
            await trio.sleep(0.001)
        with job.phase("b"):
            if name == "cancelled":
                doomed.cancel()
                await trio.sleep_forever()

doomed = trio.CancelScope()

async def main():
    async with Reporter() as reporter, trio.open_nursery() as nursery:
        for name in ("x", "y"):
            nursery.start_soon(work, reporter, name)
        with doomed:
            await work(reporter, "cancelled")
    print("delivered", await reporter.aflush())

trio.run(main)
"""
WITH_THREADS = """
from concurrent.futures import ThreadPoolExecutor
from phaseline.reporting import JobReporter, Reporter

def work(name):
    with reporter.job(name, phases=["a", "b"], job_id=name) as job:
        for _ in job.track(range(20), phase="a"):
            pass
        with job.phase("b"):
            if name == "cancelled":
                raise KeyboardInterrupt

reporter = Reporter()
with ThreadPoolExecutor(3) as threads:
    list(threads.map(work, ("x", "y")))
    threads.submit(work, "cancelled").exception()
print("delivered", reporter.flush(60))
"""


@pytest.mark.slow
@pytest.mark.parametrize("program", [IN_ASYNCIO, IN_TRIO, WITH_THREADS], ids=["asyncio", "trio", "threads"])
async def test_a_reporter_works_in_every_kind_of_program(server: ServerProcess, program: str) -> None:
    done = await run_program(program, env={"PROGRESS_URL": ws_url(server.url)})
    assert (done.stdout, done.stderr) == (b"delivered True\n", b"")
    for name, state in {"x": "completed", "y": "completed", "cancelled": "cancelled"}.items():
        status = await job_status(server.url, name)
        assert (status["state"], status["stages"][0]["state"]) == (state, "done")


@pytest.mark.slow
async def test_a_job_has_the_facts_about_its_process(server: ServerProcess) -> None:
    program = """
import os
from phaseline.reporting import Reporter
with Reporter(flush_timeout=60) as reporter, reporter.job("a", job_id="whole"):
    pass
with Reporter(flush_timeout=60, worker_facts={"pid"}, host="box") as reporter, reporter.job("b", job_id="pid"):
    pass
os.environ["PROGRESS_FACTS"] = "none"
with Reporter(flush_timeout=60) as reporter, reporter.job("c", job_id="none"):
    pass
with Reporter(flush_timeout=60) as reporter, reporter.job("d", job_id="other", worker={"pid": 3}):
    print(os.getpid())
"""
    done = await run_program(program, "--token", "s3cr3t", env={"PROGRESS_URL": ws_url(server.url)})
    pid = int(done.stdout)
    whole = await job_status(server.url, "whole")
    assert whole["worker"].keys() == {"command", "user", "pid", "folder", "python"}
    assert whole["worker"]["command"].endswith(" --token ***")
    assert whole["host"] == os.uname().nodename
    assert (await job_status(server.url, "pid"))["worker"] == {"pid": pid}
    assert (await job_status(server.url, "pid"))["host"] == "box", "the program chose this name"
    none = await job_status(server.url, "none")
    assert (none["worker"], none["host"]) == ({}, "")
    assert (await job_status(server.url, "other"))["worker"] == {"pid": 3}
