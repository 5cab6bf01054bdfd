"""The log: resuming from memory and from disk, and publishing to subscribers."""

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing

from phaseline.errors import Unrecoverable
from phaseline.model.snapshot import Moment
from phaseline.stream import JOBS, Position
from phaseline_server.errors import LogUnavailable
from phaseline_server.log.batch import Batch
from phaseline_server.log.engines import open_store
from phaseline_server.log.memory import MemoryStore
from phaseline_server.log.protocol import Retention, Standing
from phaseline_server.log.sqlite import SqliteStore
from phaseline_server.log.stream import PAGE, Log
from tests.support.tracking import message

OpenLog = Callable[..., Awaitable[Log]]


@pytest.fixture
async def open_log(tmp_path: Path) -> AsyncIterator[OpenLog]:
    """Open logs on one data directory, each after the one before it was closed."""
    opened: list[SqliteStore] = []

    async def open_one(history: int = 10, queue: int = 10, keep: int = 100_000) -> Log:
        for store in opened:
            await store.close()
        opened[:] = [await SqliteStore.open(tmp_path, Retention(events=keep))]
        return Log(opened[0], history, queue)

    yield open_one
    for store in opened:
        await store.close()


async def add(log: Log, count: int = 1) -> None:
    messages = [message(log.top.seq + number) for number in range(1, count + 1)]
    await log.keep(Batch(at=Moment(1, 1), messages=messages))
    log.publish(messages)


async def numbers(log: Log, seq: int) -> list[int]:
    """Return the numbers of all messages after `seq`, read page by page."""
    found: list[int] = []
    while page := await log.since(Position(log.top.epoch, found[-1] if found else seq)):
        found += [each.seq for each in page]
    return found


async def test_numbers_continue_and_the_epoch_stays_after_a_restart(open_log: OpenLog) -> None:
    log = await open_log()
    await add(log, 3)
    before = log.top
    again = await open_log()
    assert again.top == before == Position(before.epoch, 3)
    await add(again)
    assert again.top.seq == 4


async def test_another_data_directory_has_another_epoch(tmp_path: Path, open_log: OpenLog) -> None:
    (tmp_path / "other").mkdir()
    async with open_store(tmp_path / "other") as other:
        assert other.epoch != (await open_log()).top.epoch


@pytest.mark.parametrize("history", [0, 3, 100], ids=["disk", "disk and memory", "memory"])
async def test_since_returns_all_later_messages_from_memory_and_disk(open_log: OpenLog, history: int) -> None:
    log = await open_log(history=history)
    await add(log, 8)
    for seq in range(9):
        assert await numbers(log, seq) == list(range(seq + 1, 9))
    for gone in (Position(log.top.epoch, 9), Position(log.top.epoch, -1), Position("other", 5)):
        assert not log.can_resume(gone)
        with pytest.raises(Unrecoverable, match=r"^can't resume from position .+; allowed: "):
            await log.since(gone)


async def test_a_long_absence_is_read_page_by_page(open_log: OpenLog) -> None:
    log = await open_log(history=5)
    await add(log, 2 * PAGE + 7)
    assert len(await log.since(Position(log.top.epoch, 0))) == PAGE
    assert await numbers(log, 0) == list(range(1, 2 * PAGE + 8))


async def test_a_task_that_waits_for_a_message_continues_once_it_is_published(open_log: OpenLog) -> None:
    log = await open_log()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.wait_published, 2)
        for count in (1, 2):
            await trio.testing.wait_all_tasks_blocked()
            assert len(nursery.child_tasks) == 1
            await add(log)
            assert log.top.seq == count


async def test_a_missing_message_is_waited_for_two_seconds(
    open_log: OpenLog, autojump_clock: trio.testing.MockClock
) -> None:
    log = await open_log()
    begun = autojump_clock.current_time()
    await log.wait_published(1)
    assert autojump_clock.current_time() - begun == pytest.approx(2)


class SharedStore(MemoryStore):
    """A log that this server follows, which it has read completely or not."""

    def __init__(self, *, complete: bool) -> None:
        super().__init__()
        self.standing = Standing("follower")
        self.complete_s = math.inf if complete else -math.inf


async def test_a_client_that_is_ahead_of_a_follower_is_rejected_for_now(autojump_clock: trio.testing.MockClock) -> None:
    log = Log(SharedStore(complete=False), 10, 10)
    await log.catch_up(log.top)
    await log.catch_up(Position("another", 5))
    for store in (log._store, SharedStore(complete=True)):
        log = Log(store, 10, 10)
        await log.keep(Batch(at=Moment(1, 1), messages=[message(1)]))  # read, and not yet published
        with pytest.raises(LogUnavailable, match="up to 0 only, and can't resume from 1 yet"):
            await log.catch_up(Position(log.top.epoch, 1))
    assert autojump_clock.current_time() == 4


async def test_a_client_cannot_resume_from_a_position_that_is_not_in_the_log(
    autojump_clock: trio.testing.MockClock,
) -> None:
    log = Log(SharedStore(complete=True), 10, 10)
    await log.catch_up(Position(log.top.epoch, 1))
    assert not log.can_resume(Position(log.top.epoch, 1))
    assert autojump_clock.current_time() == 2


async def test_a_stored_message_is_not_sent_before_it_is_published(open_log: OpenLog) -> None:
    log = await open_log(history=0)
    await add(log, 2)
    await log.keep(Batch(at=Moment(1, 1), messages=[message(3)]))
    assert await numbers(log, 0) == [1, 2]


async def test_the_oldest_messages_are_dropped_beyond_the_limit(open_log: OpenLog) -> None:
    log = await open_log(history=2, keep=10)
    for _ in range(5):
        await add(log, 4)
    # They are removed in groups: the group with the tenth from the end is kept completely.
    assert log.oldest.seq == 8
    assert await numbers(log, 8) == list(range(9, 21))
    with pytest.raises(Unrecoverable):
        await log.since(Position(log.top.epoch, 7))
    assert (await open_log(history=2, keep=10)).oldest.seq == 8


async def test_subscribing_after_an_empty_page_misses_no_message(open_log: OpenLog) -> None:
    log = await open_log(history=3, queue=10_000)
    position = log.top
    await add(log, 50)
    seen: list[int] = []

    async def write() -> None:
        for _ in range(100):
            await add(log)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        while page := await log.since(position, 7):
            seen += [each.seq for each in page]
            position = msgspec.structs.replace(position, seq=seen[-1])
        with log.subscribe([JOBS]) as subscriber:
            while not seen or seen[-1] < 150:
                seen += [each.seq for each in await subscriber.receive_batch()]
    assert seen == list(range(1, 151))


async def test_the_queue_of_the_log_bounds_each_subscriber(open_log: OpenLog) -> None:
    log = await open_log(queue=2)
    with log.subscribe([JOBS]) as subscriber:
        await add(log, 3)
        assert subscriber.slow
    assert log.statistics().ended_slow == 1
