"""A job without reports is stalled after the usual silence of its phase, and lost after the lease."""

from pathlib import Path

import msgspec
import pytest

from phaseline.model.events import Event, JobCancelled, JobCompleted, JobFailed, JobProgress, JobStarted
from phaseline.model.states import State
from phaseline.wire import job_status
from tests.support.tracking import HandClock, messages_of, run_job
from tests.support.watched import LEASE_S, looked_after


async def test_a_job_stalls_when_it_is_silent_for_longer_than_its_phase_is_used_to(tmp_path: Path) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        await box.report_every(100, 20)
        assert box.found() == []
        assert await box.silence() == 101
        assert box.state() is State.STALLED
        assert box.found() == ["job_stalled"]


async def test_half_a_minute_is_the_least_patience(tmp_path: Path) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        await box.report_every(1, 20)
        assert await box.silence() == 31
        # What one job taught holds for the next.
        await box.start("b")
        await box.progress("b")
        assert await box.silence("b") == 31


async def test_the_least_patience_can_be_set(tmp_path: Path) -> None:
    async with looked_after(tmp_path, HandClock(), stall_after_s=5) as box:
        await box.report_every(1, 20)
        assert await box.silence() == 6


async def test_a_phase_that_nobody_knows_is_given_more_time(tmp_path: Path) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        await box.start()
        await box.progress()
        assert await box.silence() == 301
        assert box.found() == ["job_stalled"]


async def test_a_silence_that_was_taken_for_a_stall_becomes_a_habit_at_its_whole_length(tmp_path: Path) -> None:
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
async def test_the_next_report_undoes_it(tmp_path: Path, state: State) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        await box.report_every(1, 5)
        while box.state() is not state:
            await box.wait(1)
        await box.progress(phase="exporting")
        assert box.state() is State.ACTIVE
        assert [message["state"] for message in messages_of(box.tracker)[-2:]] == [state, "active"]
        await box.tracker.report(JobCompleted(job_id="a"))
        assert box.state() is State.COMPLETED


async def test_nothing_stalls_because_the_server_was_away(tmp_path: Path) -> None:
    clock = HandClock()
    async with looked_after(tmp_path, clock) as box:
        await box.start()
        await box.progress()
    clock.advance(10 * LEASE_S)
    async with looked_after(tmp_path, clock) as box:
        # From its start on, it waits as long as it would have.
        assert await box.silence() == 301
        assert box.state() is State.STALLED


async def test_the_gap_while_the_server_was_away_is_no_habit(tmp_path: Path) -> None:
    clock = HandClock()
    async with looked_after(tmp_path, clock) as box:
        await box.start()
        await box.progress()
    clock.advance(1000)
    async with looked_after(tmp_path, clock) as box:
        await box.progress()
        await box.report_every(1, 5, job_id="b")
        assert await box.silence("b") == 31


async def test_what_stalled_is_stalled_after_a_restart_and_lost_by_the_lease(tmp_path: Path) -> None:
    clock = HandClock()
    async with looked_after(tmp_path, clock) as box:
        await box.report_every(1, 5)
        await box.silence()
    async with looked_after(tmp_path, clock) as box:
        assert box.state() is State.STALLED
        assert await box.silence() == LEASE_S + 1
        assert box.state() is State.LOST


async def test_what_is_lost_makes_room_when_there_is_none(tmp_path: Path) -> None:
    async with looked_after(tmp_path, HandClock(), max_jobs=2) as box:
        await box.start()
        while box.state() is not State.LOST:
            await box.wait(1)
        for job_id in ("b", "c"):
            await box.start(job_id)
        assert [job.job_id for job in box.tracker.jobs()] == ["b", "c"]


async def test_a_backlog_neither_stalls_nor_is_measured_wrong_where_it_pauses(tmp_path: Path) -> None:
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
async def test_a_bad_end_keeps_the_progress_that_was_reached(tmp_path: Path, end: Event) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        await run_job(box.tracker, "earlier", phases=("importing",), workflow="w")
        await box.tracker.report(JobStarted(job_id="a", phases=("importing",), workflow="w"))
        await box.tracker.report(JobProgress(job_id="a", phase="importing", progress=10))
        await box.tracker.report(JobProgress(job_id="a", phase="importing", progress=54))
        await box.tracker.report(end)
        status = job_status(box.tracker.snapshot("a"))
        assert (status.progress, status.stages[0].progress) == (54, 54)
        assert status.percent == messages_of(box.tracker)[-1]["percent"] < 100
