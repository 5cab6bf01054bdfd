"""Durations and order across restarts, with clocks that jump."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from phaseline.eta import EmaEngine
from phaseline.model.events import JobCompleted, JobProgress, JobStarted
from phaseline.model.states import State
from phaseline.stream import Position
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.learning.metrics_file import MetricsFile
from phaseline_server.log.engines import open_store
from phaseline_server.log.stream import Log
from phaseline_server.runtime.restore import restore
from tests.support.tracking import HandClock

HOUR = 3600.0
JUMPS = pytest.mark.parametrize("jump", [-HOUR, 0.0, HOUR], ids=["an hour back", "none", "an hour ahead"])


@asynccontextmanager
async def restored(data_dir: Path, clock: HandClock) -> AsyncIterator[Tracker]:
    """Yield a tracker that is restored from `data_dir`."""
    async with open_store(data_dir) as store:
        known = await restore(store, MetricsFile(data_dir), clock(), retention_s=9 * HOUR, max_jobs=100)
        log = Log(store, 1000, 1000)
        tracker = Tracker(
            log,
            EmaEngine(known.statistics),
            known.statistics,
            max_jobs=100,
            clock=clock,
            jobs=known.jobs,
            producers=known.producers,
        )
        async with tracker.keeping():
            yield tracker


def spent(tracker: Tracker, job_id: str) -> dict[str, float]:
    """Return the seconds that each phase of a job took so far, and all of it under ""."""
    snapshot = tracker.snapshot(job_id)
    found = {phase.name: phase.elapsed_ns / 1e9 for phase in snapshot.phases if phase.started_ns}
    return found | {"": snapshot.elapsed_ns / 1e9}


async def numbers(tracker: Tracker) -> list[int]:
    top = tracker.log.top
    return [message.seq for message in await tracker.log.since(Position(top.epoch, 0))]


async def enter(tracker: Tracker, phase: str) -> None:
    await tracker.report(JobProgress(job_id="a", phase=phase))


@JUMPS
async def test_a_jump_of_the_wall_clock_changes_no_duration_and_no_order(tmp_path: Path, jump: float) -> None:
    clock = HandClock()
    async with restored(tmp_path, clock) as tracker:
        await tracker.report(JobStarted(job_id="a"))
        await enter(tracker, "importing")
        clock.advance(5)
        clock.jump(jump)
        await enter(tracker, "exif_analysis")
        clock.advance(7)
        clock.jump(jump)
        await tracker.report(JobCompleted(job_id="a"))
        assert spent(tracker, "a") == {"importing": 5, "exif_analysis": 7, "": 12}
        assert [average.avg_ns for average in tracker.statistics.averages.values()] == [5 * 10**9, 7 * 10**9]
        assert await numbers(tracker) == [1, 2, 3, 4]


@JUMPS
async def test_a_clock_jump_while_the_server_is_down_changes_no_duration_and_no_order(
    tmp_path: Path, jump: float
) -> None:
    clock = HandClock()
    async with restored(tmp_path, clock) as tracker:
        await tracker.report(JobStarted(job_id="a"))
        await enter(tracker, "importing")
        clock.advance(5)
        await enter(tracker, "exif_analysis")
    clock.advance(60)
    clock.jump(jump)
    async with restored(tmp_path, clock) as tracker:
        assert spent(tracker, "a") == {"importing": 5, "exif_analysis": 60, "": 65}
        clock.advance(2)
        await enter(tracker, "exporting")
        clock.advance(3)
        await tracker.report(JobCompleted(job_id="a"))
        assert spent(tracker, "a") == {"importing": 5, "exif_analysis": 62, "exporting": 3, "": 70}
        # Durations that span the server's absence are not measured.
        assert {phase: average.count for (_, phase), average in tracker.statistics.averages.items()} == {
            "importing": 1,
            "exporting": 1,
        }
        assert await numbers(tracker) == [1, 2, 3, 4, 5]


async def test_durations_are_correct_after_a_reboot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HandClock()
    clock.advance(10 * HOUR)
    async with restored(tmp_path, clock) as tracker:
        await tracker.report(JobStarted(job_id="a"))
        await enter(tracker, "importing")
        clock.advance(5)
        await enter(tracker, "exif_analysis")
        await tracker.report(JobStarted(job_id="over"))
        clock.advance(4)
        await tracker.report(JobCompleted(job_id="over"))
    monkeypatch.setattr("phaseline_server.log.sqlite.journal.boot_id", lambda: "another")
    clock.advance(100)
    clock.restart()
    async with restored(tmp_path, clock) as tracker:
        assert tracker.snapshot("a").state is State.ACTIVE
        assert spent(tracker, "a") == {"importing": 5, "exif_analysis": 104, "": 109}
        assert spent(tracker, "over") == {"": 4}
        assert tracker.ended_s("over") == 100
        clock.advance(2)
        await enter(tracker, "exporting")
        clock.advance(3)
        assert spent(tracker, "a") == {"importing": 5, "exif_analysis": 106, "exporting": 3, "": 114}
        assert tracker.snapshot("a").phases[0].measured is True
        assert tracker.snapshot("a").phases[1].measured is False


@JUMPS
async def test_after_a_reboot_a_clock_that_went_back_does_not_reduce_durations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    clock = HandClock()
    clock.advance(10 * HOUR)
    async with restored(tmp_path, clock) as tracker:
        await tracker.report(JobStarted(job_id="a"))
        clock.advance(5)
        await enter(tracker, "importing")
    monkeypatch.setattr("phaseline_server.log.sqlite.journal.boot_id", lambda: "another")
    clock.jump(jump)
    clock.restart()
    async with restored(tmp_path, clock) as tracker:
        # Only the wall clock can show for how long the machine was off, if it can.
        away = max(0.0, jump)
        assert spent(tracker, "a") == {"importing": away, "": 5 + away}
        clock.advance(1)
        await enter(tracker, "exporting")
        assert spent(tracker, "a") == {"importing": away + 1, "exporting": 0, "": 6 + away}


async def test_a_report_of_before_the_restart_is_dated_before_it(tmp_path: Path) -> None:
    clock = HandClock()
    async with restored(tmp_path, clock) as tracker:
        await tracker.report(JobStarted(job_id="a"))
        await enter(tracker, "importing")
    clock.advance(60)
    async with restored(tmp_path, clock) as tracker:
        await tracker.report(JobProgress(job_id="a", phase="exporting", age_seconds=50))
        assert spent(tracker, "a") == {"importing": 10, "exporting": 50, "": 60}
        # Never before the last known event.
        await tracker.report(JobCompleted(job_id="a", age_seconds=3 * HOUR))
        assert spent(tracker, "a") == {"importing": 10, "exporting": 0, "": 10}
