"""Pages of the stream, bounded in bytes; and long polling, which waits for the first message."""

from collections.abc import Collection
from contextlib import suppress
from typing import Final

import msgspec
import trio

from phaseline.errors import Unrecoverable
from phaseline.stream import Message, Position
from phaseline_server.access.stream_view import StreamView
from phaseline_server.errors import SlowSubscriber
from phaseline_server.http.answer_budget import PAGE_BYTES, AnswerBudget, Hold

__all__ = ["LONGEST_WAIT_S", "StreamPage", "read_missed", "read_page"]

_FIRST_READ, _LARGEST_READ = 64, 1024  # messages per read of the log; large messages are read a few at a time

LONGEST_WAIT_S: Final = 55.0
"""Longest wait of one request, in seconds; proxies commonly time out after 60."""


class StreamPage(msgspec.Struct, frozen=True):
    """The messages after a position.

    Attributes:
        messages: Messages of the requested channels; more may follow.
        position: The position to continue from.
        recovered: Whether no message is missing. If false, `position` is the current one and the client needs a
            snapshot.
    """

    messages: tuple[Message, ...]
    position: Position
    recovered: bool = True

    @property
    def size(self) -> int:
        """The size of all messages, in bytes."""
        return sum(len(message.payload) for message in self.messages)


async def read_missed(  # noqa: PLR0913 (a position, and what bounds the answer)
    log: StreamView,
    position: Position,
    channels: Collection[str],
    *,
    most: int,
    wait_s: float,
    closing: trio.Event,
    budget: AnswerBudget,
    hold: Hold,
) -> StreamPage:
    """Return at most `most` messages after `position`; if there are none, wait up to `wait_s` seconds for one.

    Args:
        log: The log.
        position: The position to read from.
        channels: The channels to read.
        most: Maximum number of messages. A page of `PAGE_BYTES` has no further message either.
        wait_s: Time to wait for the first message, in seconds.
        closing: Set when the server closes, which ends the wait.
        budget: Limits the pages that are read at a time.
        hold: The answer's share of `budget`: a page while one is read, nothing during the wait.

    Raises:
        JournalFailed: The disk failed.
    """
    await log.catch_up(position)
    with log.subscribe(channels) as subscriber:
        missed = await _read(log, position, channels, most, budget)
        if missed.messages or not missed.recovered or not wait_s or closing.is_set():
            hold.resize(missed.size)
            return missed
        hold.resize(0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_with, closing, nursery.cancel_scope)
            # A subscriber whose queue overflowed during the disk read also has messages to read.
            with trio.move_on_after(wait_s), suppress(SlowSubscriber):
                await subscriber.receive_batch()
            nursery.cancel_scope.cancel()
    # Few messages arrived meanwhile, because the client waited for the first; so the budget is not awaited again.
    missed = await _read(log, missed.position, channels, most, budget)
    hold.resize(missed.size)
    return missed


async def _cancel_with(closing: trio.Event, scope: trio.CancelScope) -> None:
    await closing.wait()
    scope.cancel()


async def _read(
    log: StreamView, position: Position, channels: Collection[str], most: int, budget: AnswerBudget
) -> StreamPage:
    async with budget.building:
        try:
            return await read_page(log, position, channels, most, PAGE_BYTES)
        except Unrecoverable:
            return StreamPage((), log.top, recovered=False)


async def read_page(
    log: StreamView, position: Position, channels: Collection[str], most: int, most_bytes: int
) -> StreamPage:
    """Return the messages after `position`: at most `most`, and none after `most_bytes` bytes are reached.

    When the page has no messages, nothing was awaited since the top was read, so that a new subscriber misses none.

    Raises:
        Unrecoverable: Messages are missing.
        JournalFailed: The disk failed.
    """
    found: list[Message] = []
    size, limit = 0, _FIRST_READ
    while page := await log.since(position, limit):
        read = 0
        for message in page:
            read += len(message.payload)
            if not message.channels.isdisjoint(channels):
                found.append(message)
                size += len(message.payload)
                if len(found) == most or size >= most_bytes:
                    return StreamPage(tuple(found), Position(position.epoch, message.seq))
        position = Position(position.epoch, page[-1].seq)
        if read <= most_bytes // 2:
            limit = min(2 * limit, _LARGEST_READ)
        await trio.lowlevel.checkpoint()
    return StreamPage(tuple(found), position)
