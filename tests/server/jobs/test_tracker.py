"""The tracker: what it takes in, in which order, how often, and for how long it remembers."""

from contextlib import closing
from pathlib import Path

import pytest
import trio

from phaseline.errors import IllegalEvent, InvalidField, TooMany, UnknownJob
from phaseline.model.events import JobCancelled, JobCompleted, JobFailed, JobProgress, JobStarted
from phaseline.model.record import decode_job
from phaseline.model.snapshot import Moment, State
from phaseline.model.statistics import Average, Statistics
from phaseline_server.errors import NumberReused
from phaseline_server.jobs.deduplication import Producers, find_recorded
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.jobs.watchdog import Patience, Watchdog
from phaseline_server.learning.habits import Habits
from phaseline_server.log.sqlite.journal import Journal
from tests.support.tracking import HandClock, MakeTracker, messages_of, open_tracker, run_job, trio_clock


def looking_after(tracker: Tracker, retention_s: float) -> Watchdog:
    limits = Patience(retention_s=retention_s, stall_after_s=30, lease_s=10**9, gone_after_s=15, lost_after_s=600)
    return Watchdog(tracker, Habits(), limits)


def ids(tracker: Tracker) -> list[str]:
    return [snapshot.job_id for snapshot in tracker.snapshots()]


async def test_a_report_that_is_sent_again_is_taken_in_once(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker()
    await tracker.report(JobStarted(job_id="a"))
    event = JobProgress(job_id="a", phase="importing", progress=10, producer="worker", producer_seq=1)
    first = await tracker.report(event)
    await tracker.report(JobProgress(job_id="a", phase="exporting", producer="worker", producer_seq=2))
    again = await tracker.report(event)
    assert first.seq == 2
    assert again.seq <= tracker.log.top.seq == 3
    assert tracker.snapshot("a").phase == "exporting"
    assert tracker.reports == 3


async def test_the_latest_report_sent_again_is_answered_with_its_own_position(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker()
    event = JobStarted(job_id="a", producer="worker", producer_seq=0)
    assert await tracker.report(event) == await tracker.report(event) == tracker.log.top


async def test_producers_count_apart_and_reports_without_a_producer_are_all_taken_in(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker()
    await tracker.report(JobStarted(job_id="a", producer="one", producer_seq=7))
    for producer, number in (("one", 8), ("two", 1), (None, 1), (None, 1), ("three", None), ("three", None)):
        await tracker.report(JobProgress(job_id="a", phase="importing", producer=producer, producer_seq=number))
    assert tracker.log.top.seq == 7


async def test_a_number_that_a_producer_used_for_another_job_is_an_error(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker()
    for number, job_id in enumerate("aba"):
        if number < 2:
            await tracker.report(JobStarted(job_id=job_id))
        await tracker.report(JobProgress(job_id=job_id, phase="importing", producer="worker", producer_seq=number))
    top = tracker.log.top.seq
    # Repetitions of either job are known, in whatever order.
    for number, job_id, seq in ((0, "a", top), (1, "b", top - 1), (2, "a", top)):
        again = JobProgress(job_id=job_id, phase="importing", producer="worker", producer_seq=number)
        assert (await tracker.report(again)).seq == seq
    for number, job_id in ((2, "b"), (1, "c")):
        with pytest.raises(NumberReused, match=r"producer_seq . of producer 'worker' was used .* above 2, or another"):
            await tracker.report(JobStarted(job_id=job_id, producer="worker", producer_seq=number))
    await tracker.report(JobProgress(job_id="b", phase="importing", producer="worker", producer_seq=3))
    assert tracker.log.top.seq == top + 1


async def test_a_producer_counts_for_its_owner_only_also_after_a_restart(tmp_path: Path) -> None:
    async with open_tracker(tmp_path) as tracker:
        await tracker.report(JobStarted(job_id="evil-a", producer="worker7", producer_seq=2**63 - 1), "evil")
        await tracker.report(JobStarted(job_id="a", producer="worker7", producer_seq=1), "good")
    with closing(Journal.open(tmp_path)) as journal:
        producers = Producers(journal.load(0, 100).producers)
    assert find_recorded([producers], ("good", "worker7", "a"), 1) == 2
    assert find_recorded([producers], ("good", "worker7", "a"), 2) is None
    with pytest.raises(NumberReused):
        find_recorded([producers], ("evil", "worker7", "a"), 2)


async def test_a_refused_report_may_be_sent_again_under_the_same_number(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker()
    await tracker.report(JobStarted(job_id="a", workflow="photo"))
    with pytest.raises(InvalidField):
        await tracker.report(JobProgress(job_id="a", phase="nowhere", producer="worker", producer_seq=1))
    await tracker.report(JobProgress(job_id="a", phase="importing", producer="worker", producer_seq=1))
    assert tracker.snapshot("a").phase == "importing"


async def test_the_producer_that_was_silent_for_longest_is_forgotten_first(
    make_tracker: MakeTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phaseline_server.jobs.deduplication._MOST", 2)
    tracker = await make_tracker()
    await tracker.report(JobStarted(job_id="a"))
    for producer, number in (("one", 1), ("two", 1), ("one", 2), ("three", 1)):
        await tracker.report(JobProgress(job_id="a", phase="importing", producer=producer, producer_seq=number))
    top = tracker.log.top.seq
    for producer, number in (("one", 2), ("three", 1)):
        await tracker.report(JobProgress(job_id="a", phase="importing", producer=producer, producer_seq=number))
    assert tracker.log.top.seq == top
    await tracker.report(JobProgress(job_id="a", phase="importing", producer="two", producer_seq=1))
    assert tracker.log.top.seq == top + 1


async def test_all_jobs_share_one_order(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker()
    positions = [await tracker.report(JobStarted(job_id=name)) for name in "abc"]
    positions += [await tracker.report(JobProgress(job_id=name, phase="importing")) for name in "cab"]
    assert [position.seq for position in positions] == [1, 2, 3, 4, 5, 6]
    assert {position.epoch for position in positions} == {tracker.log.top.epoch}
    assert [(m["seq"], m["job_id"]) for m in messages_of(tracker)] == list(enumerate("abccab", 1))
    assert [tracker.snapshot(name).seq for name in "abc"] == [5, 6, 4]


async def test_what_is_refused_changes_nothing(make_tracker: MakeTracker) -> None:
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


async def test_a_cancelled_reporter_has_reported_nothing(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker()
    with trio.CancelScope() as scope:
        scope.cancel()
        await tracker.report(JobStarted(job_id="a"))
    assert scope.cancelled_caught
    assert ids(tracker) == []


async def test_the_job_that_ended_first_makes_room(make_tracker: MakeTracker) -> None:
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


async def test_active_jobs_never_make_room(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker(max_jobs=2)
    for name in "ab":
        await tracker.report(JobStarted(job_id=name))
    with pytest.raises(TooMany, match="2 jobs are active; allowed: at most 2"):
        await tracker.report(JobStarted(job_id="c"))
    assert ids(tracker) == ["a", "b"]
    assert tracker.log.top.seq == 2


async def test_a_start_that_is_refused_costs_no_other_job_its_place(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker(max_jobs=1)
    await run_job(tracker, "a")
    with pytest.raises(InvalidField):
        await tracker.report(JobStarted(job_id="b", workflow="mine", phases=("twice", "twice")))
    assert ids(tracker) == ["a"]


async def test_a_job_that_is_started_again_needs_no_room(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker(max_jobs=2)
    await run_job(tracker, "a")
    await run_job(tracker, "b")
    await tracker.report(JobStarted(job_id="b"))
    assert ids(tracker) == ["a", "b"]


async def test_ended_jobs_go_after_their_retention_and_active_ones_stay(
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


async def test_without_retention_ended_jobs_go_soon_and_nothing_spins(
    make_tracker: MakeTracker, autojump_clock: trio.testing.MockClock
) -> None:
    asked = 0

    def counting_clock() -> Moment:
        nonlocal asked
        asked += 1
        # A loop that spins would keep Trio's clock where it is for ever.
        assert asked < 1000
        return trio_clock()

    tracker = await make_tracker(counting_clock)
    await run_job(tracker, "a")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(looking_after(tracker, 0).run)
        await trio.sleep(15)
        assert ids(tracker) == []
        nursery.cancel_scope.cancel()


async def test_only_a_job_that_ended_teaches(make_tracker: MakeTracker) -> None:
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


async def test_pictures_and_cache_hits_are_counted_apart(make_tracker: MakeTracker) -> None:
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


async def test_counts_tell_of_memory_and_ended_of_all_time(make_tracker: MakeTracker) -> None:
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


async def test_what_was_kept_while_the_server_was_away_is_dated_by_its_age(make_tracker: MakeTracker) -> None:
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


async def test_an_age_never_goes_before_what_is_known_already(make_tracker: MakeTracker) -> None:
    clock = HandClock()
    tracker = await make_tracker(clock)
    await tracker.report(JobStarted(job_id="a"))
    clock.advance(10)
    await tracker.report(JobProgress(job_id="a", phase="importing"))
    clock.advance(5)
    await tracker.report(JobProgress(job_id="a", phase="exif_analysis", age_seconds=3600.0))
    await tracker.report(JobCompleted(job_id="a"))
    assert [phase.elapsed_ns for phase in tracker.snapshot("a").phases[:2]] == [0, 5 * 10**9]


async def test_whatever_json_can_say_is_kept(make_tracker: MakeTracker) -> None:
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


async def test_one_group_takes_many_reports_that_came_together_and_refuses_each_for_itself(
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
