"""The life of a job whose worker falls silent: stalled by its phase's habit, lost after the lease, back at a report."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from phaseline.eta import EmaEngine
from phaseline.model.events import JobCompleted, JobProgress, JobStarted
from phaseline.model.snapshot import State
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.jobs.watchdog import Lifecycle
from phaseline_server.learning.learner import Learning
from phaseline_server.learning.metrics_file import MetricsFile
from phaseline_server.log.sqlite import Journal
from phaseline_server.log.stream import Log
from phaseline_server.runtime.restore import restore
from tests.support.tracking import HandClock, messages_of

LEASE_S = 3600


class Box:
    """A tracker whose jobs are looked after once a second, by a clock that tests move."""

    def __init__(self, tracker: Tracker, life: Lifecycle, clock: HandClock) -> None:
        self.tracker = tracker
        self._life = life
        self._clock = clock

    async def wait(self, seconds: float) -> None:
        """Let time go by, and have the jobs looked after."""
        for _ in range(round(seconds)):
            self._clock.advance(1)
            self._life.look()
            # What was found is kept before the next second.
            while (group := self.tracker._gathering).messages:
                await group.over.wait()

    async def start(self, job_id: str = "a") -> None:
        await self.tracker.report(JobStarted(job_id=job_id))

    async def progress(self, job_id: str = "a", phase: str = "importing") -> None:
        await self.tracker.report(JobProgress(job_id=job_id, phase=phase))

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
        return [said["type"] for said in messages_of(self.tracker) if said["type"] in {"job_stalled", "job_lost"}]


@asynccontextmanager
async def looked_after(
    data_dir: Path, clock: HandClock, stall_after_s: float = 30, max_jobs: int = 100
) -> AsyncIterator[Box]:
    """Yield a tracker that begins with what is in `data_dir`."""
    journal = Journal.open(data_dir)
    try:
        known = restore(journal, MetricsFile(data_dir), clock(), retention_s=LEASE_S, max_jobs=100)
        learning = Learning(journal, known.statistics)
        tracker = Tracker(
            Log(journal, 1000, 1000),
            EmaEngine(known.statistics),
            known.statistics,
            max_jobs=max_jobs,
            clock=clock,
            jobs=known.jobs,
            listener=learning,
        )
        life = Lifecycle(tracker, learning.habits, retention_s=LEASE_S, stall_after_s=stall_after_s, lease_s=LEASE_S)
        async with tracker.keeping():
            yield Box(tracker, life, clock)
    finally:
        journal.close()


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
        assert [said["state"] for said in messages_of(box.tracker)[-2:]] == [state, "active"]
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
