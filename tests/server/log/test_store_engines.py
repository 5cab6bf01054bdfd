"""What a `Store` does, whichever engine it is: the conformance suite of `phaseline_server.log.protocol`."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from phaseline.eta import EmaEngine
from phaseline.model.events import JobStarted
from phaseline.model.phase import PhaseDuration
from phaseline.model.snapshot import Moment, State
from phaseline.model.statistics import Average, Statistics
from phaseline.stream import SYSTEM, Message, Position
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.log.batch import Batch, JobRow, RunRow
from phaseline_server.log.learned import Learned, Outcomes, PhaseFailures, SlowRun
from phaseline_server.log.memory import MemoryStore
from phaseline_server.log.packing import LARGEST
from phaseline_server.log.protocol import Retention, Store
from phaseline_server.log.stream import Log
from tests.support.journals import batch, messages
from tests.support.stores import ENGINES, ENGINES_FOR_MANY_LOGS, OpenStore, opener
from tests.support.tracking import HandClock, run_job

Open = Callable[..., Awaitable[Store]]


@pytest.fixture(params=[*ENGINES, "memory"])
async def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Open empty stores with these limits, until the end of the test."""
    opened: list[Store] = []
    open_at = None if request.param == "memory" else opener(request)

    async def open_one(**limits: Any) -> Store:
        if open_at is None:
            return MemoryStore(Retention(**limits))
        data_dir = tmp_path / f"data{len(opened)}"
        data_dir.mkdir()
        opened.append(await open_at(data_dir, Retention(**limits)))
        return opened[-1]

    yield open_one
    for store in opened:
        await store.close()


@pytest.fixture(scope="module", params=ENGINES)
def open_at(request: pytest.FixtureRequest) -> OpenStore:
    """Open the lasting log of a directory."""
    return opener(request)


def job_row(job_id: str, seq: int, *, ended_ns: int | None = None, lost_ns: int | None = None) -> JobRow:
    """Return a job that is active, has ended, or is lost; its record is its name and number."""
    state = State.COMPLETED if ended_ns else State.LOST if lost_ns else State.ACTIVE
    return JobRow(job_id, seq, state, ended_ns or lost_ns or seq, ended_ns, f"{job_id}{seq}".encode())


def run_row(
    seq: int, *, state: str = "completed", phase: str = "render", duration_ns: int = 1, workflow: str = "film"
) -> RunRow:
    body = b"{}" if state == "completed" else None
    return RunRow(seq, 10 * seq, f"job{seq}", workflow, "trailer", state, phase, duration_ns, body)


async def numbers(store: Store, after: int = 0, limit: int = 10**6) -> list[int]:
    return [message.seq for message in await store.events(after, limit)]


async def names(store: Store, ended_since_ns: int = 0, most_jobs: int = 100) -> list[str]:
    return [record.decode() for record in (await store.load(ended_since_ns, most_jobs)).records]


async def prune_all(store: Store, now_ns: int) -> None:
    with trio.fail_after(60):
        while await store.prune(Moment(now_ns, now_ns)):
            pass


# ---------------------------------------------------------------------------------------- events


async def test_a_new_store_is_empty_and_has_never_learned(open_store: Open) -> None:
    store = await open_store()
    assert (store.top, store.oldest) == (0, 1)
    assert await store.events(0, 10) == ()
    assert await store.job("a") is None
    kept = await store.load(0, 100)
    assert (list(kept.records), dict(kept.producers), kept.averages, kept.counts) == ([], {}, None, (0, 0))
    assert await store.learned() == Learned({}, [], [])
    assert await store.outcomes(9) == Outcomes([], [])


async def test_each_store_has_an_epoch_of_its_own_and_a_name(open_store: Open) -> None:
    one, other = await open_store(), await open_store()
    epoch = one.epoch
    await one.commit(batch(1, 3))
    assert one.epoch == epoch != other.epoch
    assert one.name


async def test_events_come_back_as_they_were_committed(open_store: Open) -> None:
    store = await open_store()
    sent = (
        *messages(1, 3),
        Message(4, "notice", "", frozenset({SYSTEM}), b'{"seq":4}', SYSTEM),
        Message(5, "photo_info", "a", frozenset({"photos", "job:a"}), b'{"seq":5}'),
    )
    await store.commit(Batch(at=Moment(1, 1), messages=sent[:2]))
    await store.commit(Batch(at=Moment(2, 2), messages=sent[2:]))
    assert await store.events(0, 100) == sent
    assert (store.top, store.oldest) == (5, 1)


async def test_any_part_of_the_stream_can_be_read(open_store: Open) -> None:
    store, last = await open_store(), 0
    for count in (1, 1, 3, 250, 251, 700, 1, 1):
        await store.commit(batch(last + 1, last + count))
        last += count
    for after in (0, 1, 4, 5, 254, 255, 256, 504, 505, last - 1, last, last + 1):
        for limit in (1, 2, 249, 250, 251, 5000):
            assert await numbers(store, after, limit) == list(range(after + 1, min(last, after + limit) + 1))


async def test_a_batch_without_events_moves_no_number(open_store: Open) -> None:
    store = await open_store()
    await store.commit(batch(1, 3))
    await store.commit(Batch(at=Moment(2, 2), messages=(), averages={("film", "render"): Average(1, 2)}, counts=(1, 0)))
    assert (store.top, store.oldest, await numbers(store)) == (3, 1, [1, 2, 3])


async def test_the_newest_events_stay_and_older_ones_leave(open_store: Open) -> None:
    store = await open_store(events=1000)
    for first in range(1, 5001, 100):
        await store.commit(batch(first, first + 99))
        assert store.oldest <= max(1, store.top - 999)
    assert store.oldest > store.top - 1000 - LARGEST
    assert await numbers(store) == list(range(store.oldest, 5001))


async def test_old_events_leave_but_the_newest_one_stays(open_store: Open) -> None:
    store = await open_store(age_s=100e-9)
    await store.commit(batch(1, 2500, at_ns=10))
    await store.commit(batch(2501, 2510, at_ns=50))
    await prune_all(store, 110)
    assert (store.oldest, await numbers(store)) == (1, list(range(1, 2511)))
    await prune_all(store, 111)
    assert (store.oldest, await numbers(store)) == (2501, list(range(2501, 2511)))
    await prune_all(store, 10**6)
    assert (store.top, (await numbers(store))[-1]) == (2510, 2510)
    assert await numbers(store) == list(range(store.oldest, 2511))


async def test_a_commit_is_not_cancelled(open_store: Open) -> None:
    store = await open_store()
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.commit(batch(1, 3))
    assert not scope.cancelled_caught
    assert (store.top, await numbers(store)) == (3, [1, 2, 3])


# ---------------------------------------------------------------------------------------- jobs and producers


async def test_a_job_is_as_its_latest_batch_left_it(open_store: Open) -> None:
    store = await open_store()
    await store.commit(batch(1, 2, jobs=[job_row("a", 1), job_row("b", 2)]))
    await store.commit(batch(3, 4, jobs=[job_row("a", 4, ended_ns=9)]))
    assert (await store.job("a"), await store.job("b"), await store.job("c")) == (b"a4", b"b2", None)
    await store.commit(batch(5, 5, jobs=[job_row("a", 5)]))
    assert await names(store, ended_since_ns=10**6) == ["b2", "a5"]


async def test_active_jobs_are_loaded_before_those_that_ended_last(open_store: Open) -> None:
    store = await open_store()
    ended = [job_row("old", 1, ended_ns=10), job_row("new", 2, ended_ns=30), job_row("mid", 3, ended_ns=20)]
    await store.commit(batch(1, 6, jobs=[*ended, job_row("active", 4), job_row("lost", 5, lost_ns=1)]))
    assert [await names(store, since_ns, most) for since_ns, most in ((0, 9), (20, 9), (0, 3), (0, 1))] == [
        ["old1", "new2", "mid3", "active4", "lost5"],
        ["new2", "mid3", "active4", "lost5"],
        ["new2", "active4", "lost5"],
        ["active4", "lost5"],
    ]


async def test_ended_jobs_leave_by_age_and_count_and_active_ones_stay(open_store: Open) -> None:
    store = await open_store(jobs=3, age_s=100e-9)
    for number in range(1, 8):
        ended = job_row(f"job{number}-", number, ended_ns=number)
        await store.commit(batch(number, number, at_ns=number, jobs=[ended]))
    await store.commit(batch(8, 8, at_ns=8, jobs=[job_row("active", 8)]))
    left = []
    for now_ns in (50, 106, 10**9):
        await prune_all(store, now_ns)
        left.append(await names(store))
    assert left == [["job5-5", "job6-6", "job7-7", "active8"], ["job6-6", "job7-7", "active8"], ["active8"]]


async def test_no_ended_job_stays_where_none_may(open_store: Open) -> None:
    store = await open_store(jobs=0)
    await store.commit(batch(1, 2, jobs=[job_row("a", 1, ended_ns=5), job_row("b", 2)]))
    await prune_all(store, 6)
    assert await names(store) == ["b2"]


async def test_lost_jobs_leave_by_age(open_store: Open) -> None:
    store = await open_store(jobs=1, age_s=100e-9)
    await store.commit(batch(1, 1, at_ns=19, jobs=[job_row("long", 1, lost_ns=19)]))
    await store.commit(batch(2, 3, at_ns=20, jobs=[job_row("lately", 2, lost_ns=20), job_row("silent", 3)]))
    await prune_all(store, 120)
    assert await names(store) == ["lately2", "silent3"]


async def test_many_jobs_that_are_too_old_leave_in_the_end(open_store: Open) -> None:
    store = await open_store(age_s=100e-9)
    rows = [job_row(f"ended{seq}-", seq, ended_ns=seq) for seq in range(1, 2501)]
    rows += [job_row(f"lost{seq}-", seq, lost_ns=seq) for seq in range(2501, 5001)]
    await store.commit(batch(1, 5001, jobs=[*rows, job_row("active", 5001)]))
    await prune_all(store, 10**6)
    assert await names(store, most_jobs=10**6) == ["active5001"]


async def test_a_producers_latest_report_counts_and_the_most_silent_one_leaves_first(open_store: Open) -> None:
    store = await open_store(producers=2)
    one, two, three = ("", "one", "a"), ("token", "one", "a"), ("token", "one", "b")
    await store.commit(batch(1, 3, producers={one: (7, 1), two: (1, 2), three: (5, 3)}))
    await store.commit(batch(4, 4, producers={one: (8, 4)}))
    assert list((await store.load(0, 0)).producers.items()) == [(three, (5, 3)), (one, (8, 4))]
    await prune_all(store, 1)
    assert list((await store.load(0, 0)).producers.items()) == [(three, (5, 3)), (one, (8, 4))]


# ---------------------------------------------------------------------------------------- what is learned


async def test_averages_and_counts_are_replaced(open_store: Open) -> None:
    store = await open_store()
    load, render = ("film", "load"), ("film", "render")
    await store.commit(batch(1, 1, averages={load: Average(1, 10), render: Average(1, 20)}, counts=(1, 0)))
    await store.commit(batch(2, 2, averages={render: Average(2, 22)}, counts=(2, 1)))
    await store.commit(batch(3, 3))
    kept = await store.load(0, 0)
    assert kept.averages == {load: Average(1, 10), render: Average(2, 22)}
    assert kept.counts == (2, 1)


async def test_averages_that_are_dropped_do_not_come_back(open_store: Open) -> None:
    store = await open_store()
    load, render = ("film", "load"), ("film", "render")
    await store.commit(batch(1, 1, averages={load: Average(1, 10)}, counts=(1, 0)))
    await store.commit(batch(2, 2, averages={render: Average(1, 20)}, dropped=[load], counts=(2, 0)))
    assert (await store.load(0, 0)).averages == {render: Average(1, 20)}


async def test_a_batch_can_forget_all_averages_before_its_own(open_store: Open) -> None:
    store = await open_store()
    load, render = ("film", "load"), ("film", "render")
    await store.commit(batch(1, 1, averages={load: Average(9, 10), render: Average(9, 20)}, counts=(8, 9)))
    await store.commit(batch(2, 2, averages={render: Average(1, 5)}, counts=(1, 0), forget=True))
    kept = await store.load(0, 0)
    assert (kept.averages, kept.counts) == ({render: Average(1, 5)}, (1, 0))
    await store.commit(Batch(at=Moment(3, 3), messages=(), forget=True))
    kept = await store.load(0, 0)
    assert (kept.averages, kept.counts, store.top) == ({}, (0, 0), 2)


async def test_learned_states_are_replaced_and_removed(open_store: Open) -> None:
    store = await open_store()
    await store.save_learned([("model", "a", b"1"), ("model", "b", b"2"), ("scores", "a", b"3")])
    await store.save_learned([("model", "a", b"4")], gone={("model", "b"), ("model", "never there")})
    await store.save_learned([])
    assert (await store.learned()).states == {("model", "a"): b"4", ("scores", "a"): b"3"}


async def test_runs_and_durations_come_back_oldest_first_and_only_runs_that_teach(open_store: Open) -> None:
    store = await open_store()
    durations = [PhaseDuration("film", "trailer", "load", 3), PhaseDuration("film", "trailer", "render", 5)]
    await store.commit(batch(1, 2, runs=[run_row(1), run_row(2, state="failed")], durations=durations))
    await store.commit(batch(3, 3, runs=[run_row(3)], durations=durations[:1]))
    learned = await store.learned()
    assert [tuple(run) for run in learned.runs] == [(seq, "film", "trailer", b"{}") for seq in (1, 3)]
    assert learned.durations == [
        ("film", "trailer", phase, ns) for phase, ns in (("load", 3), ("render", 5), ("load", 3))
    ]


async def test_the_newest_runs_and_durations_stay(open_store: Open) -> None:
    store = await open_store(runs=3, durations=4)
    for seq in range(1, 11):
        await store.commit(
            batch(seq, seq, runs=[run_row(seq)], durations=[PhaseDuration("film", "trailer", "load", seq)])
        )
    await prune_all(store, 1)
    learned = await store.learned()
    assert [run.seq for run in learned.runs] == [8, 9, 10]
    assert [duration_ns for *_, duration_ns in learned.durations] == [7, 8, 9, 10]


async def test_outcomes_name_the_phases_that_failed_most_and_the_slowest_runs_of_each_workflow(
    open_store: Open,
) -> None:
    store = await open_store()
    failed = [("load", 1), ("render", 2), ("render", 3), ("write", 4), ("write", 5), ("write", 6)]
    runs = [run_row(seq, state="failed", phase=phase, duration_ns=999) for phase, seq in failed]
    runs += [run_row(7, duration_ns=50), run_row(8, duration_ns=70), run_row(9, duration_ns=60)]
    runs += [run_row(11, duration_ns=3, workflow="photo"), run_row(12, duration_ns=4, workflow="photo")]
    await store.commit(batch(1, 9, runs=[*runs, run_row(10, state="cancelled", duration_ns=999)]))
    assert await store.outcomes(2) == Outcomes(
        [PhaseFailures("film", "write", 3), PhaseFailures("film", "render", 2)],
        [
            SlowRun("job8", "film", "trailer", 70, 80),
            SlowRun("job12", "photo", "trailer", 4, 120),
            SlowRun("job9", "film", "trailer", 60, 90),
            SlowRun("job11", "photo", "trailer", 3, 110),
        ],
    )


# ---------------------------------------------------------------------------------------- engines beside each other


async def test_a_tracker_works_on_any_engine(open_store: Open) -> None:
    store, statistics = await open_store(), Statistics()
    log = Log(store, 2, 1000)
    tracker = Tracker(log, EmaEngine(statistics), statistics, max_jobs=1, clock=HandClock())
    async with tracker.keeping():
        for name in "abc":
            await run_job(tracker, name)
        await tracker.report(JobStarted(job_id="d", producer="box", producer_seq=4))
        assert [message.seq for message in await log.since(Position(store.epoch, 0))] == list(range(1, 11))
        assert (await tracker.find("a")).state is State.COMPLETED
    kept = await store.load(0, 100)
    assert kept.producers == {("", "box", "d"): (4, 10)}
    assert kept.averages == statistics.averages != {}


Step = tuple[str, int, str]
SMALL = Retention(events=12, jobs=2, age_s=12e-9, producers=2, durations=3, runs=3)
JOBS = "abcd"
STATES = ("active", "lost", "ended")
# What is done, how many events come, and to which job. More than half of all steps are commits.
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(STATES), st.integers(1, 4), st.sampled_from(JOBS)),
        st.tuples(st.sampled_from((*STATES, "forget", "learn", "unlearn", "prune")), st.just(1), st.sampled_from(JOBS)),
    ),
    min_size=12,
    max_size=30,
)


class Both:
    """Stores to which the same is done, at times and with figures that never come twice."""

    def __init__(self, *stores: Store) -> None:
        self.stores = stores
        self.now_ns = 0

    async def do(self, step: Step) -> None:
        kind, count, name = step
        self.now_ns += 3
        for store in self.stores:
            if kind == "prune":
                await prune_all(store, self.now_ns)
            elif kind == "learn":
                await store.save_learned([("model", name, b"%d" % self.now_ns)])
            elif kind == "unlearn":
                await store.save_learned([], {("model", name)})
            elif kind == "forget":
                await store.commit(Batch(at=Moment(self.now_ns, self.now_ns), messages=(), forget=True))
            else:
                await store.commit(self.batch(store.top, count, name, kind))

    def batch(self, top: int, count: int, name: str, state: str) -> Batch:
        """Return a batch of `count` events that leave a job in this state."""
        seq, ended = top + count, state == "ended"
        at_ns = {} if state == "active" else {f"{state}_ns": self.now_ns}
        return batch(
            top + 1,
            seq,
            at_ns=self.now_ns,
            jobs=[job_row(name, seq, **at_ns)],
            producers={("", name, name): (count, seq)},
            runs=[run_row(seq, state="failed" if name == "a" else "completed", duration_ns=seq)] if ended else [],
            durations=[PhaseDuration("film", "trailer", name, seq)] if ended else [],
            averages={("film", name): Average(count, seq)} if ended else {},
            counts=(seq, count) if ended else None,
        )


async def found_in(store: Store, first: int, since_ns: int) -> tuple[Any, ...]:
    """Return all that a store answers: events from number `first` on, and jobs that ended since or lately."""
    loads = [await store.load(0, 100), await store.load(since_ns, 100), await store.load(0, 3)]
    return (
        store.top,
        await store.events(first - 1, 100),
        [(list(kept.records), list(kept.producers.items()), kept.averages, kept.counts) for kept in loads],
        [await store.job(name) for name in JOBS],
        await store.learned(),
        await store.outcomes(2),
    )


@pytest.fixture(scope="module", params=ENGINES_FOR_MANY_LOGS)
def open_often(request: pytest.FixtureRequest) -> OpenStore:
    """Open the lasting log of a directory, for many examples."""
    return opener(request)


@given(steps=steps, since=st.integers(0, 10))
@settings(max_examples=50)
def test_engines_answer_alike_whatever_was_done_to_them(
    open_often: OpenStore, steps: Sequence[Step], since: int
) -> None:
    async def compare(folder: Path) -> None:
        lasting, memory = await open_often(folder, SMALL), MemoryStore(SMALL)
        both = Both(lasting, memory)
        for part in (steps, [("prune", 1, "a")]):
            for step in part:
                await both.do(step)
            # It keeps events longer, as it discards those that were committed together at once.
            assert lasting.oldest <= memory.oldest
            asked = (memory.oldest, both.now_ns - 3 * since)
            assert await found_in(lasting, *asked) == await found_in(memory, *asked)
        await lasting.close()

    with tempfile.TemporaryDirectory() as folder:
        trio.run(compare, Path(folder))


# ---------------------------------------------------------------------------------------- opened again


async def test_all_that_was_committed_is_there_when_it_is_opened_again(open_at: OpenStore, tmp_path: Path) -> None:
    store = await open_at(tmp_path, Retention())
    both = Both(store)
    for step in (("ended", 3, "a"), ("ended", 3, "b"), ("active", 2, "c"), ("learn", 1, "d")):
        await both.do(step)
    epoch, before = store.epoch, await found_in(store, 1, 0)
    await store.close()
    store = await open_at(tmp_path, Retention())
    assert (store.epoch, store.oldest) == (epoch, 1)
    assert await found_in(store, 1, 0) == before
    await store.close()


async def test_what_left_stays_away_when_it_is_opened_again(open_at: OpenStore, tmp_path: Path) -> None:
    store = await open_at(tmp_path, Retention(age_s=100e-9))
    await store.commit(batch(1, 2500, at_ns=1))
    await store.commit(batch(2501, 2510, at_ns=500))
    await prune_all(store, 501)
    await store.close()
    store = await open_at(tmp_path, Retention())
    assert (store.oldest, store.top) == (2501, 2510)
    await store.close()


async def test_a_close_that_is_cancelled_still_releases_the_log(open_at: OpenStore, tmp_path: Path) -> None:
    store = await open_at(tmp_path, Retention())
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.close()
    assert not scope.cancelled_caught
    await (await open_at(tmp_path, Retention())).close()
