"""Retention of jobs in memory."""

import pytest
import trio

from phaseline.errors import InvalidField, TooMany
from phaseline.model.events import JobFailed, JobStarted
from phaseline.model.snapshot import Moment
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.jobs.watchdog import Patience, Watchdog
from phaseline_server.learning.habits import Habits
from tests.support.tracking import HandClock, MakeTracker, run_job, trio_clock


def looking_after(tracker: Tracker, retention_s: float) -> Watchdog:
    limits = Patience(retention_s=retention_s, stall_after_s=30, lease_s=10**9, gone_after_s=15, lost_after_s=600)
    return Watchdog(tracker, Habits(), limits)


def ids(tracker: Tracker) -> list[str]:
    return [snapshot.job_id for snapshot in tracker.snapshots()]


async def test_the_job_that_ended_first_is_evicted_first(make_tracker: MakeTracker) -> None:
    clock = HandClock()
    tracker = await make_tracker(clock, max_jobs=3)
    for name in "abc":
        await tracker.report(JobStarted(job_id=name))
    for name in "cb":
        clock.advance(1)
        await tracker.report(JobFailed(job_id=name))
    await tracker.report(JobStarted(job_id="d"))
    assert ids(tracker) == ["a", "b", "d"]
    await tracker.report(JobStarted(job_id="e"))
    assert ids(tracker) == ["a", "d", "e"]


async def test_active_jobs_are_never_evicted(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker(max_jobs=2)
    for name in "ab":
        await tracker.report(JobStarted(job_id=name))
    with pytest.raises(TooMany, match="2 jobs are active; allowed: at most 2"):
        await tracker.report(JobStarted(job_id="c"))
    assert ids(tracker) == ["a", "b"]
    assert tracker.log.top.seq == 2


async def test_a_rejected_start_evicts_no_job(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker(max_jobs=1)
    await run_job(tracker, "a")
    with pytest.raises(InvalidField):
        await tracker.report(JobStarted(job_id="b", workflow="mine", phases=("twice", "twice")))
    assert ids(tracker) == ["a"]


async def test_a_restarted_job_evicts_no_other(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker(max_jobs=2)
    await run_job(tracker, "a")
    await run_job(tracker, "b")
    await tracker.report(JobStarted(job_id="b"))
    assert ids(tracker) == ["a", "b"]


@pytest.mark.slow
async def test_ended_jobs_are_dropped_after_their_retention_and_active_jobs_stay(
    make_tracker: MakeTracker, autojump_clock: trio.testing.MockClock
) -> None:
    tracker = await make_tracker(trio_clock)
    await run_job(tracker, "a")
    await tracker.report(JobStarted(job_id="b"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(looking_after(tracker, 60).run)
        await trio.sleep(59)
        assert ids(tracker) == ["a", "b"]
        await trio.sleep(12)
        assert ids(tracker) == ["b"]
        await trio.sleep(10_000)
        assert ids(tracker) == ["b"]
        nursery.cancel_scope.cancel()


async def test_with_zero_retention_ended_jobs_are_dropped_without_busy_waiting(
    make_tracker: MakeTracker, autojump_clock: trio.testing.MockClock
) -> None:
    asked = 0

    def counting_clock() -> Moment:
        nonlocal asked
        asked += 1
        # A busy loop would never let Trio's clock advance.
        assert asked < 1000
        return trio_clock()

    tracker = await make_tracker(counting_clock)
    await run_job(tracker, "a")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(looking_after(tracker, 0).run)
        await trio.sleep(15)
        assert ids(tracker) == []
        nursery.cancel_scope.cancel()
