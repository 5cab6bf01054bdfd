"""Reading the stream by asking: what came after a position, after waiting for it if need be."""

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
"""Longest wait of one request, in seconds: proxies cut a request off after a minute."""


class StreamPage(msgspec.Struct, frozen=True):
    """What came after a position.

    Attributes:
        messages: Those of the wanted channels; more may follow.
        position: Up to where they are told; ask on from there.
        recovered: Whether nothing is missing before them. If not, `position` is the present one, and the state is due.
    """

    messages: tuple[Message, ...]
    position: Position
    recovered: bool = True


async def read_missed(
    log: StreamView, position: Position, channels: Collection[str], *, most: int, wait_s: float, closing: trio.Event
) -> StreamPage:
    """Return what came after `position`, at most `most` messages, after waiting for one up to `wait_s` seconds.

    Raises:
        JournalFailed: The disk failed.
    """
    with log.subscribe(channels) as subscriber:
        missed = await _read(log, position, channels, most)
        if missed.messages or not missed.recovered or not wait_s or closing.is_set():
            return missed
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_with, closing, nursery.cancel_scope)
            # One that is overrun while the disk was read has something to read too.
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
