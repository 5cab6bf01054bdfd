"""The estimated starts and ends of queued jobs."""

from typing import Any

import pytest

from phaseline.model.events import JobCompleted, JobProgress, JobQueued, JobStarted, OrderGiven, OrderTaken
from phaseline.model.snapshot import Snapshot
from phaseline_server.jobs.tracker import Tracker
from tests.support.tracking import HandClock, MakeTracker, messages_of

OF_QUEUE: dict[str, Any] = {"workflow": "w", "phases": ("work",), "queue": "gpu", "host": "box"}


async def learned(tracker: Tracker, clock: HandClock) -> None:
    """Make the server learn that such a job takes 100 s."""
    for number in range(6):
        job_id = f"past-{number}"
        await tracker.report(JobStarted(job_id=job_id, **OF_QUEUE))
        await tracker.report(JobProgress(job_id=job_id, phase="work"))
        clock.advance(100)
        await tracker.report(JobCompleted(job_id=job_id))


async def begin(tracker: Tracker, job_id: str, **fields: Any) -> None:
    await tracker.report(JobStarted(job_id=job_id, **OF_QUEUE, **fields))
    await tracker.report(JobProgress(job_id=job_id, phase="work"))


async def queue(tracker: Tracker, job_id: str, position: int | None, **fields: Any) -> None:
    await tracker.report(JobQueued(job_id=job_id, position=position, **OF_QUEUE | fields))


def starts_in(snapshot: Snapshot) -> float | None:
    return None if snapshot.begins_ns is None else snapshot.begins_ns / 1e9


async def test_a_queued_job_starts_when_those_before_it_have_ended(make_tracker: MakeTracker) -> None:
    clock = HandClock()
    tracker = await make_tracker(clock)
    await learned(tracker, clock)
    await begin(tracker, "a")
    clock.advance(40)
    await begin(tracker, "b")
    for place, job_id in enumerate("cde", 1):
        await queue(tracker, job_id, place)
    clock.advance(2)
    found = {job_id: tracker.snapshot(job_id) for job_id in "cde"}
    assert [starts_in(found[job_id]) for job_id in "cde"] == pytest.approx([58, 98, 158], abs=2)
    ends = [(found[job_id].estimate.remaining_ns or 0) / 1e9 for job_id in "cde"]
    assert ends == pytest.approx([158, 198, 258], abs=2)
    await queue(tracker, "f", 4)
    message = messages_of(tracker)[-1]
    assert (message["type"], message["state"]) == ("job_queued", "queued")
    assert message["start_eta_seconds"] == pytest.approx(198, abs=3)


async def test_a_start_is_unknown_unless_all_that_it_depends_on_is_known(make_tracker: MakeTracker) -> None:
    clock = HandClock()
    tracker = await make_tracker(clock)
    await queue(tracker, "first", 1)
    clock.advance(2)
    assert starts_in(tracker.snapshot("first")) is None, "nothing runs, so the number of slots is unknown"
    await begin(tracker, "new")
    clock.advance(2)
    assert starts_in(tracker.snapshot("first")) is None, "no such job has ended so far"
    await tracker.report(JobCompleted(job_id="new"))
    await learned(tracker, clock)
    await begin(tracker, "a", orders=("pause",))
    clock.advance(2)
    assert starts_in(tracker.snapshot("first")) is not None
    await queue(tracker, "anywhere", None)
    await queue(tracker, "elsewhere", 1, host="other")
    await tracker.report(OrderGiven(job_id="a", order_id="o", order="pause"))
    await tracker.report(OrderTaken(job_id="a", order_id="o", order="pause"))
    clock.advance(2)
    for job_id in ("first", "anywhere", "elsewhere"):
        snapshot = tracker.snapshot(job_id)
        assert (starts_in(snapshot), snapshot.estimate.remaining_ns) == (None, None), job_id
