"""The broadcaster: one order for all, nobody slows another, nothing is missed without notice."""

import pytest
import trio
import trio.testing

from phaseline.errors import SlowSubscriber
from phaseline.stream import JOBS, PHOTOS, Message
from phaseline_server.fanout.broadcaster import Broadcaster, Subscriber
from tests.support.tracking import message


async def seqs(subscriber: Subscriber, coalesce_s: float = 0.0) -> list[int]:
    return [m.seq for m in await subscriber.receive_batch(coalesce_s)]


async def test_everybody_receives_the_same_in_one_order() -> None:
    broadcaster = Broadcaster()
    heard: list[list[int]] = [[] for _ in range(20)]

    async def listen(into: list[int]) -> None:
        with broadcaster.subscribe([JOBS], 10) as subscriber:
            while len(into) < 200:
                into.extend([m.seq for m in await subscriber.receive()])

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            for into in heard:
                nursery.start_soon(listen, into)
            await trio.testing.wait_all_tasks_blocked()
            for seq in range(1, 201):
                broadcaster.publish(message(seq))
                if seq % 5 == 0:
                    await trio.testing.wait_all_tasks_blocked()
    assert heard == [list(range(1, 201))] * 20


async def test_a_subscriber_receives_its_channels_only_and_each_message_once() -> None:
    broadcaster = Broadcaster()
    with broadcaster.subscribe([JOBS, "job:b"], 10) as subscriber:
        broadcaster.publish(message(1, "a"))
        broadcaster.publish(message(2, "b"))
        broadcaster.publish(message(3, "a", "photo_info", PHOTOS))
        broadcaster.publish(message(4, "b", "photo_info", PHOTOS))
        assert await seqs(subscriber) == [1, 2, 4]
        subscriber.channels = frozenset()
        broadcaster.publish(message(5, "b"))
        assert subscriber.queued == 0


async def test_a_slow_subscriber_is_ended_and_told_so() -> None:
    broadcaster = Broadcaster()
    with broadcaster.subscribe([JOBS], 2) as slow:
        for seq in (1, 2, 3):
            broadcaster.publish(message(seq))
        assert slow.slow
        with pytest.raises(SlowSubscriber, match="2 messages waited unread; allowed: fewer; come back"):
            await slow.receive()
        with pytest.raises(SlowSubscriber):
            await slow.receive_batch()
        assert not slow.put(message(4))


async def test_a_subscriber_that_waits_behind_a_batch_learns_that_it_was_too_slow() -> None:
    broadcaster = Broadcaster()
    with broadcaster.subscribe([JOBS], 2) as slow, trio.fail_after(30):
        broadcaster.publish(message(1))
        async with trio.open_nursery() as nursery:

            async def gather() -> None:
                with pytest.raises(SlowSubscriber):
                    await slow.receive_batch(3600)

            nursery.start_soon(gather)
            await trio.testing.wait_all_tasks_blocked()
            for seq in range(2, 6):
                broadcaster.publish(message(seq))


async def test_a_slow_subscriber_never_slows_another() -> None:
    broadcaster = Broadcaster()
    with broadcaster.subscribe([JOBS], 1) as slow, broadcaster.subscribe([JOBS], 1) as quick:
        for seq in range(1, 100):
            broadcaster.publish(message(seq))
            assert await seqs(quick) == [seq]
        assert slow.slow
        assert not quick.slow


async def test_a_waiting_subscriber_is_woken() -> None:
    broadcaster = Broadcaster()
    with broadcaster.subscribe([JOBS], 10) as subscriber, trio.fail_after(30):
        async with trio.open_nursery() as nursery:

            async def receive() -> None:
                assert await seqs(subscriber) == [1]

            nursery.start_soon(receive)
            await trio.testing.wait_all_tasks_blocked()
            broadcaster.publish(message(1))


async def test_messages_that_were_put_together_take_one_place() -> None:
    subscriber = Subscriber(1)
    assert subscriber.put(*map(message, range(1, 1001)))
    assert subscriber.queued == 1
    assert len(await subscriber.receive_batch()) == 1000


async def test_a_batch_is_all_that_waits() -> None:
    subscriber = Subscriber(10)
    for seq in (1, 2, 3):
        subscriber.put(message(seq))
    assert await seqs(subscriber) == [1, 2, 3]


async def test_coalescing_keeps_the_latest_progress_of_each_job_and_everything_else() -> None:
    subscriber = Subscriber(20)
    kinds = ["job_started", "job_progress", "job_progress", "stage_completed", "job_progress", "job_completed"]
    stream: list[Message] = []
    for kind in kinds:
        for job_id in "ab":
            stream.append(message(len(stream) + 1, job_id, kind))
    for each in stream:
        subscriber.put(each)
    batch = await subscriber.receive_batch(0.001)
    assert [(m.type, m.job_id) for m in batch] == [
        (kind, job_id)
        for kind in ("job_started", "stage_completed", "job_progress", "job_completed")
        for job_id in "ab"
    ]
    assert [m.seq for m in batch] == sorted(m.seq for m in batch)


async def test_coalescing_gathers_for_its_time_and_no_longer(autojump_clock: trio.testing.MockClock) -> None:
    subscriber = Subscriber(100)

    async def produce() -> None:
        for seq in range(1, 51):
            subscriber.put(message(seq))
            await trio.sleep(0.1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(produce)
        begun = trio.current_time()
        batches = [await seqs(subscriber, 1.0) for _ in range(4)]
        assert trio.current_time() - begun == pytest.approx(4, abs=0.5)
    assert [len(batch) for batch in batches] == [1, 1, 1, 1]
    last = [batch[0] for batch in batches]
    assert last == sorted(last)
    assert 35 <= last[-1] <= 42


async def test_without_coalescing_every_progress_stays() -> None:
    subscriber = Subscriber(10)
    for seq in (1, 2, 3):
        subscriber.put(message(seq))
    assert len(await subscriber.receive_batch()) == 3


async def test_an_answer_is_not_held_back_by_coalescing() -> None:
    subscriber = Subscriber(10)
    subscriber.put(message(1, "a"))
    subscriber.put(Message(0, "pong", "", frozenset(), b"{}"))
    subscriber.put(message(2, "b"))
    with trio.fail_after(30):
        batch = await subscriber.receive_batch(3600)
    assert [m.type for m in batch] == ["job_progress", "pong", "job_progress"]


async def test_what_gathers_stays_bounded() -> None:
    broadcaster = Broadcaster()
    heard: list[Message] = []

    async def gather(subscriber: Subscriber) -> None:
        heard.extend(await subscriber.receive_batch(3600))

    with broadcaster.subscribe([JOBS], 10) as subscriber, trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gather, subscriber)
            for seq in range(1, 1000):
                broadcaster.publish(message(seq, f"job {seq % 4}"))
                await trio.testing.wait_all_tasks_blocked()
            assert not heard
            for seq in range(1000, 1020):
                broadcaster.publish(message(seq, "a", "stage_completed"))
                await trio.testing.wait_all_tasks_blocked()
    assert [m.seq for m in heard][:5] == [996, 997, 998, 999, 1000]
    assert len(heard) <= 11


async def test_statistics_count_what_happened() -> None:
    broadcaster = Broadcaster()
    with broadcaster.subscribe([JOBS], 2), broadcaster.subscribe([PHOTOS], 2):
        for seq in (1, 2):
            broadcaster.publish(message(seq))
        now = broadcaster.statistics()
        assert (now.subscribers, now.queued, now.published, now.delivered, now.ended_slow) == (2, 2, 2, 2, 0)
        for seq in (3, 4):
            broadcaster.publish(message(seq))
        now = broadcaster.statistics()
        assert (now.subscribers, now.queued, now.published, now.delivered, now.ended_slow) == (1, 0, 4, 2, 1)
    assert broadcaster.statistics().subscribers == 0
