"""The tracker: the reports that it accepts, their order and their times."""

from contextlib import closing
from pathlib import Path

import pytest
import trio

from phaseline.errors import IllegalEvent, TooMany, UnknownJob
from phaseline.model.events import JobCancelled, JobCompleted, JobFailed, JobProgress, JobStarted
from phaseline.model.record import decode_job
from phaseline.model.states import State
from phaseline.model.statistics import Average, Statistics
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.log.sqlite.journal import Journal
from tests.support.tracking import HandClock, MakeTracker, messages_of, open_tracker, run_job


def ids(tracker: Tracker) -> list[str]:
    return [snapshot.job_id for snapshot in tracker.snapshots()]


async def test_all_jobs_share_one_order(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker()
    positions = [await tracker.report(JobStarted(job_id=name)) for name in "abc"]
    positions += [await tracker.report(JobProgress(job_id=name, phase="importing")) for name in "cab"]
    assert [position.seq for position in positions] == [1, 2, 3, 4, 5, 6]
    assert {position.epoch for position in positions} == {tracker.log.top.epoch}
    assert [(m["seq"], m["job_id"]) for m in messages_of(tracker)] == list(enumerate("abccab", 1))
    assert [tracker.snapshot(name).seq for name in "abc"] == [5, 6, 4]


async def test_a_rejected_report_changes_nothing(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker()
    await run_job(tracker, "a")
    before, top = tracker.snapshot("a"), tracker.log.top
    with pytest.raises(IllegalEvent):
        await tracker.report(JobProgress(job_id="a", phase="exporting"))
    with pytest.raises(UnknownJob):
        await tracker.report(JobProgress(job_id="b", phase="importing"))
    with pytest.raises(UnknownJob):
        tracker.snapshot("b")
    assert (tracker.snapshot("a"), tracker.log.top, tracker.reports) == (before, top, 3)


async def test_a_cancelled_call_reports_nothing(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker()
    with trio.CancelScope() as scope:
        scope.cancel()
        await tracker.report(JobStarted(job_id="a"))
    assert scope.cancelled_caught
    assert ids(tracker) == []


async def test_estimates_only_learn_from_ended_jobs(make_tracker: MakeTracker) -> None:
    clock, statistics = HandClock(), Statistics()
    tracker = await make_tracker(clock, statistics=statistics)
    await tracker.report(JobStarted(job_id="a"))
    await tracker.report(JobProgress(job_id="a", phase="importing"))
    clock.advance(2)
    await tracker.report(JobProgress(job_id="a", phase="exporting"))
    assert not tracker.learned.is_set()
    assert not statistics.averages
    clock.advance(1)
    await tracker.report(JobCompleted(job_id="a"))
    assert tracker.learned.is_set()
    assert statistics.averages == {
        ("photo", "importing"): Average(1, 2_000_000_000),
        ("photo", "exporting"): Average(1, 1_000_000_000),
    }


async def test_pictures_and_cache_hits_are_counted_separately(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker()
    for name, hit in (("a", False), ("b", True), ("c", True)):
        await tracker.report(JobStarted(job_id=name, workflow="dalle", cache_hit=hit))
        await tracker.report(JobCompleted(job_id=name))
    await tracker.report(JobStarted(job_id="d", workflow="dalle"))
    await tracker.report(JobFailed(job_id="d"))
    await run_job(tracker, "e")
    assert (tracker.statistics.generation_runs, tracker.statistics.cache_hits) == (1, 2)


async def test_forgotten_averages_leave_memory_at_once_and_the_log_with_the_next_group(tmp_path: Path) -> None:
    async with open_tracker(tmp_path) as tracker:
        await run_job(tracker, "a", workflow="film")
        tracker.forget_averages()
        assert tracker.statistics.averages == {}
    with closing(Journal.open(tmp_path)) as journal:
        kept = journal.load(0, 100)
        assert (kept.averages, kept.counts) == ({}, (0, 0))


async def test_a_group_that_is_being_committed_is_forgotten_too_and_a_later_one_is_not(tmp_path: Path) -> None:
    async with open_tracker(tmp_path) as tracker:
        await tracker.report(JobStarted(job_id="a", workflow="film"))
        await tracker.report(JobProgress(job_id="a", phase="shoot"))
        pending = tracker.take(JobCompleted(job_id="a"))
        while not tracker._intake.committing.messages:
            await trio.lowlevel.checkpoint()
        tracker.forget_averages()
        await pending.wait()
        await run_job(tracker, "b", workflow="film")
        assert list(tracker.statistics.averages) == [("film", "importing")]
        after = dict(tracker.statistics.averages)
    with closing(Journal.open(tmp_path)) as journal:
        assert journal.load(0, 100).averages == after


async def test_counts_cover_jobs_in_memory_and_ended_covers_all_since_the_start(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker()
    for name in "abc":
        await tracker.report(JobStarted(job_id=name))
    await tracker.report(JobCancelled(job_id="a"))
    await tracker.report(JobFailed(job_id="b"))
    assert tracker.counts() == {State.CANCELLED: 1, State.FAILED: 1, State.ACTIVE: 1}
    for name in "abc":
        tracker.forget(name)
    assert ids(tracker) == ["c"]
    assert tracker.counts() == {State.ACTIVE: 1}
    assert tracker.ended == {State.CANCELLED: 1, State.FAILED: 1}


async def test_ended_s_is_the_time_since_the_end(make_tracker: MakeTracker) -> None:
    clock = HandClock()
    tracker = await make_tracker(clock)
    await tracker.report(JobStarted(job_id="a"))
    clock.advance(5)
    assert tracker.ended_s("a") is None
    assert tracker.ended_s("b") is None
    await tracker.report(JobCompleted(job_id="a"))
    clock.advance(2.5)
    assert tracker.ended_s("a") == 2.5


async def test_delayed_reports_are_dated_by_their_age(make_tracker: MakeTracker) -> None:
    clock = HandClock()
    clock.advance(5)  # the server's box has only just started
    tracker = await make_tracker(clock)
    await tracker.report(JobStarted(job_id="a", age_seconds=100.0))
    await tracker.report(JobProgress(job_id="a", phase="importing", age_seconds=90.0))
    await tracker.report(JobProgress(job_id="a", phase="exif_analysis", age_seconds=60.0))
    await tracker.report(JobCompleted(job_id="a", age_seconds=20.0))
    snapshot = tracker.snapshot("a")
    assert [phase.elapsed_ns for phase in snapshot.phases[:2]] == [30 * 10**9, 40 * 10**9]
    assert snapshot.elapsed_ns == 80 * 10**9
    assert snapshot.started_ns == clock().wall_ns - 100 * 10**9
    assert tracker.statistics.average("photo", "importing") == Average(1, 30 * 10**9)
    assert messages_of(tracker)[-1]["duration"] == 80.0


async def test_a_reported_age_never_dates_an_event_before_earlier_events(make_tracker: MakeTracker) -> None:
    clock = HandClock()
    tracker = await make_tracker(clock)
    await tracker.report(JobStarted(job_id="a"))
    clock.advance(10)
    await tracker.report(JobProgress(job_id="a", phase="importing"))
    clock.advance(5)
    await tracker.report(JobProgress(job_id="a", phase="exif_analysis", age_seconds=3600.0))
    await tracker.report(JobCompleted(job_id="a"))
    assert [phase.elapsed_ns for phase in tracker.snapshot("a").phases[:2]] == [0, 5 * 10**9]


async def test_any_json_value_is_stored(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker()
    odd = {"huge": 2**70, "deep": [[{}]], "text": "\u2603", "none": None, "float": 1e300}
    await tracker.report(JobStarted(job_id="a", photo_info=odd))
    await tracker.report(JobProgress(job_id="a", phase="importing", details=odd))
    await tracker.report(JobCompleted(job_id="a", result=odd))
    assert tracker.snapshot("a").info == odd
    record = await tracker.log.record("a")
    assert record is not None
    assert decode_job(record, tracker.clock(), same_clock=True).result == odd


async def test_the_late_name_of_a_photo_is_published_at_once(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker()
    await tracker.report(JobStarted(job_id="a"))
    for photo_id in (None, 7, None):
        await tracker.report(JobProgress(job_id="a", phase="importing", photo_id=photo_id))
    assert [message["photo_id"] for message in messages_of(tracker)] == [None, None, 7, 7]


async def test_reports_that_arrive_together_share_a_group_and_are_accepted_one_by_one(
    make_tracker: MakeTracker,
) -> None:
    tracker = await make_tracker(max_jobs=2)
    start = JobStarted(job_id="a", producer="one", producer_seq=1)
    taken = await tracker.take_all(
        [
            start,
            JobProgress(job_id="a", phase="importing", progress=10),
            JobProgress(job_id="b", phase="importing"),
            start,
            JobProgress(job_id="a", phase="importing", progress=20, producer="one", producer_seq=2),
            JobStarted(job_id="b"),
            JobStarted(job_id="c"),
        ]
    )
    assert [outcome if isinstance(outcome, int) else type(outcome) for outcome in taken.outcomes] == [
        *(1, 2, UnknownJob, 1, 3, 4, TooMany)
    ]
    assert not taken.kept
    assert messages_of(tracker) == []
    await taken.wait()
    assert [message["seq"] for message in messages_of(tracker)] == [1, 2, 3, 4]
    again = await tracker.take_all([start])
    assert (again.outcomes, again.kept) == ([3], True)  # with the number of its latest
