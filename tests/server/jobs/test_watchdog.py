"""A job without reports is stalled after the usual silence of its phase, and lost after the lease."""

from pathlib import Path

import msgspec
import pytest

from phaseline.model.events import Event, JobCancelled, JobCompleted, JobFailed, JobProgress, JobStarted
from phaseline.model.states import State
from phaseline.wire import job_status
from tests.support.tracking import HandClock, messages_of, run_job
from tests.support.watched import LEASE_S, looked_after


async def test_a_job_stalls_after_a_longer_silence_than_usual_in_its_phase(tmp_path: Path) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        await box.report_every(100, 20)
        assert box.found() == []
        assert await box.silence() == 101
        assert box.state() is State.STALLED
        assert box.found() == ["job_stalled"]


async def test_a_job_may_always_be_silent_for_30_s(tmp_path: Path) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        await box.report_every(1, 20)
        assert await box.silence() == 31
        # The silence learned from one job applies to the next.
        await box.start("b")
        await box.progress("b")
        assert await box.silence("b") == 31


async def test_the_minimum_silence_can_be_configured(tmp_path: Path) -> None:
    async with looked_after(tmp_path, HandClock(), stall_after_s=5) as box:
        await box.report_every(1, 20)
        assert await box.silence() == 6


async def test_a_phase_without_history_may_be_silent_for_longer(tmp_path: Path) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        await box.start()
        await box.progress()
        assert await box.silence() == 301
        assert box.found() == ["job_stalled"]


async def test_the_full_silence_of_a_stalled_job_is_learned(tmp_path: Path) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        await box.report_every(400, 3)
        assert box.found() == ["job_stalled"]
        assert await box.silence() == 401


async def test_a_job_is_lost_after_the_lease_counted_from_its_last_report(tmp_path: Path) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        await box.report_every(1, 5)
        assert await box.silence() == 31
        assert await box.silence() == LEASE_S + 1 - 31
        assert box.state() is State.LOST
        # Once each, however long it lasts.
        await box.wait(2 * LEASE_S)
        assert box.found() == ["job_stalled", "job_lost"]


@pytest.mark.parametrize("state", [State.STALLED, State.LOST])
async def test_the_next_report_resumes_a_stalled_or_lost_job(tmp_path: Path, state: State) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        await box.report_every(1, 5)
        while box.state() is not state:
            await box.wait(1)
        await box.progress(phase="exporting")
        assert box.state() is State.ACTIVE
        assert [message["state"] for message in messages_of(box.tracker)[-2:]] == [state, "active"]
        await box.tracker.report(JobCompleted(job_id="a"))
        assert box.state() is State.COMPLETED


async def test_server_downtime_does_not_stall_jobs(tmp_path: Path) -> None:
    clock = HandClock()
    async with looked_after(tmp_path, clock) as box:
        await box.start()
        await box.progress()
    clock.advance(10 * LEASE_S)
    async with looked_after(tmp_path, clock) as box:
        # From its start, it waits for the full silence.
        assert await box.silence() == 301
        assert box.state() is State.STALLED


async def test_a_gap_caused_by_server_downtime_is_not_learned(tmp_path: Path) -> None:
    clock = HandClock()
    async with looked_after(tmp_path, clock) as box:
        await box.start()
        await box.progress()
    clock.advance(1000)
    async with looked_after(tmp_path, clock) as box:
        await box.progress()
        await box.report_every(1, 5, job_id="b")
        assert await box.silence("b") == 31


async def test_a_stalled_job_stays_stalled_after_a_restart_and_is_lost_after_the_lease(tmp_path: Path) -> None:
    clock = HandClock()
    async with looked_after(tmp_path, clock) as box:
        await box.report_every(1, 5)
        await box.silence()
    async with looked_after(tmp_path, clock) as box:
        assert box.state() is State.STALLED
        assert await box.silence() == LEASE_S + 1
        assert box.state() is State.LOST


async def test_lost_jobs_are_evicted_when_memory_is_full(tmp_path: Path) -> None:
    async with looked_after(tmp_path, HandClock(), max_jobs=2) as box:
        await box.start()
        while box.state() is not State.LOST:
            await box.wait(1)
        for job_id in ("b", "c"):
            await box.start(job_id)
        assert [job.job_id for job in box.tracker.jobs()] == ["b", "c"]


async def test_a_delayed_backlog_neither_stalls_a_job_nor_distorts_durations(tmp_path: Path) -> None:
    async with looked_after(tmp_path, HandClock()) as box:

        def aged(event: Event, seconds: float) -> Event:
            return msgspec.structs.replace(event, age_seconds=seconds)

        await box.wait(2000)  # the server was there all the time
        await box.tracker.report(aged(JobStarted(job_id="a", phases=("a", "b")), 1700))
        await box.tracker.report(aged(JobProgress(job_id="a", phase="a"), 1700))
        await box.wait(3)
        assert box.found() == []
        await box.wait(1)
        await box.tracker.report(aged(JobProgress(job_id="a", phase="b"), 1604))
        status = messages_of(box.tracker)[-1]
        assert (status["elapsed_seconds"], status["stage_elapsed_seconds"]) == (1704, 1604)
        await box.tracker.report(aged(JobCompleted(job_id="a"), 1554))
        assert [phase.elapsed_ns / 1e9 for phase in box.tracker.snapshot("a").phases] == [100, 50]


@pytest.mark.parametrize("end", [JobFailed(job_id="a"), JobCancelled(job_id="a")])
async def test_a_failed_job_keeps_its_progress(tmp_path: Path, end: Event) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        await run_job(box.tracker, "earlier", phases=("importing",), workflow="w")
        await box.tracker.report(JobStarted(job_id="a", phases=("importing",), workflow="w"))
        await box.tracker.report(JobProgress(job_id="a", phase="importing", progress=10))
        await box.tracker.report(JobProgress(job_id="a", phase="importing", progress=54))
        await box.tracker.report(end)
        status = job_status(box.tracker.snapshot("a"))
        assert (status.progress, status.stages[0].progress) == (54, 54)
        assert status.percent == messages_of(box.tracker)[-1]["percent"] < 100
