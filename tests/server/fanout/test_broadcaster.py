"""The broadcaster: all subscribers get the same order, none delays another, and gaps are reported."""

import pytest
import trio
import trio.testing

from phaseline.stream import JOBS, PHOTOS
from phaseline_server.errors import SlowSubscriber
from phaseline_server.fanout.broadcaster import Broadcaster
from phaseline_server.fanout.queued import QueuedSubscriber
from tests.support.tracking import message


async def seqs(subscriber: QueuedSubscriber) -> list[int]:
    return [m.seq for m in await subscriber.receive_batch()]


async def test_all_subscribers_receive_the_same_messages_in_the_same_order() -> None:
    broadcaster = Broadcaster()
    received: list[list[int]] = [[] for _ in range(20)]

    async def listen(into: list[int]) -> None:
        with broadcaster.subscribe([JOBS], 10) as subscriber:
            while len(into) < 200:
                into.extend(await seqs(subscriber))

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            for into in received:
                nursery.start_soon(listen, into)
            await trio.testing.wait_all_tasks_blocked()
            for seq in range(1, 201):
                broadcaster.publish(message(seq))
                if seq % 5 == 0:
                    await trio.testing.wait_all_tasks_blocked()
    assert received == [list(range(1, 201))] * 20


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


async def test_a_slow_subscriber_is_disconnected_with_the_reason() -> None:
    broadcaster = Broadcaster()
    with broadcaster.subscribe([JOBS], 2) as slow:
        for seq in (1, 2, 3):
            broadcaster.publish(message(seq))
        assert slow.slow
        with pytest.raises(SlowSubscriber, match="2 messages unread; allowed: fewer; reconnect"):
            await slow.receive_batch()
        with pytest.raises(SlowSubscriber):
            await slow.receive_batch()
        assert not slow.put(message(4))


async def test_a_subscriber_that_was_too_slow_between_two_batches_gets_the_reason() -> None:
    broadcaster = Broadcaster()
    with broadcaster.subscribe([JOBS], 2) as slow, trio.fail_after(30):
        broadcaster.publish(message(1))
        async with trio.open_nursery() as nursery:

            async def gather() -> None:
                assert await seqs(slow) == [1]
                with pytest.raises(SlowSubscriber):
                    await slow.receive_batch()

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


async def test_a_batch_contains_all_queued_messages() -> None:
    subscriber = QueuedSubscriber(10)
    for seq in (1, 2, 3):
        subscriber.put(message(seq))
    assert await seqs(subscriber) == [1, 2, 3]


async def test_statistics_count_subscribers_and_messages() -> None:
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
