"""The tracker: the one writer. Every report, over any transport, enters here and nowhere else.

The intake checks a report and applies it to a copy of its job. The reports that have gathered are committed as one
group; only then do the copies become the jobs that all readers see, and the messages are published. So nothing is
visible or acknowledged before it is on disk, and a group that could not be stored leaves no trace.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Final

import trio

from phaseline.eta import Engine
from phaseline.model.events import MAX_PHASES, Event, JobDismissed
from phaseline.model.job import MAX_KEPT_BYTES, Job
from phaseline.model.snapshot import Moment
from phaseline.model.statistics import Statistics
from phaseline.stream import Message, Position, channels_of
from phaseline_server.jobs.commit_group import Arrival, Group
from phaseline_server.jobs.deduplication import Producers
from phaseline_server.jobs.estimates import Estimates
from phaseline_server.jobs.group_commits import GroupCommits
from phaseline_server.jobs.intake import Intake
from phaseline_server.jobs.job_table import JobTable
from phaseline_server.jobs.joining import Failed, join_at_once, join_in_parts
from phaseline_server.jobs.listener import NOBODY, Listener
from phaseline_server.jobs.messages import JobMessages
from phaseline_server.jobs.published import Clock, PublishedJobs
from phaseline_server.jobs.queue_outlook import QueueOutlook
from phaseline_server.jobs.receipts import BatchReceipt, Pending
from phaseline_server.jobs.workers import Workers
from phaseline_server.log.batch import Batch
from phaseline_server.log.stream import Log

__all__ = ["Clock", "Tracker", "now"]

_FEW: Final = 16
"""Reports that are accepted without waiting for a larger batch."""
# A wall clock beyond the year 2250 is wrong; nanoseconds since 1970 fit into 64 bits until 2262.
_LATEST_NS: Final = 280 * 31_557_600 * 10**9


def now() -> Moment:
    """Return the present moment on both clocks."""
    return Moment(min(time.time_ns(), _LATEST_NS), time.monotonic_ns())


class Tracker(PublishedJobs):
    """The writer of all jobs in memory, which `PublishedJobs` reads.

    Attributes:
        statistics: The averages and counts of ended jobs.
        learned: Set when the statistics have changed; the task that saves them replaces it.
        ended: The number of jobs that ended since the start, by state.
        reports: The number of reports accepted since the start.
        workers: The connected workers.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, and the state from before a restart
        self,
        log: Log,
        engine: Engine,
        statistics: Statistics,
        *,
        max_jobs: int,
        max_bytes: int = 2**62,
        bounds: tuple[int, int] = (MAX_PHASES, MAX_KEPT_BYTES),
        clock: Clock = now,
        jobs: Iterable[Job] = (),
        producers: Producers | None = None,
        listener: Listener = NOBODY,
        ends: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Create a tracker that accepts reports inside of `keeping`.

        Args:
            log: Stores and publishes events.
            engine: Computes estimates.
            statistics: The averages and counts so far.
            max_jobs: Maximum number of jobs in memory.
            max_bytes: Maximum size of all jobs in memory, in bytes.
            bounds: Maximum number of phases of a job, and maximum size of its facts in bytes.
            clock: Returns the present moment on both clocks.
            jobs: The jobs from before a restart.
            producers: The producers from before a restart.
            listener: Called with what estimates learn from.
            ends: The number of runs that ended today so far, by state.
        """
        table = JobTable(jobs, max_jobs, max_bytes)
        self.statistics = statistics
        self.learned = trio.Event()
        self.ended: Counter[str] = Counter()
        self.reports = 0
        self.workers = Workers(clock, (name for job in table.all() for name in job.workers))
        estimates = Estimates(engine, statistics, listener, lambda job: self.workers.gone_since(job.workers))
        messages = JobMessages(estimates, statistics, log.top.epoch)
        messages.begins_ns = QueueOutlook(table, messages.remaining_ns).begins_ns
        super().__init__(log, table, messages, clock, ends)
        for job in table.all():
            self.workers.orders.publish(job)
        self._producers = producers or Producers({})
        self._listener = listener
        self._intake = Intake(table, messages, self._producers, self.workers, listener, top=log.top, bounds=bounds)
        self._commits = GroupCommits(self._intake, log, statistics, clock, self._publish)

    # ------------------------------------------------------------------ reports

    async def report(self, event: Event, owner: str = "") -> Position:
        """Accept one event, and return its position once it is on disk; see `take`.

        Raises:
            UnknownJob: As `take`, which raises the other errors too.
            DiskFull: The disk is full.
            LogUnavailable: The database with the log can't be reached.
            JournalFailed: The disk failed.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        return await self.take(event, owner).wait()

    def take(self, event: Event, owner: str = "") -> Pending:
        """Accept one event, to be stored with the next group.

        A producer that numbers its reports may send them again after a lost answer; they are recorded once. Each
        `owner`, which is the token that reports, has its own producers.

        Raises:
            NumberReused: The producer has used the number for another job.
            UnknownJob: The job never started.
            IllegalEvent: The job's state does not allow the event.
            InvalidField: A value is not allowed.
            TooLarge: The job's facts would exceed their limit.
            TooMany: The event would start one job too many.
            LogUnavailable: The database with the log can't be reached.
            Deposed: Another server leads.
            JournalFailed: The disk has failed.
        """
        seq = self._intake.take(event, Arrival(self.clock(), owner))
        self._commits.wake()
        return Pending(Position(self.log.top.epoch, seq), self._intake.group_of(seq))

    async def take_all(
        self,
        events: Sequence[Event],
        worker_of: Callable[[Event], str] | None = None,
        owner: str = "",
        failed: Failed = lambda: None,
    ) -> BatchReceipt:
        """Accept events that arrived together, each by itself.

        They are stored as one group. A large batch lets other tasks run at intervals, so other reports may come between
        its own, and it is stored as several groups; once one of them has failed, the later ones do too. It is not
        interrupted by cancellation.

        Args:
            events: The events in their order.
            worker_of: Returns the name of an event's connected worker; None if there is no lasting connection.
            owner: See `take`.
            failed: Returns why an earlier report of the same client could not be stored, or None. If so, none of these
                is accepted; otherwise the earlier report, sent again, would be taken for a repeated one.
        """
        intake = self._intake
        if len(events) > _FEW:
            await self._wait_room()
        try:
            intake.open.acquire_nowait()
        except trio.WouldBlock:
            if len(events) <= _FEW:
                receipt = join_at_once(intake, events, Arrival(self.clock(), owner, worker_of), failed)
                self._commits.wake()
                return receipt
            await intake.open.acquire()
        try:
            arrival = Arrival(self.clock(), owner, worker_of)
            return await join_in_parts(intake, events, arrival, self.clock, self._commit_soon, self._wait_room, failed)
        finally:
            intake.open.release()

    def _commit_soon(self) -> None:
        if not self._intake.gathering.empty:
            self._commits.wake()

    async def _wait_room(self) -> None:
        await self.log.wait_room(large=True)

    async def dismiss(self, event: JobDismissed, owner: str = "") -> Position:
        """Dismiss a job, which may have left memory, and return the position once that is on disk.

        Raises:
            UnknownJob: No such job is kept; `take` raises the other errors, too.
            DiskFull: The disk is full.
            LogUnavailable: The database with the log can't be reached.
            JournalFailed: The disk failed.
        """
        past = None if self._intake.knows(event.job_id) else await self._past(event.job_id)
        seq = self._intake.take(event, Arrival(self.clock(), owner), past)
        self._commits.wake()
        return await Pending(Position(self.log.top.epoch, seq), self._intake.group_of(seq)).wait()

    async def announce(self, kind: str, channel: str, encode: Callable[[Position], bytes]) -> Position:
        """Store and publish a message that is no event of a job, on one channel.

        Raises:
            DiskFull: The disk is full.
            LogUnavailable: The database with the log can't be reached.
            JournalFailed: The disk failed.
        """
        self._intake.check()
        position = self._intake.next_position()
        message = Message(position.seq, kind, "", channels_of(kind, "", channel), encode(position), channel)
        group = self._intake.add(message)
        self._commits.wake()
        return await Pending(position, group).wait()

    def forget_averages(self) -> None:
        """Drop the averages and counts of all ended jobs: in memory now, in the log with the next group.

        Raises:
            JournalFailed: The disk has failed.
        """
        self._intake.check()
        self.statistics.clear()
        self._intake.gathering.forget = True
        self._commits.wake()

    # ------------------------------------------------------------------ group commit

    @asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        """Commit gathered reports for the duration of the block; at its end, all accepted reports are stored.

        Raises:
            Deposed: Another server leads the log; the block is cancelled.
            JournalFailed: The disk failed; the block is cancelled.
        """
        async with self._commits.running():
            yield

    def _publish(self, group: Group, batch: Batch) -> None:
        """Publish a stored group. There is no await, so other tasks never see a part of it."""
        for head in group.heads.values():
            if head.recalled and head.job.dismissed:
                self._messages.forget(head.job.job_id)
            else:
                self._jobs.put(head.job)
                self.workers.orders.publish(head.job)
        self._producers.update(group.numbers)
        self.reports += group.reports
        if group.forget:
            self.statistics.clear()  # also of what the previous group added
        if group.ended:
            self.ended.update(str(job.state) for job in group.ended)
            self.statistics.update(batch.averages, batch.dropped)
            if batch.counts is not None:
                self.statistics.generation_runs, self.statistics.cache_hits = batch.counts
            self.learned.set()
            self._listener.ended(group.ended, group.durations)
        self._today.count(group.ended, group.dismissed, self.clock())
        self._intake.finish_group()
        self.log.publish(group.messages)
        group.over.set()
