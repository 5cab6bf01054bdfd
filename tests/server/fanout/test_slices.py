"""Fan-out in slices: publishing writes to few subscribers or only queues; each one keeps its order."""

import random
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, nullcontext
from functools import partial
from time import perf_counter

import pytest
import trio
import trio.testing

from phaseline.stream import JOBS, PHOTOS
from phaseline_server.fanout import broadcaster as module
from phaseline_server.fanout.broadcaster import Broadcaster
from phaseline_server.fanout.direct import DirectSubscriber
from tests.support.sinks import Heap, seqs
from tests.support.tracking import message


@asynccontextmanager
async def running(monkeypatch: pytest.MonkeyPatch, size: int = 2, few: int = 0) -> AsyncIterator[Broadcaster]:
    monkeypatch.setattr(module, "_SLICE", size)
    monkeypatch.setattr(module, "_FEW", few)
    broadcaster = Broadcaster()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(broadcaster.run)
        await trio.testing.wait_all_tasks_blocked()
        yield broadcaster
        nursery.cancel_scope.cancel()


async def test_publishing_queues_and_the_slices_write(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch) as broadcaster:
        with ExitStack() as stack:
            heaps = [Heap() for _ in range(7)]
            for heap in heaps:
                stack.enter_context(broadcaster.attach(heap, [JOBS], 10))
            broadcaster.publish(message(1))
            broadcaster.publish(message(2))
            assert [heap.written for heap in heaps] == [[]] * 7
            done: list[int] = []
            while broadcaster.statistics().delivered < 14:
                await trio.lowlevel.checkpoint()
                done.append(sum(bool(heap.written) for heap in heaps))
            assert any(0 < count < 7 for count in done)
            assert [seqs(heap) for heap in heaps] == [[1, 2]] * 7


async def test_publishing_writes_at_once_to_a_few_subscribers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch, few=2) as broadcaster:
        with ExitStack() as stack:
            heaps = [Heap() for _ in range(3)]
            stack.enter_context(broadcaster.attach(Heap(), [], 10))  # receives nothing, so it is not counted
            for heap in heaps[:2]:
                stack.enter_context(broadcaster.attach(heap, [JOBS], 10))
            broadcaster.publish(message(1))
            assert [seqs(heap) for heap in heaps] == [[1], [1], []]
            broadcaster._joins_until_s = 0.0
            stack.enter_context(broadcaster.attach(heaps[2], [JOBS], 10))
            broadcaster.publish(message(2))
            assert [seqs(heap) for heap in heaps] == [[1], [1], []]
            await trio.testing.wait_all_tasks_blocked()
            assert [seqs(heap) for heap in heaps] == [[1, 2], [1, 2], [2]]


async def test_messages_in_a_row_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch, few=2) as broadcaster:
        heap = Heap()
        with broadcaster.attach(heap, [JOBS], 10):
            broadcaster.publish(message(1))
            broadcaster._joins_until_s = perf_counter() + 60
            broadcaster.publish(message(2))
            broadcaster.publish(message(3))
            assert seqs(heap) == [1]
            await trio.testing.wait_all_tasks_blocked()
            assert seqs(heap) == [1, 2, 3]
            assert len(heap.written) == 2


@pytest.mark.parametrize("reason", ["large", "committing", "round"])
async def test_publishing_defers_writes_that_would_take_long(
    monkeypatch: pytest.MonkeyPatch, reason: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(monkeypatch, size=1, few=0 if reason == "round" else 4) as broadcaster:
        with ExitStack() as stack:
            heaps = [Heap() for _ in range(4)]
            for heap in heaps:
                stack.enter_context(broadcaster.attach(heap, [JOBS], 10))
            if reason == "large":
                monkeypatch.setattr(module, "_SLICE_BYTES", 4 * len(message(1).payload) - 1)
            with broadcaster.giving_way() if reason == "committing" else nullcontext():
                broadcaster.publish(message(1))
                assert [seqs(heap) for heap in heaps] == [[]] * 4
                if reason == "round":
                    while not any(heap.written for heap in heaps):
                        await trio.lowlevel.checkpoint()
                    assert not all(heap.written for heap in heaps)
                    monkeypatch.setattr(module, "_FEW", 4)
                broadcaster.publish(message(2))
                assert not any(2 in seqs(heap) for heap in heaps)
                await trio.sleep(0.1)
            assert [seqs(heap) for heap in heaps] == [[1, 2]] * 4


async def test_messages_published_before_a_change_are_sent_first_in_the_old_form(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(monkeypatch) as broadcaster:
        heap, late = Heap(), Heap()
        with broadcaster.attach(heap, [JOBS], 10) as subscriber:
            broadcaster.publish(message(1))
            subscriber.put(message(100))
            broadcaster.publish(message(2))
            subscriber.channels = frozenset({PHOTOS})
            broadcaster.publish(message(3))
            with broadcaster.attach(late, [JOBS], 10):
                broadcaster.publish(message(4))
                await trio.testing.wait_all_tasks_blocked()
        assert seqs(heap) == [1, 100, 2]
        assert seqs(late) == [4]


async def test_published_messages_are_written_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    heap = Heap()
    with ExitStack() as stack:
        async with running(monkeypatch) as broadcaster:
            stack.enter_context(broadcaster.attach(heap, [JOBS], 10))
            broadcaster.publish(message(1))
        assert seqs(heap) == [1]
        broadcaster.publish(message(2))
        assert seqs(heap) == [1, 2]


async def test_publishing_writes_at_once_when_too_much_is_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_PENDING", 3)
    async with running(monkeypatch) as broadcaster:
        heap = Heap()
        with broadcaster.attach(heap, [JOBS], 10):
            for seq in (1, 2, 3):
                broadcaster.publish(message(seq))
            assert seqs(heap) == []
            broadcaster.publish(message(4))
            assert seqs(heap) == [1, 2, 3]


async def test_publishers_wait_while_much_is_pending_and_large_batches_wait_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_MANY_PENDING", 2)
    monkeypatch.setattr(module, "_MOST_PENDING", 3)
    order: list[str] = []
    async with running(monkeypatch) as broadcaster, trio.open_nursery() as nursery:
        heap = Heap()
        with broadcaster.attach(heap, [JOBS], 10):

            async def wait(name: str, *, large: bool) -> None:
                await broadcaster.wait_room(large=large)
                order.append(f"{name} {len(seqs(heap))}")

            broadcaster.publish(message(1), message(2))
            await wait("small", large=False)
            nursery.start_soon(partial(wait, "large", large=True))
            await trio.testing.wait_all_tasks_blocked()
            broadcaster.publish(message(3), message(4), message(5))
            await wait("small", large=False)
    assert order == ["small 0", "large 2", "small 5"]
    await broadcaster.wait_room(large=True)  # no publisher waits for fan-out that has ended


async def test_large_messages_are_written_to_fewer_subscribers_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SLICE_BYTES", 4 * len(message(1).payload))
    async with running(monkeypatch, size=250) as broadcaster:
        with ExitStack() as stack:
            heaps = [Heap() for _ in range(8)]
            for heap in heaps:
                stack.enter_context(broadcaster.attach(heap, [JOBS], 10))
            broadcaster.publish(message(1), message(2))
            done: list[int] = []
            while not all(heap.written for heap in heaps):
                await trio.lowlevel.checkpoint()
                done.append(sum(bool(heap.written) for heap in heaps))
            assert set(done) <= {0, 2, 4, 6, 8}
            assert set(done) & {2, 4, 6}


async def test_fan_out_pauses_between_slices_while_a_thread_commits(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(monkeypatch, size=1) as broadcaster:
        with ExitStack() as stack:
            heaps = [Heap() for _ in range(10)]
            for heap in heaps:
                stack.enter_context(broadcaster.attach(heap, [JOBS], 10))
            for committing in (False, True):
                begun = trio.current_time()
                with broadcaster.giving_way() if committing else nullcontext():
                    broadcaster.publish(message(1))
                    await trio.testing.wait_all_tasks_blocked(0.0005)
                    assert all(heap.written for heap in heaps) is not committing
                    await trio.sleep(0.1)
                assert all(heap.written for heap in heaps)
                assert trio.current_time() - begun < 0.2
                for heap in heaps:
                    heap.written.clear()


@pytest.mark.parametrize("seed", range(20))
async def test_slices_deliver_the_same_as_immediate_writes(  # noqa: C901, PLR0912 (a branch for each action)
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    async with running(monkeypatch, size=3) as sliced:
        both = [sliced, Broadcaster()]
        with ExitStack() as stack:
            present: list[tuple[list[DirectSubscriber], list[Heap]]] = []
            for number in range(1, 301):
                act = chance.randrange(8)
                if act == 0 or len(present) < 4:
                    channels = chance.choice([[JOBS], [PHOTOS], [JOBS, PHOTOS], []])
                    heaps = [Heap(), Heap()]
                    made = [
                        stack.enter_context(each.attach(heap, channels, 1000))
                        for each, heap in zip(both, heaps, strict=True)
                    ]
                    present.append((made, heaps))
                one, _ = chance.choice(present)
                if act == 1:
                    wanted = frozenset(chance.choice([[JOBS], [PHOTOS], [JOBS, PHOTOS], []]))
                    for subscriber in one:
                        subscriber.channels = wanted
                elif act == 2:
                    for subscriber in one:
                        subscriber.form(batch=number % 2 == 0, coalesce_s=0)
                elif act == 3:
                    for subscriber in one:
                        subscriber.put(message(10_000 + number))
                elif act == 4:
                    await trio.lowlevel.checkpoint()
                elif act == 5:
                    odd = chance.random() < 0.5
                    for subscriber in one:
                        subscriber.admits = (lambda job_id: job_id == "a") if odd else None
                else:
                    kind, channel = chance.choice([("job_progress", JOBS), ("photo_info", PHOTOS)])
                    job_id = chance.choice("ab")
                    for each in both:
                        each.publish(message(number, job_id, kind, channel))
            await trio.testing.wait_all_tasks_blocked()
            for _, (ours, theirs) in present:
                assert seqs(ours) == seqs(theirs)
            assert sliced.statistics().delivered == both[1].statistics().delivered
