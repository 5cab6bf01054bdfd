"""The broadcaster: fan-out of messages to all subscribers, in one order and without waiting.

With few subscribers and infrequent messages, publishing writes to the sockets at once. Otherwise, it only queues the
messages, so it takes equally long for any number of subscribers. While `run` is active, it writes them to sockets in
rounds: all that was published until then is joined, and written in slices of subscribers. Between two slices, acks and
other clients have their turn. Each subscriber's order is kept: pending messages are sent before its channels or the
form of its messages change, and before anything else is sent to it.

A subscriber whose queue is full is ended with an error, and its client can reconnect and resume. So a slow subscriber
never delays another, and no client misses a message without notice.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import compress
from time import perf_counter
from typing import Final, TypeVar

import trio

from phaseline.stream import Message
from phaseline_server.fanout.direct import DirectSubscriber, Sink
from phaseline_server.fanout.frames import Bundle, size_of
from phaseline_server.fanout.queued import QueuedSubscriber
from phaseline_server.fanout.socket_writes import write_each
from phaseline_server.fanout.statistics import BroadcasterStatistics
from phaseline_server.fanout.subscriber import Subscriber, Writer

__all__ = ["Broadcaster", "BroadcasterStatistics"]

_Slice = tuple[frozenset[str] | None, list[Subscriber], list[Writer]]
"""Subscribers of a group: the channels of the group, the subscribers and their writers; or None and no writers."""

_PAUSE_S: Final = 0.001
_AnySubscriber = TypeVar("_AnySubscriber", bound=Subscriber)
# Subscribers that are written to between two checkpoints, and the bytes: a millisecond or two.
_SLICE: Final = 250
_SLICE_BYTES: Final = 2**20
_NONE: Final = frozenset[str]()  # the channels of a client that only reports
# Subscribers that publishing writes to at once, because a round would cost a fifth more. Messages that follow one
# another within this time are joined in rounds, which cost much less for each.
_FEW: Final = 100
_BURST_S: Final = 0.0005
_MANY_PENDING: Final = 1000  # messages; large batches wait for less
_MOST_PENDING: Final = 4000  # messages; all reports wait for less, or else publishing writes at once


class Broadcaster:
    """Publishes messages to all subscribers."""

    def __init__(self) -> None:
        """Create a broadcaster without subscribers."""
        # The place of each subscriber: the group of its channels, or the others (None).
        self._places: dict[Subscriber, frozenset[str] | None] = {}
        self._groups: dict[frozenset[str], dict[Subscriber, Writer]] = {}
        self._others: set[Subscriber] = set()
        self._round: Bundle | None = None
        self._slices: deque[_Slice] = deque()  # slices of the round still to write
        self._left: set[Subscriber] = set()  # not sent the round yet; others of a slice are skipped
        self._pending: list[Message] = []  # messages published after the round began
        self._ahead: dict[Subscriber, int] = {}  # number of pending messages already sent to a subscriber
        self._running = False
        self._work = trio.Event()
        self._room = trio.Event()  # set when the next round begins
        self._commits = 0
        self._joins_until_s = 0.0
        self._published = self._delivered = self._ended_slow = 0

    def subscribe(self, channels: Iterable[str], queue: int) -> AbstractContextManager[QueuedSubscriber]:
        """Add a subscriber to `channels` during the block, which queues messages in a memory channel."""
        return self._present(QueuedSubscriber(queue, frozenset(channels), self._move, self._settle))

    def attach(self, sink: Sink, channels: Iterable[str], queue: int) -> AbstractContextManager[DirectSubscriber]:
        """Add a subscriber to `channels` during the block, which writes messages directly to `sink`."""
        return self._present(DirectSubscriber(sink, queue, frozenset(channels), self._move, self._settle))

    @contextmanager
    def _present(self, subscriber: _AnySubscriber) -> Iterator[_AnySubscriber]:
        self._add(subscriber)
        try:
            yield subscriber
        finally:
            self._remove(subscriber)
            subscriber.close()

    # ------------------------------------------------------------------ publishing

    def publish(self, *messages: Message) -> None:
        """Send messages, in the order of their numbers, to their subscribers, without waiting.

        Messages that are published together take one write per subscriber.
        """
        if not messages:
            return
        self._published += len(messages)
        if self._may_write_now(messages):
            self._write_now(messages)
            return
        if len(self._pending) >= _MOST_PENDING:
            self._flush()
        self._pending += messages
        if not self._running:
            self._flush()
        else:
            self._work.set()

    def _may_write_now(self, messages: Sequence[Message]) -> bool:
        """Return whether no messages or commits are in the way, and writing to all subscribers takes half a slice."""
        if not self._running or self._pending or self._slices or self._commits:
            return False
        count = len(self._places) - len(self._groups.get(_NONE, ()))
        if not count:
            return True
        return count <= _FEW and count * size_of(messages) <= _SLICE_BYTES and perf_counter() >= self._joins_until_s

    def _write_now(self, messages: Sequence[Message]) -> None:
        groups = self._listening()
        if not groups and not self._others:
            return
        bundle = Bundle(messages)
        for channels, group in groups:
            if wanted := bundle.carried_by(channels):
                self._write(group, group.values(), bundle.framed(wanted, batch=False), len(wanted))
        for subscriber in list(self._others):
            self._take(subscriber, bundle)
        self._joins_until_s = perf_counter() + _BURST_S

    async def wait_room(self, *, large: bool) -> None:
        """Wait while many published messages are not being written yet; no checkpoint if there are few.

        With `large`, for callers that publish many at a time, wait earlier, so that others need not wait.
        """
        while self._running and len(self._pending) >= (_MANY_PENDING if large else _MOST_PENDING):
            await self._room.wait()

    @contextmanager
    def giving_way(self) -> Iterator[None]:
        """Pause between slices during the block, in which a thread commits.

        Each write releases the interpreter and takes it again at once, so the thread would wait for most of the round.
        """
        self._commits += 1
        try:
            yield
        finally:
            self._commits -= 1

    async def run(self) -> None:
        """Write published messages in slices, until canceled. Without this, publishing writes them at once."""
        self._running = True
        try:
            while True:
                await self._work.wait()
                self._work = trio.Event()
                await trio.lowlevel.checkpoint()  # the acks of what was published go first
                self._begin_round()
                while self._slices:
                    self._write_slice()
                    if self._commits:
                        await trio.sleep(_PAUSE_S)
                    else:
                        await trio.lowlevel.checkpoint()
        finally:
            self._running = False
            self._flush()
            self._room.set()

    def _flush(self) -> None:
        """Write everything that was published."""
        while self._slices:
            self._write_slice()
        self._begin_round()
        while self._slices:
            self._write_slice()

    def _begin_round(self) -> None:
        """Make a round of all pending messages; the previous round must be over."""
        if not self._pending:
            return
        self._room.set()
        self._room = trio.Event()
        pending, self._pending = self._pending, []
        ahead, self._ahead = self._ahead, {}
        groups = self._listening()
        if not groups and not self._others:
            return
        bundle = self._round = Bundle(pending)
        most = max(1, min(_SLICE, _SLICE_BYTES // max(1, size_of(pending))))
        for channels, group in groups:
            if bundle.carried_by(channels):
                self._add_slices(channels, list(group), list(group.values()), most)
        self._add_slices(None, list(self._others), [], most)
        rests: dict[int, Bundle] = {}
        for subscriber, count in ahead.items():
            if subscriber in self._left:
                self._left.remove(subscriber)
                if count < len(pending):
                    if count not in rests:
                        rests[count] = Bundle(pending[count:])
                    self._take(subscriber, rests[count])

    def _add_slices(
        self, place: frozenset[str] | None, members: list[Subscriber], writers: list[Writer], most: int
    ) -> None:
        self._left.update(members)
        for start in range(0, len(members), most):
            end = start + most
            self._slices.append((place, members[start:end], writers[start:end]))

    def _write_slice(self) -> None:
        """Write the round to the next subscribers."""
        assert self._round is not None  # noqa: S101 (a slice is of a round)
        channels, members, writers = self._slices.popleft()
        if not self._left.issuperset(members):  # some have unsubscribed or received it already
            kept = [member in self._left for member in members]
            members, writers = list(compress(members, kept)), list(compress(writers, kept))
        self._left.difference_update(members)
        if channels is None:
            for subscriber in members:
                self._take(subscriber, self._round)
        elif members:
            wanted = self._round.carried_by(channels)
            self._write(members, writers, self._round.framed(wanted, batch=False), len(wanted))

    def _settle(self, subscriber: Subscriber) -> None:
        """Write everything that was published to one subscriber, ahead of the others."""
        if subscriber in self._left:
            self._left.remove(subscriber)
            if self._round is not None:
                self._take(subscriber, self._round)
        if self._pending and subscriber in self._places:
            count, self._ahead[subscriber] = self._ahead.get(subscriber, 0), len(self._pending)
            if subscriber.channels and count < len(self._pending):
                self._take(subscriber, Bundle(self._pending[count:]))

    def _take(self, subscriber: Subscriber, bundle: Bundle) -> None:
        if wanted := bundle.wanted(subscriber.wants):
            if subscriber.take(bundle, wanted):
                self._delivered += len(wanted)
            else:
                self._end_slow(subscriber)

    def _write(self, members: Collection[Subscriber], writers: Iterable[Writer], frames: bytes, count: int) -> None:
        """Write frames of `count` messages to each subscriber of a group, and end those whose queue is full."""
        taken, whole, slow = write_each(writers, frames), len(frames), list[Subscriber]()
        if taken.count(whole) != len(taken):
            for subscriber, writer, size in zip(list(members), list(writers), taken, strict=True):
                if size == whole:
                    continue
                if size is not None:
                    writer.finish(frames, size)
                elif not writer.write(frames, count):
                    slow.append(subscriber)
        self._delivered += count * (len(members) - len(slow))
        for subscriber in slow:
            self._end_slow(subscriber)

    def _end_slow(self, subscriber: Subscriber) -> None:
        subscriber.end_slow()
        self._remove(subscriber)
        self._ended_slow += 1

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

    def _listening(self) -> list[tuple[frozenset[str], dict[Subscriber, Writer]]]:
        """Return the groups with any channels."""
        return [(channels, group) for channels, group in self._groups.items() if channels]

    def _add(self, subscriber: Subscriber) -> None:
        writer = subscriber.writer
        if writer is None:
            self._places[subscriber] = None
            self._others.add(subscriber)
        else:
            channels = self._places[subscriber] = subscriber.channels
            self._groups.setdefault(channels, {})[subscriber] = writer
        if self._pending:
            self._ahead[subscriber] = len(self._pending)

    def _remove(self, subscriber: Subscriber) -> None:
        if subscriber not in self._places:
            return
        self._left.discard(subscriber)
        self._ahead.pop(subscriber, None)
        channels = self._places.pop(subscriber)
        if channels is None:
            self._others.remove(subscriber)
            return
        group = self._groups[channels]
        del group[subscriber]
        if not group:
            del self._groups[channels]

    def _move(self, subscriber: Subscriber) -> None:
        """Move a changed subscriber to its group, unless it is removed."""
        if subscriber in self._places and self._place(subscriber) != self._places[subscriber]:
            self._remove(subscriber)
            self._add(subscriber)

    @staticmethod
    def _place(subscriber: Subscriber) -> frozenset[str] | None:
        return None if subscriber.writer is None else subscriber.channels
