"""The broadcaster: fan-out of messages to all subscribers, in one order and without waiting.

A subscriber whose queue is full is ended with an error, and its client can reconnect and resume. So a slow subscriber
never delays another, and no client misses a message without notice.
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
    """The numbers of subscribers and queued messages, and counters since the start."""

    subscribers: int
    queued: int
    published: int
    delivered: int
    ended_slow: int


_Group = dict[Subscriber, Writer]
"""Subscribers of the same channels that receive messages unchanged, with their writers."""

_AnySubscriber = TypeVar("_AnySubscriber", bound=Subscriber)
_fd: Final = attrgetter("fd")


class Broadcaster:
    """Publishes messages to all subscribers."""

    def __init__(self) -> None:
        """Create a broadcaster without subscribers."""
        # The place of each subscriber: the group of its channels, or the others (None).
        self._places: dict[Subscriber, frozenset[str] | None] = {}
        self._groups: dict[frozenset[str], _Group] = {}
        self._others: set[Subscriber] = set()
        self._published = self._delivered = self._ended_slow = 0

    def subscribe(self, channels: Iterable[str], queue: int) -> AbstractContextManager[QueuedSubscriber]:
        """Add a subscriber to `channels` during the block, which queues messages in a memory channel."""
        return self._present(QueuedSubscriber(queue, frozenset(channels), self._move))

    def attach(self, sink: Sink, channels: Iterable[str], queue: int) -> AbstractContextManager[DirectSubscriber]:
        """Add a subscriber to `channels` during the block, which writes messages directly to `sink`."""
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
        """Send messages, in the order of their numbers, to their subscribers, without waiting.

        Messages that are published together take one write per subscriber.
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
        """Write frames of `count` messages to each subscriber of a group; return those whose queue is full."""
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
        """Return the current counts."""
        return BroadcasterStatistics(
            subscribers=len(self._places),
            queued=sum(subscriber.queued for subscriber in self._places),
            published=self._published,
            delivered=self._delivered,
            ended_slow=self._ended_slow,
        )

    # ------------------------------------------------------------------ groups

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
        """Move a changed subscriber to its group, unless it is removed.

        A coalescing subscriber can end during `publish`. It stays among the others, so no set changes meanwhile.
        """
        if subscriber in self._places and self._place(subscriber) != self._places[subscriber]:
            self._remove(subscriber)
            self._add(subscriber)

    @staticmethod
    def _place(subscriber: Subscriber) -> frozenset[str] | None:
        return None if subscriber.writer is None else subscriber.channels


def _write_each(writers: Iterable[Writer], frames: bytes) -> list[int | None]:
    """Write the same frames to all sockets; return the number of bytes written to each, None for an error.

    A busy server spends its time here, so this is a loop in C that reads little memory per subscriber. Between two
    messages that memory leaves the processor's caches, and reading it again costs as much as all else.
    """
    taken: list[int | None] = []
    writes = map(os.write, map(_fd, writers), repeat(frames))
    while True:
        try:
            taken.extend(writes)
        except OSError:
            taken.append(None)  # the failed socket; the loop continues with the next one
        else:
            return taken
