"""Reports that a producer sends again."""

from contextlib import closing
from pathlib import Path

import pytest

from phaseline.errors import InvalidField
from phaseline.model.events import JobProgress, JobStarted
from phaseline_server.errors import NumberReused
from phaseline_server.jobs.deduplication import Producers, find_recorded
from phaseline_server.log.sqlite.journal import Journal
from tests.support.tracking import MakeTracker, open_tracker


async def test_a_repeated_report_is_recorded_once(make_tracker: MakeTracker) -> None:
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


async def test_producers_are_independent_and_reports_without_a_producer_are_all_recorded(
    make_tracker: MakeTracker,
) -> None:
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
    # Repetitions of either job are known, in any order.
    for number, job_id, seq in ((0, "a", top), (1, "b", top - 1), (2, "a", top)):
        again = JobProgress(job_id=job_id, phase="importing", producer="worker", producer_seq=number)
        assert (await tracker.report(again)).seq == seq
    for number, job_id in ((2, "b"), (1, "c")):
        with pytest.raises(NumberReused, match=r"producer_seq . of producer 'worker' was used .* above 2, or another"):
            await tracker.report(JobStarted(job_id=job_id, producer="worker", producer_seq=number))
    await tracker.report(JobProgress(job_id="b", phase="importing", producer="worker", producer_seq=3))
    assert tracker.log.top.seq == top + 1


async def test_producers_are_scoped_to_their_token_even_after_a_restart(tmp_path: Path) -> None:
    async with open_tracker(tmp_path) as tracker:
        await tracker.report(JobStarted(job_id="evil-a", producer="worker7", producer_seq=2**63 - 1), "evil")
        await tracker.report(JobStarted(job_id="a", producer="worker7", producer_seq=1), "good")
    with closing(Journal.open(tmp_path)) as journal:
        producers = Producers(journal.load(0, 100).producers)
    assert find_recorded([producers], ("good", "worker7", "a"), 1) == 2
    assert find_recorded([producers], ("good", "worker7", "a"), 2) is None
    with pytest.raises(NumberReused):
        find_recorded([producers], ("evil", "worker7", "a"), 2)


async def test_a_rejected_report_may_be_resent_with_the_same_number(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker()
    await tracker.report(JobStarted(job_id="a", workflow="photo"))
    with pytest.raises(InvalidField):
        await tracker.report(JobProgress(job_id="a", phase="nowhere", producer="worker", producer_seq=1))
    await tracker.report(JobProgress(job_id="a", phase="importing", producer="worker", producer_seq=1))
    assert tracker.snapshot("a").phase == "importing"


async def test_the_longest_silent_producer_is_dropped_first(
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
