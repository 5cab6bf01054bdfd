"""The log in memory: numbers, what can be resumed from, and the way to the subscribers."""

import msgspec
import pytest

from phaseline.errors import Unrecoverable
from phaseline.stream import JOBS, Message, Position
from phaseline_server.log import MemoryLog
from tracking import message


def add(log: MemoryLog, count: int = 1) -> None:
    for _ in range(count):
        log.append(lambda position: message(position.seq))


def test_every_message_has_the_next_number_of_the_same_epoch() -> None:
    log = MemoryLog(history=10, queue=10)
    begin = log.top
    given: list[Position] = []

    def encode(position: Position) -> Message:
        given.append(position)
        return message(position.seq)

    returned = [log.append(encode) for _ in range(3)]
    assert returned == given == [Position(begin.epoch, seq) for seq in (1, 2, 3)]
    assert log.top == returned[-1]


def test_two_logs_have_different_epochs() -> None:
    assert MemoryLog(1, 1).top.epoch != MemoryLog(1, 1).top.epoch


def test_a_message_that_can_not_be_made_takes_no_number() -> None:
    log = MemoryLog(history=10, queue=10)
    add(log)

    def fail(_position: Position) -> Message:
        raise LookupError

    with log.subscribe([JOBS]) as subscriber:
        with pytest.raises(LookupError):
            log.append(fail)
        assert log.top.seq == 1
        assert subscriber.queued == 0


def test_since_gives_all_that_followed_as_far_as_history_goes() -> None:
    log = MemoryLog(history=3, queue=10)
    add(log, 5)
    top = log.top
    for seq in (2, 3, 4, 5):
        assert [m.seq for m in log.since(msgspec.structs.replace(top, seq=seq))] == list(range(seq + 1, 6))
    for gone in (Position(top.epoch, 1), Position(top.epoch, 6), Position(top.epoch, -1), Position("other", 5)):
        with pytest.raises(Unrecoverable):
            log.since(gone)


def test_without_history_only_the_top_can_be_resumed_from() -> None:
    log = MemoryLog(history=0, queue=10)
    add(log, 2)
    assert log.since(log.top) == ()
    with pytest.raises(Unrecoverable):
        log.since(Position(log.top.epoch, 1))


async def test_subscribers_get_what_is_appended_while_they_are_there() -> None:
    log = MemoryLog(history=10, queue=10)
    add(log)
    with log.subscribe([JOBS]) as subscriber:
        add(log, 2)
        assert [m.seq for m in await subscriber.receive_batch()] == [2, 3]
        assert log.statistics().subscribers == 1
    add(log)
    assert log.statistics().subscribers == 0


async def test_the_queue_of_the_log_bounds_each_subscriber() -> None:
    log = MemoryLog(history=10, queue=2)
    with log.subscribe([JOBS]) as subscriber:
        add(log, 3)
        assert subscriber.slow
    assert log.statistics().ended_slow == 1
