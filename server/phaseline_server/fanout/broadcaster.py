"""The broadcaster: every message to every subscriber, in one order, without waiting.

A subscriber that takes what it is given from a memory channel is ended when that is full; one whose messages go
straight to a socket, when too many wait for that. Either is told so, and may come back and resume. So a slow one
never slows another, and nobody misses a message without knowing.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import repeat
from operator import attrgetter
from typing import Final, TypeVar

import msgspec

from phaseline.stream import Message
from phaseline_server.fanout.direct import DirectSubscriber, Sink
from phaseline_server.fanout.frames import Bundle
from phaseline_server.fanout.queued import QueuedSubscriber
from phaseline_server.fanout.subscriber import Subscriber, Writer

__all__ = ["Broadcaster", "BroadcasterStatistics"]


class BroadcasterStatistics(msgspec.Struct, frozen=True):
    """How many subscribers there are, what waits for them, and what was done so far."""

    subscribers: int
    queued: int
    published: int
    delivered: int
    ended_slow: int


_Group = dict[Subscriber, Writer]
"""Subscribers of the same channels who take messages as they are, and where these go."""

_AnySubscriber = TypeVar("_AnySubscriber", bound=Subscriber)
_fd: Final = attrgetter("fd")


class Broadcaster:
    """All subscribers."""

    def __init__(self) -> None:
        """Begin with none."""
        # Where each of them is now: in the group of its channels, or among the others (None).
        self._places: dict[Subscriber, frozenset[str] | None] = {}
        self._groups: dict[frozenset[str], _Group] = {}
        self._others: set[Subscriber] = set()
        self._published = self._delivered = self._ended_slow = 0

    def subscribe(self, channels: Iterable[str], queue: int) -> AbstractContextManager[QueuedSubscriber]:
        """Add a subscriber to `channels` for the length of the block; its messages wait in a memory channel."""
        return self._present(QueuedSubscriber(queue, frozenset(channels), self._move))

    def attach(self, sink: Sink, channels: Iterable[str], queue: int) -> AbstractContextManager[DirectSubscriber]:
        """Add a subscriber to `channels` for the length of the block; its messages go straight to `sink`."""
        return self._present(DirectSubscriber(sink, queue, frozenset(channels), self._move))

    @contextmanager
    def _present(self, subscriber: _AnySubscriber) -> Iterator[_AnySubscriber]:
        self._add(subscriber)
        try:
            yield subscriber
        finally:
            self._remove(subscriber)
            subscriber.close()

    def publish(self, *messages: Message) -> None:
        """Hand messages, which are in the order of their numbers, to everybody who wants them; never waits.

        What is published together costs each subscriber one write.
        """
        if not messages:
            return
        bundle = Bundle(messages)
        self._published += len(messages)
        slow: list[Subscriber] = []
        for channels, group in self._groups.items():
            if wanted := bundle.carried_by(channels):
                slow += self._write(group, bundle.framed(wanted, batch=False), len(wanted))
        for subscriber in self._others:
            if wanted := bundle.wanted(subscriber.wants):
                if subscriber.take(bundle, wanted):
                    self._delivered += len(wanted)
                else:
                    slow.append(subscriber)
        for subscriber in slow:
            subscriber.end_slow()
            self._remove(subscriber)
            self._ended_slow += 1

    def _write(self, group: _Group, frames: bytes, count: int) -> list[Subscriber]:
        """Write frames of `count` messages to each of a group; return those for whom too many wait already."""
        taken, whole, slow = _write_each(group.values(), frames), len(frames), []
        if taken.count(whole) != len(taken):
            for (subscriber, writer), size in zip(group.items(), taken, strict=True):
                if size == whole:
                    continue
                if size is not None:
                    writer.finish(frames, size)
                elif not writer.write(frames, count):
                    slow.append(subscriber)
        self._delivered += count * (len(group) - len(slow))
        return slow

    def statistics(self) -> BroadcasterStatistics:
        """Return counts of the moment."""
        return BroadcasterStatistics(
            subscribers=len(self._places),
            queued=sum(subscriber.queued for subscriber in self._places),
            published=self._published,
            delivered=self._delivered,
            ended_slow=self._ended_slow,
        )

    # ------------------------------------------------------------------ who is where

    def _add(self, subscriber: Subscriber) -> None:
        writer = subscriber.writer
        if writer is None:
            self._places[subscriber] = None
            self._others.add(subscriber)
        else:
            channels = self._places[subscriber] = subscriber.channels
            self._groups.setdefault(channels, {})[subscriber] = writer

    def _remove(self, subscriber: Subscriber) -> None:
        if subscriber not in self._places:
            return
        channels = self._places.pop(subscriber)
        if channels is None:
            self._others.remove(subscriber)
            return
        group = self._groups[channels]
        del group[subscriber]
        if not group:
            del self._groups[channels]

    def _move(self, subscriber: Subscriber) -> None:
        """Put a subscriber where it belongs since it has changed, unless it has left.

        One that can't keep its pace ends while a message is handed out: it stays where it is, among the others.
        """
        if subscriber in self._places and self._place(subscriber) != self._places[subscriber]:
            self._remove(subscriber)
            self._add(subscriber)

    @staticmethod
    def _place(subscriber: Subscriber) -> frozenset[str] | None:
        return None if subscriber.writer is None else subscriber.channels


def _write_each(writers: Iterable[Writer], frames: bytes) -> list[int | None]:
    """Write the same to all sockets; return how many bytes each has taken, None for one that took none or is gone.

    This is where a busy server spends its time: a loop of the interpreter's own, which touches little of each
    subscriber. Between two messages the caches hold other things, and reading that anew costs as much as all else.
    """
    taken: list[int | None] = []
    writes = map(os.write, map(_fd, writers), repeat(frames))
    while True:
        try:
            taken.extend(writes)
        except OSError:
            taken.append(None)  # behind those that were written to before it; the next is the next one's turn
        else:
            return taken
