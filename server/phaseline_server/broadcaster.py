"""The broadcaster: every message to every subscriber's own memory channel, in one order, without waiting.

A subscriber whose memory channel is full is ended, and told so; it may come back and resume. So a slow one never
slows another, and nobody misses a message without knowing.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
import trio

from phaseline.errors import SlowSubscriber
from phaseline.stream import Message

__all__ = ["Broadcaster", "BroadcasterStatistics", "Subscriber"]

_PROGRESS: Final = "job_progress"


class BroadcasterStatistics(msgspec.Struct, frozen=True):
    """How many subscribers there are, what waits for them, and what was done so far."""

    subscribers: int
    queued: int
    published: int
    delivered: int
    ended_slow: int


class Subscriber:
    """One receiver of messages; made by `Broadcaster.subscribe`.

    Attributes:
        channels: The channels that it wants; may be changed at any time.
        admits: Says of a job's id ("" for none) whether its messages may be received; None admits all.
    """

    def __init__(self, queue: int) -> None:
        """Hold at most `queue` messages that are not received yet."""
        self.channels: set[str] = set()
        self.admits: Callable[[str], bool] | None = None
        self._queue = queue
        # Each slot holds messages that belong together: mostly one, or all that a resuming client missed.
        self._send, self._receive = trio.open_memory_channel[tuple[Message, ...]](queue)
        self._slow = False

    @property
    def queued(self) -> int:
        """How many messages wait."""
        return self._receive.statistics().current_buffer_used

    def wants(self, message: Message) -> bool:
        """Say whether one of the channels that carry `message` is wanted, and the message may be received."""
        if message.channels.isdisjoint(self.channels):
            return False
        return self.admits is None or self.admits(message.job_id)

    def put(self, *messages: Message) -> bool:
        """Queue messages in one slot, whatever their channels; the first that find no room end the subscriber."""
        if self._slow:
            return False
        try:
            self._send.send_nowait(messages)
        except trio.WouldBlock:
            self._slow = True
            self._send.close()
            return False
        return True

    @property
    def slow(self) -> bool:
        """Whether it was ended because it did not keep up."""
        return self._slow

    async def receive(self) -> tuple[Message, ...]:
        """Return the next messages that were put together.

        Raises:
            SlowSubscriber: It did not keep up; whatever was queued is dropped, since it will resume anyway.
        """
        if self._slow:
            raise SlowSubscriber(self._why())
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise SlowSubscriber(self._why()) from None

    async def receive_batch(self, coalesce_s: float = 0.0) -> list[Message]:
        """Return the next messages and all that wait behind them.

        Args:
            coalesce_s: Gather for so many seconds, and of each job's `job_progress` keep only the latest. What is
                not of the stream (`seq` 0) ends the gathering, for somebody waits for it; and so does a batch that
                grows too long even so.

        Raises:
            SlowSubscriber: As `receive`.
        """
        batch: list[Message] = []
        deadline = trio.current_time() + coalesce_s if coalesce_s else -math.inf
        more = await self.receive()
        while True:
            batch.extend(more)
            if any(message.seq == 0 for message in more):
                deadline = -math.inf
            if coalesce_s and len(batch) > self._queue:
                batch = _latest(batch)
                if len(batch) > self._queue // 2:
                    return batch
            try:
                more = self._receive.receive_nowait()
            except trio.WouldBlock:
                if trio.current_time() >= deadline:
                    return _latest(batch) if coalesce_s else batch
                more = ()
                with trio.move_on_at(deadline):
                    more = await self.receive()
            except trio.EndOfChannel:
                raise SlowSubscriber(self._why()) from None

    def end(self) -> None:
        """End it as if it had not kept up: it may come back, and is asked anew who it is."""
        self._slow = True
        self._send.close()

    def _why(self) -> str:
        return f"{self._queue} messages waited unread; allowed: fewer; come back, and resume from your last position"

    def close(self) -> None:
        """Receive no more."""
        self._send.close()
        self._receive.close()


def _latest(batch: list[Message]) -> list[Message]:
    """Return the batch without those `job_progress` after which comes another of the same job."""
    last = {message.job_id: message.seq for message in batch if message.type == _PROGRESS}
    return [message for message in batch if message.type != _PROGRESS or last[message.job_id] == message.seq]


class Broadcaster:
    """All subscribers."""

    def __init__(self) -> None:
        """Begin with none."""
        self._subscribers: set[Subscriber] = set()
        self._published = self._delivered = self._ended_slow = 0

    @contextmanager
    def subscribe(self, channels: Iterable[str], queue: int) -> Iterator[Subscriber]:
        """Add a subscriber to `channels` for the length of the block."""
        subscriber = Subscriber(queue)
        subscriber.channels.update(channels)
        self._subscribers.add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)
            subscriber.close()

    def publish(self, message: Message) -> None:
        """Hand `message` to everybody who wants it; never waits."""
        self._published += 1
        for subscriber in tuple(self._subscribers):
            if not subscriber.wants(message):
                continue
            if subscriber.put(message):
                self._delivered += 1
            else:
                self._subscribers.discard(subscriber)
                self._ended_slow += 1

    def statistics(self) -> BroadcasterStatistics:
        """Return counts of the moment."""
        return BroadcasterStatistics(
            subscribers=len(self._subscribers),
            queued=sum(subscriber.queued for subscriber in self._subscribers),
            published=self._published,
            delivered=self._delivered,
            ended_slow=self._ended_slow,
        )
