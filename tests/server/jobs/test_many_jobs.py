"""Lists and snapshots of many jobs: their cost, and their consistency with one position."""

import msgspec
import pytest
import trio

from phaseline.errors import UnknownJob
from phaseline.model.events import JobCompleted, JobProgress, JobStarted
from phaseline.model.job import Job
from phaseline.model.snapshot import Moment, Snapshot
from phaseline.wire import JobStatus
from phaseline_server.jobs.messages import JobMessages
from phaseline_server.jobs.states import JobsState
from phaseline_server.jobs.tracker import Tracker
from tests.support.tracking import HandClock, MakeTracker


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the jobs whose snapshots are made, in order."""
    ids: list[str] = []
    real = JobMessages.snapshot

    def snapshot(messages: JobMessages, job: Job, moment: Moment) -> Snapshot:
        ids.append(job.job_id)
        return real(messages, job, moment)

    monkeypatch.setattr(JobMessages, "snapshot", snapshot)
    return ids


async def with_jobs(make_tracker: MakeTracker, count: int) -> Tracker:
    tracker = await make_tracker()
    for number in range(count):
        await tracker.report(JobStarted(job_id=f"job {number}"))
    return tracker


def statuses(state: JobsState) -> dict[str, JobStatus]:
    found = [msgspec.json.decode(status, type=JobStatus) for status in state.statuses]
    return {status.job_id: status for status in found}


async def test_all_requests_at_a_position_share_one_encoded_state(
    make_tracker: MakeTracker, encoded: list[str]
) -> None:
    tracker = await with_jobs(make_tracker, 5)
    encoded.clear()
    states: list[JobsState] = []

    async def ask() -> None:
        states.append(await tracker.state())

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask)
    assert len(encoded) == 5
    assert states[0] is states[1] is states[2]
    assert states[0].frames(recovered=None, batch=True) is states[1].frames(recovered=None, batch=True)


async def test_after_a_report_only_its_job_is_encoded_again(make_tracker: MakeTracker, encoded: list[str]) -> None:
    tracker = await with_jobs(make_tracker, 5)
    before = await tracker.state()
    encoded.clear()
    await tracker.report(JobProgress(job_id="job 3", phase="importing"))
    after = await tracker.state()
    assert encoded == ["job 3"]
    assert (before.position.seq, after.position.seq) == (5, 6)


async def test_a_state_is_built_again_after_a_second_at_the_same_position(make_tracker: MakeTracker) -> None:
    clock = HandClock()
    tracker = await make_tracker(clock)
    await tracker.report(JobStarted(job_id="a"))
    assert statuses(await tracker.state())["a"].elapsed_seconds == 0
    clock.advance(2)
    assert statuses(await tracker.state())["a"].elapsed_seconds == 2


async def test_a_state_is_of_its_position_despite_changes_while_it_is_encoded(
    make_tracker: MakeTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = trio.Event()

    class Held:
        async def offer(self) -> None:
            await release.wait()

    monkeypatch.setattr("phaseline_server.jobs.states.Turns", Held)
    tracker = await with_jobs(make_tracker, 50)
    states: list[JobsState] = []

    async def ask() -> None:
        states.append(await tracker.state())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.lowlevel.checkpoint()
        await tracker.report(JobCompleted(job_id="job 49"))
        await tracker.report(JobStarted(job_id="another"))
        tracker.forget("job 49")
        release.set()
    with pytest.raises(UnknownJob):
        tracker.snapshot("job 49")
    [state], found = states, statuses(states[0])
    assert (state.position.seq, list(found)) == (50, [f"job {number}" for number in range(50)])
    assert found["job 49"].state == "active"
