"""The watchdog follows the connections of workers."""

from pathlib import Path

import msgspec
import pytest

from phaseline.model.events import Event, JobCompleted, JobProgress, JobStarted
from phaseline.model.states import State
from tests.support.tracking import HandClock
from tests.support.watched import LEASE_S, looked_after

START: Event = JobStarted(job_id="a", phases=("render", "save"))
HALF: Event = JobProgress(job_id="a", phase="render", progress=54)


async def test_a_job_whose_worker_lost_its_connection_stalls_after_15_s_and_is_lost_after_10_minutes(
    tmp_path: Path,
) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        worker = await box.connect(START, HALF, producer="p")
        await box.wait(10)
        worker.close(lost=True)
        assert await box.silence() == 16
        stalled = box.tracker.snapshot("a")
        assert (stalled.state, stalled.stall_reason) == (State.STALLED, "worker gone")
        assert await box.silence() == 601 - 16
        lost = box.tracker.snapshot("a")
        assert (lost.state, lost.stall_reason) == (State.LOST, "worker gone")
        assert lost.estimate.percent == stalled.estimate.percent
        assert lost.estimate.remaining_ns is None
        await box.wait(LEASE_S)
        assert box.reasons("job_stalled") == box.reasons("job_lost") == [("a", "worker gone")]


async def test_the_percent_freezes_when_the_worker_is_gone(tmp_path: Path) -> None:
    clock = HandClock()
    async with looked_after(tmp_path, clock) as box:
        await box.tracker.report(JobStarted(job_id="earlier", phases=("render",), workflow="w"))
        await box.tracker.report(JobProgress(job_id="earlier", phase="render"))
        clock.advance(100)
        await box.tracker.report(JobCompleted(job_id="earlier"))
        begins = (JobStarted(job_id="a", phases=("render",), workflow="w"), JobProgress(job_id="a", phase="render"))
        worker = await box.connect(*begins, producer="p")
        await box.wait(54)
        worker.close(lost=True)
        for _ in range(20):
            await box.wait(1)
            assert box.tracker.snapshot("a").estimate.percent == 54
        assert box.state() is State.STALLED
        await box.connect(producer="p", client="c2")
        await box.wait(2)
        assert box.tracker.snapshot("a").estimate.percent == 76


@pytest.mark.parametrize("wait_s", [14, 100, 1000])
async def test_a_worker_that_reconnects_under_its_name_resumes_its_jobs(tmp_path: Path, wait_s: int) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        worker = await box.connect(START, HALF, producer="p")
        worker.close(lost=True)
        await box.wait(wait_s)
        # It has nothing to report at the moment.
        await box.connect(producer="p", client="c2")
        await box.wait(2)
        assert box.state() is State.ACTIVE
        assert box.reasons("job_resumed") == ([("a", "")] if wait_s > 15 else [])
        await box.wait(20)
        assert box.state() is State.ACTIVE


async def test_a_producer_that_reports_any_job_is_connected(tmp_path: Path) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        worker = await box.connect(msgspec.structs.replace(START, producer="p", producer_seq=1))
        worker.close(lost=True)
        await box.connect(JobStarted(job_id="b", producer="p", producer_seq=2), client="c2")
        await box.wait(20)
        assert box.state() is State.ACTIVE


async def test_the_jobs_of_a_closed_connection_stall_only_after_their_usual_silence(tmp_path: Path) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        for number, event in enumerate((START, HALF, HALF)):
            await box.wait(60)
            one_shot = await box.connect(event, client=f"c{number}")
            one_shot.close(lost=False)
        assert box.found() == []
        # Its usual silence: it reported once a minute.
        assert await box.silence() > 60
        assert box.reasons("job_stalled") == [("a", "silent")]


async def test_a_job_stays_active_while_any_of_its_workers_is_connected(tmp_path: Path) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        parent = await box.connect(START, producer="parent")
        child = await box.connect(HALF, producer="child", client="c2")
        child.close(lost=True)
        await box.wait(30)
        assert box.state() is State.ACTIVE
        parent.close(lost=True)
        assert await box.silence() == 16


async def test_a_connection_that_is_lost_after_the_end_changes_nothing(tmp_path: Path) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        worker = await box.connect(START, HALF, JobCompleted(job_id="a"), producer="p")
        worker.close(lost=True)
        await box.wait(700)
        assert (box.state(), box.found()) == (State.COMPLETED, [])
        assert not box.tracker.workers._left


async def test_reports_left_by_a_dead_worker_are_not_a_sign_of_life(tmp_path: Path) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        left = [msgspec.structs.replace(event, producer="dead") for event in (START, HALF)]
        await box.connect(*left, producer="heir")
        assert await box.silence() == 16
        assert box.reasons("job_stalled") == [("a", "worker gone")]


async def test_a_silent_job_is_found_to_be_without_a_worker(tmp_path: Path) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        worker = await box.connect(START, HALF, producer="p")
        assert await box.silence() == 301
        worker.close(lost=True)
        await box.wait(16)
        assert box.reasons("job_stalled") == [("a", "silent"), ("a", "worker gone")]


async def test_after_a_restart_workers_get_the_full_time_to_reconnect(tmp_path: Path) -> None:
    clock = HandClock()
    async with looked_after(tmp_path, clock) as box:
        await box.connect(START, HALF, producer="p")
        await box.connect(JobStarted(job_id="b"), producer="q", client="c2")
    clock.advance(3000)
    async with looked_after(tmp_path, clock) as box:
        await box.wait(14)
        assert [box.state("a"), box.state("b")] == [State.ACTIVE, State.ACTIVE]
        await box.connect(producer="q", client="c3")
        await box.wait(2)
        assert box.tracker.snapshot("a").stall_reason == "worker gone"
        assert box.state("b") is State.ACTIVE


@pytest.mark.parametrize("lost", [True, False])
async def test_server_downtime_is_not_counted_as_worker_silence(tmp_path: Path, lost: bool) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        worker = await box.connect(START, HALF, producer="p")
        if lost:
            worker.close(lost=True)
        await box.away(10 * LEASE_S)
        assert box.found() == []
        assert await box.silence() == (16 if lost else 301)
        assert box.state() is State.STALLED


async def test_the_number_of_tracked_producers_per_connection_is_limited(tmp_path: Path) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        connection = await box.connect(START)
        for number in range(300):
            progress = JobProgress(job_id="a", phase="render", producer=f"p{number}")
            await (await box.tracker.take_all([progress], connection.worker_of)).wait()
        await box.wait(1)
        workers = box.tracker.workers
        assert (len(workers._connections), len(box.tracker.jobs()[0].workers)) == (100, 16)
        assert len(workers._left) <= 16
