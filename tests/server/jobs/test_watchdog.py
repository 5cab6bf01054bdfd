"""The life of a job whose worker falls silent: stalled by its phase's habit, lost after the lease, back at a report."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from phaseline.eta import EmaEngine
from phaseline.model.events import Event, JobCancelled, JobCompleted, JobFailed, JobProgress, JobStarted
from phaseline.model.snapshot import State
from phaseline.wire import job_status
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.jobs.watchdog import Patience, Watchdog
from phaseline_server.jobs.workers import WorkerConnection
from phaseline_server.learning.learner import Learning
from phaseline_server.learning.metrics_file import MetricsFile
from phaseline_server.log.engines import open_store
from phaseline_server.log.stream import Log
from phaseline_server.runtime.restore import restore
from tests.support.tracking import HandClock, messages_of, run_job

LEASE_S = 3600


class Box:
    """A tracker whose jobs are looked after once a second, by a clock that tests move."""

    def __init__(self, tracker: Tracker, life: Watchdog, clock: HandClock) -> None:
        self.tracker = tracker
        self._life = life
        self._clock = clock

    async def wait(self, seconds: float) -> None:
        """Let time go by, and have the jobs looked after."""
        for _ in range(round(seconds)):
            self._clock.advance(1)
            await self._life.look()
            # What was found is stored before the next second.
            intake = self.tracker._intake
            while not (intake.gathering.empty and intake.committing.empty):
                await (intake.gathering if intake.committing.empty else intake.committing).over.wait()

    async def start(self, job_id: str = "a") -> None:
        await self.tracker.report(JobStarted(job_id=job_id))

    async def progress(self, job_id: str = "a", phase: str = "importing") -> None:
        await self.tracker.report(JobProgress(job_id=job_id, phase=phase))

    async def connect(self, *events: Event, producer: str | None = None, client: str = "c1") -> WorkerConnection:
        """Return a connection that has reported `events`."""
        connection = self.tracker.workers.connect(client, lambda _: None)
        connection.register(producer)
        await (await self.tracker.take_all(events, connection.worker_of)).wait()
        return connection

    def reasons(self, kind: str) -> list[tuple[str, str]]:
        """Return which jobs the server's own findings of a kind are about, and their reasons."""
        return [(each["job_id"], each.get("reason", "")) for each in messages_of(self.tracker) if each["type"] == kind]

    async def away(self, seconds: float) -> None:
        """Let the server be stopped for so long."""
        self._clock.advance(seconds)
        await self.wait(1)

    async def report_every(self, gap_s: float, count: int, job_id: str = "a") -> None:
        """Report a job that is heard of at such gaps."""
        await self.start(job_id)
        await self.progress(job_id)
        for _ in range(count):
            await self.wait(gap_s)
            await self.progress(job_id)

    async def silence(self, job_id: str = "a") -> int:
        """Return after how many seconds of silence a job's state has changed by itself."""
        before, seconds = self.state(job_id), 0
        while self.state(job_id) is before and seconds < 10 * LEASE_S:
            await self.wait(1)
            seconds += 1
        return seconds

    def state(self, job_id: str = "a") -> State:
        return self.tracker.snapshot(job_id).state

    def found(self) -> list[str]:
        """Return the server's own findings, in their order."""
        return [
            message["type"] for message in messages_of(self.tracker) if message["type"] in {"job_stalled", "job_lost"}
        ]


@asynccontextmanager
async def looked_after(
    data_dir: Path, clock: HandClock, stall_after_s: float = 30, max_jobs: int = 100
) -> AsyncIterator[Box]:
    """Yield a tracker that begins with what is in `data_dir`."""
    async with open_store(data_dir) as store:
        known = await restore(store, MetricsFile(data_dir), clock(), retention_s=LEASE_S, max_jobs=100)
        learning = Learning(store, known.statistics)
        tracker = Tracker(
            Log(store, 1000, 1000),
            EmaEngine(known.statistics),
            known.statistics,
            max_jobs=max_jobs,
            clock=clock,
            jobs=known.jobs,
            listener=learning,
        )
        limits = Patience(
            retention_s=LEASE_S, stall_after_s=stall_after_s, lease_s=LEASE_S, gone_after_s=15, lost_after_s=600
        )
        life = Watchdog(tracker, learning.habits, limits)
        async with tracker.keeping():
            yield Box(tracker, life, clock)


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


# ---------------------------------------------------------------------------------------------------- connections

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


async def test_the_percent_stands_from_the_moment_that_the_worker_is_gone(tmp_path: Path) -> None:
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
async def test_a_worker_that_connects_again_under_its_name_has_its_jobs_back(tmp_path: Path, wait_s: int) -> None:
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


async def test_a_producer_that_reports_another_job_is_there(tmp_path: Path) -> None:
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
        # Its habit: it reported once a minute.
        assert await box.silence() > 60
        assert box.reasons("job_stalled") == [("a", "silent")]


async def test_a_job_goes_on_while_any_of_its_workers_is_connected(tmp_path: Path) -> None:
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


async def test_what_a_dead_worker_left_is_not_taken_for_a_sign_of_life(tmp_path: Path) -> None:
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


async def test_after_a_restart_workers_have_their_time_from_the_servers_start(tmp_path: Path) -> None:
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
async def test_the_servers_own_absence_is_nobodys_silence(tmp_path: Path, lost: bool) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        worker = await box.connect(START, HALF, producer="p")
        if lost:
            worker.close(lost=True)
        await box.away(10 * LEASE_S)
        assert box.found() == []
        assert await box.silence() == (16 if lost else 301)
        assert box.state() is State.STALLED


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


async def test_no_more_producers_of_a_connection_are_followed_than_are_needed(tmp_path: Path) -> None:
    async with looked_after(tmp_path, HandClock()) as box:
        connection = await box.connect(START)
        for number in range(300):
            progress = JobProgress(job_id="a", phase="render", producer=f"p{number}")
            await (await box.tracker.take_all([progress], connection.worker_of)).wait()
        await box.wait(1)
        workers = box.tracker.workers
        assert (len(workers._connections), len(box.tracker.jobs()[0].workers)) == (100, 16)
        assert len(workers._left) <= 16
