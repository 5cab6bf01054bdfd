"""Large batches and jobs of many phases: the cost of a report, and the consistency for other tasks meanwhile."""

import sys
from collections.abc import Iterable, Sequence
from types import FrameType
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from phaseline.errors import DiskFull
from phaseline.eta.model import ModelEngine
from phaseline.model.events import Event, JobProgress, JobStarted, PhaseCompleted
from phaseline.model.job import Job
from phaseline.model.states import PhaseState
from phaseline.model.statistics import Statistics
from phaseline.wire import job_status
from phaseline_server.jobs.receipts import BatchReceipt
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.log.batch import Batch
from phaseline_server.log.memory import MemoryStore
from phaseline_server.log.stream import Log
from tests.support.core_events import everything_in, moment
from tests.support.tracking import HandClock, messages_of


def names(count: int) -> tuple[str, ...]:
    return tuple(f"phase {number}" for number in range(count))


def tracker_on(store: MemoryStore) -> Tracker:
    return Tracker(Log(store, 10_000, 1000), ModelEngine(), Statistics(), max_jobs=100, clock=HandClock())


async def calls_per_report(phases: int, events: Iterable[Event]) -> float:
    """Return the number of function calls that the tracker makes for each event of a batch."""
    tracker, calls, events = tracker_on(MemoryStore()), 0, list(events)

    def count(frame: FrameType, event: str, _: Any) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    async with tracker.keeping():
        await tracker.report(JobStarted(job_id="a", phases=names(phases)))
        sys.setprofile(count)
        try:
            taken = await tracker.take_all(events)
        finally:
            sys.setprofile(None)
        await taken.wait()
    assert all(isinstance(outcome, int) for outcome in taken.outcomes)
    return calls / len(events)


@pytest.mark.slow
@pytest.mark.parametrize("progress", [False, True])
async def test_the_cost_of_a_report_does_not_depend_on_the_number_of_phases(*, progress: bool) -> None:
    def events(phases: int) -> Sequence[Event]:
        if progress:
            return [JobProgress(job_id="a", phase=name, progress=50) for name in names(phases)]
        return [PhaseCompleted(job_id="a", phase=name) for name in names(phases)] * (500 // phases)

    few, many = await calls_per_report(20, [*events(20)] * 25), await calls_per_report(500, events(500))
    assert many < 2 * few + 50


class Slow(MemoryStore):
    """A log whose next commit waits, and then fails if `error` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[int] = []
        self.release = trio.Event()
        self.release.set()
        self.error: DiskFull | None = None

    async def commit(self, batch: Batch) -> None:
        await self.release.wait()
        if self.error is not None:
            raise self.error
        self.groups.append(len(batch.messages))
        await super().commit(batch)


@pytest.fixture
def _short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phaseline_server.jobs.turns._TURN_S", 0.0)


@pytest.fixture
def _short_parts(_short_turns: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phaseline_server.jobs.joining._PART_S", 0.0)


@pytest.mark.usefixtures("_short_turns")
async def test_a_batch_lets_others_report_and_is_stored_as_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phaseline_server.jobs.joining._PART_S", 1000.0)
    store = Slow()
    tracker = tracker_on(store)
    batch = [PhaseCompleted(job_id="a", phase="importing")] * 200
    receipts: list[BatchReceipt] = []

    async def report_batch() -> None:
        receipts.append(await tracker.take_all(batch))

    async with tracker.keeping(), trio.open_nursery() as nursery:
        for job_id in "ab":
            await tracker.report(JobStarted(job_id=job_id))
        nursery.start_soon(report_batch)
        nursery.start_soon(report_batch)
        await trio.lowlevel.checkpoint()
        other = await tracker.take_all([JobProgress(job_id="b", phase="importing")])
        assert not receipts  # it was served in between
        await other.wait()
    [first, second] = receipts
    assert first.kept
    assert second.kept
    assert store.groups == [1, 1, 401]


async def test_a_batch_of_many_jobs_is_stored_in_groups_of_limited_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phaseline_server.jobs.joining._MOST_JOBS", 20)
    store = Slow()
    store.release = trio.Event()
    tracker = tracker_on(store)

    async with tracker.keeping(), trio.open_nursery() as nursery:
        for job_id in "ab":
            nursery.start_soon(tracker.take_all, [JobStarted(job_id=f"{job_id}{number}") for number in range(40)])
        with trio.fail_after(60):
            while not (tracker._intake.committing.messages and len(tracker._intake.gathering.messages) >= 20):
                await trio.lowlevel.checkpoint()
        store.release.set()
    assert sum(store.groups) == 80
    assert max(store.groups) <= 30, "a few more than 20, as a part takes one at least"


@pytest.mark.usefixtures("_short_turns")
async def test_a_batch_built_on_a_group_that_fails_is_rejected_whole() -> None:
    store = Slow()
    tracker = tracker_on(store)
    async with tracker.keeping(), trio.open_nursery() as nursery:
        await tracker.report(JobStarted(job_id="a"))
        store.release, store.error = trio.Event(), DiskFull("no room")
        tracker.take(JobProgress(job_id="a", phase="importing"))
        await trio.testing.wait_all_tasks_blocked()

        async def report_batch() -> None:
            taken = await tracker.take_all([JobProgress(job_id="a", phase="exporting")] * 50)
            with pytest.raises(DiskFull):
                await taken.wait()

        nursery.start_soon(report_batch)
        await trio.lowlevel.checkpoint()
        store.release.set()
    store.error = None
    assert tracker.log.top.seq == 1
    assert tracker.snapshot("a").phase == ""


@pytest.mark.usefixtures("_short_parts")
async def test_a_report_beside_a_large_batch_does_not_wait_for_all_of_it() -> None:
    store = Slow()
    tracker = tracker_on(store)
    receipts: list[BatchReceipt] = []

    async def report_batch() -> None:
        receipts.append(await tracker.take_all([PhaseCompleted(job_id="a", phase="importing")] * 200))

    async with tracker.keeping():
        for job_id in "ab":
            await tracker.report(JobStarted(job_id=job_id))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(report_batch)
            await trio.lowlevel.checkpoint()
            await (await tracker.take_all([JobProgress(job_id="b", phase="importing")])).wait()
            assert not receipts
        await receipts[0].wait()
        assert receipts[0].kept
    assert len(store.groups) > 3
    assert sum(store.groups) == 203


@pytest.mark.usefixtures("_short_parts")
async def test_the_rest_of_a_batch_is_rejected_once_a_part_could_not_be_stored() -> None:
    store = Slow()
    tracker = tracker_on(store)
    receipts: list[BatchReceipt] = []

    async def report_batch() -> None:
        receipts.append(await tracker.take_all([PhaseCompleted(job_id="a", phase="importing")] * 200))

    async with tracker.keeping():
        for job_id in "ab":
            await tracker.report(JobStarted(job_id=job_id))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(report_batch)
            await trio.lowlevel.checkpoint()
            await (await tracker.take_all([JobProgress(job_id="b", phase="importing")])).wait()
            store.error = DiskFull("no room")
            with pytest.raises(DiskFull):
                await (await tracker.take_all([JobProgress(job_id="b", phase="importing")])).wait()
        [taken] = receipts
        with pytest.raises(DiskFull):
            await taken.wait()
        assert taken.kept_in_part
        stored = tracker.log.top.seq
        outcomes = taken.settled().outcomes
        numbers = [outcome for outcome in outcomes if isinstance(outcome, int)]
        assert 0 < len(numbers) < 200
        assert max(numbers) <= stored
        assert all(isinstance(outcome, int) for outcome in outcomes[: len(numbers)])
        assert all(isinstance(outcome, DiskFull) for outcome in outcomes[len(numbers) :])


@pytest.mark.parametrize("count", [1, 50])
async def test_reports_after_a_failed_report_of_the_same_client_are_rejected(count: int) -> None:
    tracker, failed, receipts = tracker_on(MemoryStore()), list[DiskFull](), list[BatchReceipt]()

    async def report_batch() -> None:
        batch = [JobStarted(job_id=f"b{number}") for number in range(count)]
        receipts.append(await tracker.take_all(batch, failed=lambda: next(iter(failed), None)))

    async with tracker.keeping(), trio.open_nursery() as nursery:
        await tracker._intake.open.acquire()  # as while a batch of another client joins; few reports don't wait for it
        if count == 1:
            failed.append(DiskFull("no room"))
        nursery.start_soon(report_batch)
        await trio.testing.wait_all_tasks_blocked()
        if count > 1:
            failed.append(DiskFull("no room"))
        tracker._intake.open.release()
    assert receipts[0].outcomes == failed * count
    assert tracker.log.top.seq == 0


async def test_the_last_message_of_a_group_has_the_estimate_of_the_jobs_state() -> None:
    tracker = tracker_on(MemoryStore())
    async with tracker.keeping():
        await tracker.report(JobStarted(job_id="a", phases=names(100)))
        clock = tracker.clock
        assert isinstance(clock, HandClock)
        clock.advance(10)
        await tracker.report(JobProgress(job_id="a", phase="phase 0", progress=50))
        clock.advance(10)
        done = [PhaseCompleted(job_id="a", phase=f"phase {number}") for number in range(80)]
        await (await tracker.take_all([*done, JobProgress(job_id="a", phase="phase 80", progress=10)])).wait()
        last = messages_of(tracker)[-1]
        status = job_status(tracker.snapshot("a"))
        assert (last["stage"], last["stage_index"], last["progress"]) == ("phase 80", 81, 10)
        assert (last["percent"], last["eta_seconds"]) == (status.percent, status.eta_seconds)
        assert last["percent"] > messages_of(tracker)[-2]["percent"]


steps_of_phases = st.lists(st.tuples(st.sampled_from(["enter", "end", "skip"]), st.integers(0, 7)), max_size=30)


@given(steps_of_phases, st.integers(0, 5))
def test_the_phase_reached_is_the_last_that_is_not_pending(steps: list[tuple[str, int]], declared: int) -> None:
    job = Job("a")
    job.apply(JobStarted(job_id="a", workflow="w", phases=names(declared)), moment(0))
    for second, (kind, number) in enumerate(steps, 1):
        name = f"phase {number}"
        event: Event = JobProgress(job_id="a", phase=name)
        if kind != "enter":
            event = PhaseCompleted(job_id="a", phase=name, skipped=kind == "skip")
        before, job = job, job.copy()
        known = everything_in(before)
        job.apply(event, moment(second))
        assert everything_in(before) == known
        begun = [index for index, phase in enumerate(job.phases) if phase.state is not PhaseState.PENDING]
        assert job.timeline.reached() == (begun[-1] if job.current is None else job.current)
        assert [job.timeline.index(phase.name) for phase in job.phases] == list(range(len(job.phases)))
