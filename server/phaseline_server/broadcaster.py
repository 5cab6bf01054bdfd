"""The broadcaster: every message to every subscriber, in one order, without waiting.

A subscriber that takes what it is given from a memory channel is ended when that is full; one whose messages go
straight to a socket, when too many wait for that. Either is told so, and may come back and resume. So a slow one
never slows another, and nobody misses a message without knowing.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import msgspec

from phaseline.stream import Message
from phaseline_server.frames import Bundle
from phaseline_server.subscriber import Sink, Subscriber

__all__ = ["Broadcaster", "BroadcasterStatistics", "Sink", "Subscriber"]


class BroadcasterStatistics(msgspec.Struct, frozen=True):
    """How many subscribers there are, what waits for them, and what was done so far."""

    subscribers: int
    queued: int
    published: int
    delivered: int
    ended_slow: int


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

    def publish(self, *messages: Message) -> None:
        """Hand messages, which are in the order of their numbers, to everybody who wants them; never waits.

        What is published together costs each subscriber one write.
        """
        if not messages:
            return
        bundle, count = Bundle(messages), len(messages)
        self._published += count
        whole, delivered = b"", 0
        slow: list[Subscriber] = []
        unwanted = bundle.common.isdisjoint
        for subscriber in self._subscribers:
            # The most frequent case by far is written out: this is where a busy server spends its time.
            direct = subscriber.direct
            if direct is not None and subscriber.admits is None and not unwanted(subscriber.channels):
                whole = whole or bundle.framed(bundle.messages, batch=False)
                if direct(whole, count):
                    delivered += count
                else:
                    slow.append(subscriber)
                continue
            wanted = tuple([message for message in messages if subscriber.wants(message)])
            if not wanted:
                continue
            if subscriber.take(bundle, bundle.messages if len(wanted) == count else wanted):
                delivered += len(wanted)
            else:
                slow.append(subscriber)
        self._delivered += delivered
        for subscriber in slow:
            subscriber.end_slow()
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
