"""Events and jobs in each engine: the conformance suite of `phaseline_server.log.protocol`."""

import trio

from phaseline.eta import EmaEngine
from phaseline.model.events import JobStarted
from phaseline.model.snapshot import Moment
from phaseline.model.states import State
from phaseline.model.statistics import Average, Statistics
from phaseline.stream import SYSTEM, Message, Position
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.log.batch import Batch
from phaseline_server.log.learned import Learned, Outcomes
from phaseline_server.log.packing import LARGEST
from phaseline_server.log.protocol import Store
from phaseline_server.log.stream import Log
from tests.support.journals import batch, messages
from tests.support.store_cases import Open, job_row, prune_all
from tests.support.tracking import HandClock, run_job


async def numbers(store: Store, after: int = 0, limit: int = 10**6) -> list[int]:
    return [message.seq for message in await store.events(after, limit)]


async def names(store: Store, ended_since_ns: int = 0, most_jobs: int = 100) -> list[str]:
    return [record.decode() for record in (await store.load(ended_since_ns, most_jobs)).records]


async def test_a_new_store_is_empty_and_has_never_learned(open_store: Open) -> None:
    store = await open_store()
    assert (store.top, store.oldest) == (0, 1)
    assert await store.events(0, 10) == ()
    assert await store.job("a") is None
    kept = await store.load(0, 100)
    assert (list(kept.records), dict(kept.producers), kept.averages, kept.counts) == ([], {}, None, (0, 0))
    assert await store.learned() == Learned({}, [], [])
    assert await store.outcomes(9) == Outcomes([], [])


async def test_each_store_has_its_own_epoch_and_a_name(open_store: Open) -> None:
    one, other = await open_store(), await open_store()
    epoch = one.epoch
    await one.commit(batch(1, 3))
    assert one.epoch == epoch != other.epoch
    assert one.name


async def test_committed_events_are_read_back_unchanged(open_store: Open) -> None:
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


async def test_only_the_newest_events_are_kept(open_store: Open) -> None:
    store = await open_store(events=1000)
    for first in range(1, 5001, 100):
        await store.commit(batch(first, first + 99))
        assert store.oldest <= max(1, store.top - 999)
    assert store.oldest > store.top - 1000 - LARGEST
    assert await numbers(store) == list(range(store.oldest, 5001))


async def test_old_events_are_removed_except_the_newest(open_store: Open) -> None:
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


async def test_a_job_has_the_state_of_its_latest_batch(open_store: Open) -> None:
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


async def test_ended_jobs_are_removed_by_age_and_count_and_active_jobs_stay(open_store: Open) -> None:
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


async def test_with_a_limit_of_zero_no_ended_job_is_kept(open_store: Open) -> None:
    store = await open_store(jobs=0)
    await store.commit(batch(1, 2, jobs=[job_row("a", 1, ended_ns=5), job_row("b", 2)]))
    await prune_all(store, 6)
    assert await names(store) == ["b2"]


async def test_lost_jobs_are_removed_by_age(open_store: Open) -> None:
    store = await open_store(jobs=1, age_s=100e-9)
    await store.commit(batch(1, 1, at_ns=19, jobs=[job_row("long", 1, lost_ns=19)]))
    await store.commit(batch(2, 3, at_ns=20, jobs=[job_row("lately", 2, lost_ns=20), job_row("silent", 3)]))
    await prune_all(store, 120)
    assert await names(store) == ["lately2", "silent3"]


async def test_many_expired_jobs_are_all_removed(open_store: Open) -> None:
    store = await open_store(age_s=100e-9)
    rows = [job_row(f"ended{seq}-", seq, ended_ns=seq) for seq in range(1, 2501)]
    rows += [job_row(f"lost{seq}-", seq, lost_ns=seq) for seq in range(2501, 5001)]
    await store.commit(batch(1, 5001, jobs=[*rows, job_row("active", 5001)]))
    await prune_all(store, 10**6)
    assert await names(store, most_jobs=10**6) == ["active5001"]


async def test_the_latest_report_of_a_producer_is_stored_and_the_longest_silent_one_is_dropped_first(
    open_store: Open,
) -> None:
    store = await open_store(producers=2)
    one, two, three = ("", "one", "a"), ("token", "one", "a"), ("token", "one", "b")
    await store.commit(batch(1, 3, producers={one: (7, 1), two: (1, 2), three: (5, 3)}))
    await store.commit(batch(4, 4, producers={one: (8, 4)}))
    assert list((await store.load(0, 0)).producers.items()) == [(three, (5, 3)), (one, (8, 4))]
    await prune_all(store, 1)
    assert list((await store.load(0, 0)).producers.items()) == [(three, (5, 3)), (one, (8, 4))]


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
