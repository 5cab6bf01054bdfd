"""The log: stores events and publishes them in order. The tracker and the routes use only this module."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Final

import structlog
import trio

from phaseline.errors import DiskFull, Unrecoverable, shown
from phaseline.model.snapshot import Moment
from phaseline.stream import Message, Position, Tail
from phaseline_server.errors import LogUnavailable
from phaseline_server.fanout.broadcaster import Broadcaster, BroadcasterStatistics
from phaseline_server.fanout.direct import DirectSubscriber, Sink
from phaseline_server.fanout.queued import QueuedSubscriber
from phaseline_server.log.batch import Batch
from phaseline_server.log.protocol import Standing, Store
from phaseline_server.log.queries import JobPage, JobQuery, Total, TotalsQuery

__all__ = ["PAGE", "Log"]

_log: Final = structlog.get_logger()
_PRUNING_S: Final = 10.0
PAGE: Final = 2000
"""Number of messages per read from disk."""
_BEHIND_S: Final = 2.0
"""Time to wait for messages that another server of the log has published already."""


class Log:
    """The stream: the store, its latest messages in memory, and the broadcaster."""

    def __init__(self, store: Store, history: int, queue: int, history_bytes: int = 2**26) -> None:
        """Continue after the newest event of `store`.

        Args:
            store: An open one.
            history: Number of messages in memory for clients that resume; older ones are read from disk.
            queue: Messages that may wait for a subscriber.
            history_bytes: Size of the messages in memory.
        """
        self._store = store
        self._tail = Tail(store.epoch, history, store.top, history_bytes)
        self._broadcaster = Broadcaster()
        self._queue = queue
        self._published: trio.Event | None = None

    @property
    def top(self) -> Position:
        """The position after the newest message that was published."""
        return self._tail.top

    @property
    def standing(self) -> Standing:
        """The part of this server among those that share the log."""
        return self._store.standing

    @property
    def oldest(self) -> Position:
        """The oldest position from which clients can resume."""
        return Position(self._store.epoch, self._store.oldest - 1)

    async def keep(self, batch: Batch) -> None:
        """Store a group without publishing it. Cancellation does not interrupt it.

        Raises:
            DiskFull: There was no room; nothing is kept.
            LogUnavailable: The database can't be reached; `settle` returns whether the group is stored.
            Deposed: Another server leads; nothing is stored.
            JournalFailed: The disk failed.
        """
        with self._broadcaster.giving_way():
            await self._store.commit(batch)

    async def settle(self) -> bool:
        """Wait until the log is available; return whether the group is stored for which `keep` failed.

        Raises:
            Deposed: Another server leads.
            JournalFailed: The disk failed.
        """
        return await self._store.settle()

    def publish(self, messages: Sequence[Message]) -> None:
        """Publish a stored group. There is no await in between, so all subscribers receive the same order."""
        self._tail.extend(messages)
        self._broadcaster.publish(*messages)
        if self._published is not None:
            self._published.set()
            self._published = None

    async def wait_published(self, seq: int) -> None:
        """Wait until message `seq` is published here, but not for long."""
        with trio.move_on_after(_BEHIND_S):
            while self.top.seq < seq:
                if self._published is None:
                    self._published = trio.Event()
                await self._published.wait()

    async def catch_up(self, position: Position) -> None:
        """Wait for the messages up to `position`, which a client may have from another server of the log.

        Returns without them if they are not in the log, so that the client can't resume.

        Raises:
            LogUnavailable: They did not come, and may be in the log.
        """
        if position.epoch != self.top.epoch or position.seq <= self.top.seq or self.standing.role == "single":
            return
        asked_s = time.monotonic()
        await self.wait_published(position.seq)
        if self.top.seq >= position.seq or (self._store.complete_s > asked_s and self._store.top < position.seq):
            return
        raise LogUnavailable(
            f"this server has read the log up to {self.top.seq} only, and can't resume from {position.seq} yet; "
            "connect again later, or to another server of the log"
        )

    async def wait_room(self, *, large: bool) -> None:
        """Wait while the fan-out is behind; see `Broadcaster.wait_room`."""
        await self._broadcaster.wait_room(large=large)

    def announce(self, message: Message) -> None:
        """Send a message that is not part of the stream, with the number 0, to the present subscribers."""
        self._broadcaster.publish(message)

    def recent(self, position: Position) -> tuple[Message, ...]:
        """Return the messages after `position` from memory, without blocking.

        Raises:
            Unrecoverable: Memory does not go back so far, or `since` would raise it.
        """
        return self._tail.since(position)

    async def since(self, position: Position, limit: int = PAGE) -> tuple[Message, ...]:
        """Return the first `limit` messages after `position`, oldest first, with no gap; none when up to date.

        If none are returned, there was no await since the top was read, so a new subscriber misses nothing.

        Raises:
            Unrecoverable: Other epoch, already discarded, or ahead of the top. The caller sends a snapshot.
            JournalFailed: The disk failed.
        """
        self.check(position)
        try:
            return self._tail.since(position, limit)
        except Unrecoverable:
            # These messages are no longer in memory.
            messages = await self._store.events(position.seq, limit)
        messages = messages[: self.top.seq - position.seq]  # what is on disk may not be published yet
        if not messages or messages[0].seq != position.seq + 1:
            raise Unrecoverable(self._range(position))
        return messages

    def check(self, position: Position) -> None:
        """Check that clients can resume from `position`.

        Raises:
            Unrecoverable: It can't.
        """
        if position.epoch != self.top.epoch or not self.oldest.seq <= position.seq <= self.top.seq:
            raise Unrecoverable(self._range(position))

    def can_resume(self, position: Position) -> bool:
        """Return whether clients can resume from `position`."""
        try:
            self.check(position)
        except Unrecoverable:
            return False
        return True

    def _range(self, position: Position) -> str:
        epoch = self.top.epoch
        return (
            f"can't resume from position {shown(position.epoch)}/{shown(position.seq)}; "
            f"allowed: {epoch!a}/{self.oldest.seq} to {epoch!a}/{self.top.seq}"
        )

    async def record(self, job_id: str) -> bytes | None:
        """Return the record of a job that may have left memory, or None.

        Raises:
            JournalFailed: The disk failed.
        """
        return await self._store.job(job_id)

    async def jobs(self, query: JobQuery) -> JobPage:
        """Return a page of the jobs that are kept.

        Raises:
            JournalFailed: The disk failed.
        """
        return await self._store.jobs(query)

    async def totals(self, query: TotalsQuery) -> list[Total]:
        """Return the totals of runs, by workflow and series.

        Raises:
            JournalFailed: The disk failed.
        """
        return await self._store.totals(query)

    async def run_pruning(self, clock: Callable[[], Moment]) -> None:
        """Remove events and jobs that exceed the retention, a few at a time between commits, until cancelled.

        Args:
            clock: Returns the present moment.

        Raises:
            JournalFailed: The disk failed.
        """
        while True:
            await trio.sleep(_PRUNING_S)
            try:
                while await self._store.prune(clock()):
                    await trio.lowlevel.checkpoint()
            except LogUnavailable as error:
                _log.debug("can't delete old events from the log", error=str(error))  # debug: the store has logged it
            except DiskFull as error:
                _log.warning("can't delete old events from the log; retrying", error=str(error))

    async def run_fan_out(self) -> None:
        """Write published messages to the subscribers in slices, until canceled; see `Broadcaster.run`."""
        await self._broadcaster.run()

    def subscribe(self, channels: Iterable[str]) -> AbstractContextManager[QueuedSubscriber]:
        """Add a subscriber for the duration of the block; a memory channel queues its messages."""
        return self._broadcaster.subscribe(channels, self._queue)

    def attach(self, sink: Sink) -> AbstractContextManager[DirectSubscriber]:
        """Add a subscriber for the duration of the block; its messages go directly to `sink`."""
        return self._broadcaster.attach(sink, (), self._queue)

    def statistics(self) -> BroadcasterStatistics:
        """Return the current counts of the fan-out."""
        return self._broadcaster.statistics()
