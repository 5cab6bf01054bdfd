"""Long polling: read the messages after a position, and wait for the first one if there is none."""

from collections.abc import Collection
from contextlib import suppress
from typing import Final

import msgspec
import trio

from phaseline.errors import SlowSubscriber, Unrecoverable
from phaseline.stream import Message, Position
from phaseline_server.access.views import StreamView

__all__ = ["LONGEST_WAIT_S", "StreamPage", "read_missed"]

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


async def read_missed(
    log: StreamView, position: Position, channels: Collection[str], *, most: int, wait_s: float, closing: trio.Event
) -> StreamPage:
    """Return at most `most` messages after `position`; if there are none, wait up to `wait_s` seconds for one.

    Raises:
        JournalFailed: The disk failed.
    """
    with log.subscribe(channels) as subscriber:
        missed = await _read(log, position, channels, most)
        if missed.messages or not missed.recovered or not wait_s or closing.is_set():
            return missed
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_with, closing, nursery.cancel_scope)
            # A subscriber whose queue overflowed during the disk read also has messages to read.
            with trio.move_on_after(wait_s), suppress(SlowSubscriber):
                await subscriber.receive_batch()
            nursery.cancel_scope.cancel()
    return await _read(log, missed.position, channels, most)


async def _cancel_with(closing: trio.Event, scope: trio.CancelScope) -> None:
    await closing.wait()
    scope.cancel()


async def _read(log: StreamView, position: Position, channels: Collection[str], most: int) -> StreamPage:
    found: list[Message] = []
    try:
        while page := await log.since(position):
            for message in page:
                if not message.channels.isdisjoint(channels):
                    found.append(message)
                    if len(found) == most:
                        return StreamPage(tuple(found), Position(position.epoch, message.seq))
            position = Position(position.epoch, page[-1].seq)
    except Unrecoverable:
        return StreamPage((), log.top, recovered=False)
    return StreamPage(tuple(found), position)
