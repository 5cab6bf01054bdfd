"""Reports that arrive together have the same effect as the same reports one after the other."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from phaseline.model.events import Event, JobCompleted, JobProgress, JobStarted, PhaseCompleted
from phaseline.model.job import Job
from phaseline.model.phase import PhaseDuration
from phaseline.model.snapshot import Moment
from tests.support.core_events import everything_in
from tests.support.examples import examples
from tests.support.tracking import HandClock, messages_of, open_tracker

usual = st.builds(
    JobProgress,
    job_id=st.just("a"),
    phase=st.just("importing"),
    progress=st.none() | st.floats(0, 100) | st.sampled_from([0.0, -0.0, 50.0]),
    text=st.sampled_from(["", "half", 'a "quoted" text']),
    details=st.sampled_from([{}, {"a": [1]}]),
    producer=st.just("one"),
    producer_seq=st.just(0),
)
# Each one differs from the usual reports in one field.
odd: st.SearchStrategy[Event] = st.builds(
    lambda event, changed: msgspec.structs.replace(event, **changed),
    usual,
    st.sampled_from(
        [
            *({"job_id": "b"}, {"phase": "exporting"}, {"phase": "completed"}, {"progress": float("nan")}),
            *({"progress": 101.0}, {"photo_id": 7}, {"done": 3}, {"producer": "two"}, {"producer": None}),
            *({"producer_seq": None}, {"producer_seq": -3}, {"producer_seq": 3}, {"age_seconds": 5.0}),
        ]
    ),
)
known: dict[str, Any] = {"job_id": "a", "producer": "one", "producer_seq": 0}
others: st.SearchStrategy[Event] = st.sampled_from(
    [PhaseCompleted(phase="importing", **known), JobCompleted(**known), JobStarted(photo_id=5, **known)]
)
some = st.lists(usual, min_size=2, max_size=3)
reports = st.lists(st.tuples(some, odd | others), min_size=1, max_size=4).map(
    lambda parts: [event for few, other in parts for event in (*few, other)]
)
Taken = tuple[list[object], list[dict[str, Any]], list[dict[str, Any]]]


async def effect_of(groups: Sequence[Sequence[Event]], worker_of: Callable[[Event], str]) -> Taken:
    """Return the outcomes of events that arrive in these groups, the messages, and the jobs."""
    with tempfile.TemporaryDirectory() as directory:
        async with open_tracker(Path(directory), clock=HandClock()) as tracker:
            outcomes: list[object] = []
            for group in groups:
                taken = await tracker.take_all(group, worker_of)
                outcomes += [outcome if isinstance(outcome, int) else str(outcome) for outcome in taken.outcomes]
            await tracker.report(JobStarted(job_id="end"))
            messages = [{**message, "epoch": ""} for message in messages_of(tracker)]
            return outcomes, messages, [everything_in(job) for job in tracker.jobs()]


@settings(max_examples=examples(50))
@given(reports)
async def test_a_report_has_the_same_effect_alone_and_among_others(events: list[Event]) -> None:
    for index, event in enumerate(events):
        if event.producer_seq is not None:
            events[index] = msgspec.structs.replace(event, producer_seq=max(0, index + event.producer_seq))
    first = [JobStarted(job_id=name) for name in "ab"]
    together, alone = set[str](), set[str]()

    def worker_of(known: set[str]) -> Callable[[Event], str]:
        def note(event: Event) -> str:
            known.add(str(event.producer))
            return str(event.producer)

        return note

    one_by_one = await effect_of([[event] for event in [*first, *events]], worker_of(alone))
    assert await effect_of([[*first, *events]], worker_of(together)) == one_by_one
    assert together == alone


async def test_two_large_batches_about_one_job_take_the_quick_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand, applied = HandClock(), list[Event]()
    apply = Job.apply

    def note(job: Job, event: Event, now: Moment) -> tuple[PhaseDuration, ...]:
        applied.append(event)
        return apply(job, event, now)

    def clock() -> Moment:
        hand.advance(0.001)
        return hand()

    monkeypatch.setattr(Job, "apply", note)
    batch = [JobProgress(job_id="a", phase="importing", progress=50.0) for _ in range(10_000)]
    async with open_tracker(tmp_path, clock=clock) as tracker, trio.open_nursery() as nursery:
        await tracker.report(JobStarted(job_id="a"))
        for _ in range(2):  # they join the groups in parts, in turns
            nursery.start_soon(tracker.take_all, batch)
    assert len(applied) == 2  # the start, and the first report of the phase
