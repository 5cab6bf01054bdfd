"""The tracker: the one writer. Every report, by whatever transport, enters here and nowhere else.

A report is checked against its job, applied to a copy of it, and numbered; what has gathered is committed as one
group; only then are the copies the jobs that everybody sees, and the messages published. So nothing is visible or
acknowledged before it is on disk, and what could not be kept has never happened.

Most reports are of progress in a phase that goes on. They take a short way: the job is copied once for a group, and
what its messages have in common is encoded once (`Head`); each of them then changes two fields, and adds a line.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Final, get_args

import trio

from phaseline.errors import DiskFull, JournalFailed, PhaselineError, UnknownJob
from phaseline.eta import Engine
from phaseline.model.events import (
    MAX_PHASES,
    Event,
    JobCancelled,
    JobFailed,
    JobLost,
    JobProgress,
    JobStalled,
    JobStarted,
    Report,
)
from phaseline.model.job import MAX_KEPT_BYTES, Job
from phaseline.model.record import decode_job
from phaseline.model.snapshot import Moment, Snapshot, State
from phaseline.model.statistics import Statistics
from phaseline.stream import Message, Position, channels_of
from phaseline_server.jobs.commit_group import BatchReceipt, Group, Head, Outcome, Pending, batch_of
from phaseline_server.jobs.deduplication import Producers
from phaseline_server.jobs.estimates import Estimates
from phaseline_server.jobs.job_table import JobTable
from phaseline_server.jobs.listener import NOBODY, Listener
from phaseline_server.jobs.messages import JobMessages
from phaseline_server.jobs.workers import Workers, joined
from phaseline_server.log.batch import Batch
from phaseline_server.log.stream import Log

__all__ = ["Clock", "Tracker", "now"]

Clock = Callable[[], Moment]
_REPORTS: Final = frozenset(get_args(Report))
_STOPPING: Final = (JobFailed, JobCancelled, JobStalled, JobLost)


def now() -> Moment:
    """Return the present moment on both clocks."""
    return Moment(time.time_ns(), time.monotonic_ns())


class Tracker:
    """All jobs in memory.

    Attributes:
        statistics: What ended jobs taught.
        learned: Set whenever the statistics have changed; whoever saves them puts a new event in its place.
        ended: How many jobs ended, by state, since the start.
        reports: How many reports were taken in since the start.
        clock: What tells the present moment.
        workers: Who reports by a connection.
    """

    def __init__(  # noqa: PLR0913 - what it works with, and what is known of before
        self,
        log: Log,
        engine: Engine,
        statistics: Statistics,
        *,
        max_jobs: int,
        bounds: tuple[int, int] = (MAX_PHASES, MAX_KEPT_BYTES),
        clock: Clock = now,
        jobs: Iterable[Job] = (),
        producers: Producers | None = None,
        listener: Listener = NOBODY,
    ) -> None:
        """Track at most `max_jobs` jobs, bring their events to `log`, and ask `engine` for estimates.

        Args:
            log: Where events are kept.
            engine: What estimates.
            statistics: What is known already.
            max_jobs: Jobs in memory.
            bounds: Phases of a job, and bytes that are kept of it.
            clock: Both clocks.
            jobs: Those of before a restart.
            producers: Those of before a restart.
            listener: Told of what is to be learned from.
        """
        self.log = log
        self.statistics = statistics
        self.learned = trio.Event()
        self.ended: Counter[str] = Counter()
        self.reports = 0
        self.clock = clock
        self._bounds = bounds
        self._jobs = JobTable(jobs, max_jobs)
        self.workers = Workers(clock, (name for job in self._jobs.all() for name in job.workers))
        estimates = Estimates(engine, statistics, listener, lambda job: self.workers.gone_since(job.workers))
        self._messages = JobMessages(estimates, statistics, log.top.epoch)
        self._producers = producers or Producers({})
        self._listener = listener
        self._gathering = Group()
        self._committing = Group()
        self._last = log.top.seq  # the number that was given last
        self._work = trio.Event()
        self._failed: PhaselineError | None = None

    # ------------------------------------------------------------------ taking reports in

    async def report(self, event: Event) -> Position:
        """Take in one event, and return its position once it is on disk.

        Raises:
            UnknownJob: As `take`, and whatever else that raises.
            DiskFull: There was no room for it.
            JournalFailed: The disk failed.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        return await self.take(event).wait()

    def take(self, event: Event) -> Pending:
        """Take in one event, to be kept with the next group.

        A producer that counts its reports may send them again after a lost answer: what was taken in already is
        not taken in twice.

        Raises:
            UnknownJob: It is about a job that never began.
            IllegalEvent: The job's state does not take it.
            InvalidField: One of its values is not allowed.
            TooLarge: With it, more would be known of the job than is kept.
            TooMany: It would begin one job too many.
            JournalFailed: The disk has failed.
        """
        seq = self._take(event, self.clock())
        self._work.set()
        return Pending(Position(self.log.top.epoch, seq), self._group_of(seq))

    def take_all(self, events: Iterable[Event], worker_of: Callable[[Event], str] | None = None) -> BatchReceipt:
        """Take in events that came together, each for itself; why one is refused, its outcome says.

        Args:
            events: In their order.
            worker_of: Names the connected worker of each; None where they came by no connection that lasts.
        """
        present, before = self.clock(), self._last
        outcomes: list[Outcome] = []
        for event in events:
            try:
                outcomes.append(self._take(event, present, worker_of(event) if worker_of is not None else None))
            except PhaselineError as error:
                outcomes.append(error)
        newest = self._last
        if newest == before:  # all were refused, or taken in before
            newest = max((seq for seq in outcomes if isinstance(seq, int)), default=0)
        self._work.set()
        return BatchReceipt(outcomes, self._group_of(newest))

    async def announce(self, kind: str, channel: str, encode: Callable[[Position], bytes]) -> Position:
        """Keep and publish a message that is no event of a job, on one channel.

        Raises:
            DiskFull: There was no room for it.
            JournalFailed: The disk failed.
        """
        if self._failed is not None:
            raise JournalFailed(str(self._failed))
        position = Position(self.log.top.epoch, self._last + 1)
        message = Message(position.seq, kind, "", channels_of(kind, "", channel), encode(position), channel)
        self._gathering.messages.append(message)
        self._last = position.seq
        self._work.set()
        return await Pending(position, self._gathering).wait()

    def forget_averages(self) -> None:
        """Forget the averages and counts of all ended jobs: in memory now, in the log with the next group.

        Raises:
            JournalFailed: The disk has failed.
        """
        if self._failed is not None:
            raise JournalFailed(str(self._failed))
        self.statistics.clear()
        self._gathering.forget = True
        self._work.set()

    def _group_of(self, seq: int) -> Group | None:
        """Return the group with the message of this number; None if it is kept already."""
        if self._gathering.messages and seq >= self._gathering.messages[0].seq:
            return self._gathering
        return self._committing if seq > self.log.top.seq else None

    def _take(self, event: Event, present: Moment, worker: str | None = None) -> int:
        """Take in one event, and return its number, or that of when it was taken in before; raises as `take`."""
        if self._failed is not None:
            raise JournalFailed(str(self._failed))
        producer, number = event.producer, event.producer_seq
        if producer is not None and number is not None and (again := self._seen(producer, number)):
            return again
        group, before = self._gathering, None
        head = group.heads.get(event.job_id)
        if head is None:
            before = self._latest(event)
            head = Head(before.copy())
        job, seq = head.job, self._last + 1
        then = present.before(event.age_seconds) if event.age_seconds else present
        if type(event) is JobProgress and job.goes_on(event, then):
            job.seq = seq
            if head.lines is None:
                head.lines = self._messages.lines(job, present)
            payload = head.lines.encode(event, seq, job.latest.wall_ns, job.elapsed_ns(present))
            message = Message(seq, "job_progress", event.job_id, head.channels, payload)
        else:
            message = self._take_other(event, head, seq, present, then)
        if type(event) in _REPORTS:
            self._note_worker(job, worker, present)
        if before is not None:
            group.heads[event.job_id] = head
            if before.state.at_work and type(event) in _REPORTS:
                # Once a group: what comes within it is one sign of life.
                self._listener.reported(before, then)
        group.messages.append(message)
        group.reports += 1
        if producer is not None and number is not None:
            group.producers[producer] = (number, seq)
        self._last = seq
        return seq

    def _note_worker(self, job: Job, worker: str | None, present: Moment) -> None:
        job.heard = present
        if worker not in job.workers if worker is not None else job.workers:
            job.workers = joined(self.workers, job.workers, worker)

    def _take_other(self, event: Event, head: Head, seq: int, present: Moment, then: Moment) -> Message:
        """Apply an event that changes more than how far a phase has come, and return its message; raises as `take`."""
        job, group = head.job, self._gathering
        begins = job.state is State.ABSENT
        if isinstance(event, _STOPPING) and not begins:
            is_end = isinstance(event, JobFailed | JobCancelled)
            self._messages.settle(job, then if is_end and not job.state.stopped else job.heard)
        durations = job.apply(event, then)
        if begins:
            # After `apply`, so that a start that is refused costs no other job its place.
            self._make_room()
            group.born += 1
        job.seq = seq
        head.lines = None
        if job.state.ended:
            group.durations.extend(durations)
            group.ended.append(job.copy())
        payload = self._messages.message(event, job, present)
        return Message(seq, event.type, event.job_id, channels_of(event.type, event.job_id), payload)

    def _seen(self, producer: str, number: int) -> int | None:
        """Return a report's number in the stream if it, or a later one of its producer, was taken in already."""
        known = (
            self._gathering.producers.get(producer)
            or self._committing.producers.get(producer)
            or self._producers.get(producer)
        )
        return known[1] if known is not None and number <= known[0] else None

    def _latest(self, event: Event) -> Job:
        """Return the event's job as the group before left it, not to be changed.

        Raises:
            UnknownJob: There is none, and it does not begin with this.
        """
        head = self._committing.heads.get(event.job_id)
        job = self._jobs.get(event.job_id) if head is None else head.job
        if job is None:
            if not isinstance(event, JobStarted):
                raise UnknownJob(event.job_id)
            job = Job(event.job_id)
        job.max_phases, job.max_kept_bytes = self._bounds
        return job

    def _make_room(self) -> None:
        """Let the job that ended or was lost first go when memory holds as many as it may; raises TooMany."""
        groups = (self._gathering, self._committing)
        first = self._jobs.over_first(
            sum(group.born for group in groups), lambda job_id: any(job_id in group.heads for group in groups)
        )
        if first is not None:
            self.forget(first)

    # ------------------------------------------------------------------ keeping them

    @asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        """Commit what gathers, for the length of the block; at its end, what has gathered is kept too.

        Raises:
            JournalFailed: The disk failed; the block is cancelled.
        """
        committing = trio.CancelScope(shield=True)

        async def keep_groups() -> None:
            with committing:
                await self._keep_groups()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_groups)
            try:
                # Whatever ends the block may have something to report still; so this goes on until it has ended.
                yield
            finally:
                with trio.CancelScope(shield=True):
                    while not (self._gathering.empty and self._committing.empty):
                        await (self._gathering if self._committing.empty else self._committing).over.wait()
                committing.cancel()

    async def _keep_groups(self) -> None:
        while True:
            await self._work.wait()
            self._work = trio.Event()
            self._committing, self._gathering = self._gathering, Group()
            with trio.CancelScope(shield=True):
                await self._keep(self._committing)

    async def _keep(self, group: Group) -> None:
        try:
            batch = batch_of(group, self.statistics, self.clock().wall_ns)
            await self.log.keep(batch)
        except DiskFull as error:
            self._undo(error)
        except JournalFailed as error:
            self._failed = error
            self._undo(error)
            raise
        except BaseException as error:
            # A mistake of ours, which ends the server; nobody shall wait for it.
            self._failed = JournalFailed(f"a group of reports could not be kept: {error!r}; see the server's log")
            self._undo(self._failed)
            raise
        else:
            self._publish(group, batch)

    def _undo(self, error: PhaselineError) -> None:
        """Let what could not be kept have never happened, and what was built on it neither."""
        groups = (self._committing, self._gathering)
        self._committing, self._gathering = Group(), Group()
        self._last = self.log.top.seq
        for group in groups:
            group.fail(error)

    def _publish(self, group: Group, batch: Batch) -> None:
        """Let everybody see what is kept. Nothing is awaited here, so nobody sees a part of it."""
        for head in group.heads.values():
            self._jobs.put(head.job)
        self._producers.update(group.producers)
        self.reports += group.reports
        if group.forget:
            self.statistics.clear()  # of what the group before it taught
        if group.ended:
            self.ended.update(str(job.state) for job in group.ended)
            self.statistics.averages.update(batch.averages)
            if batch.counts is not None:
                self.statistics.generation_runs, self.statistics.cache_hits = batch.counts
            self.learned.set()
            self._listener.ended(group.ended, group.durations)
        self._committing = Group()
        self.log.publish(group.messages)
        group.over.set()

    # ------------------------------------------------------------------ telling

    def snapshot(self, job_id: str) -> Snapshot:
        """Return a job's full state.

        Raises:
            UnknownJob: No such job is in memory.
        """
        return self._messages.snapshot(self._jobs.known(job_id), self.clock())

    async def find(self, job_id: str) -> Snapshot:
        """Return a job's full state, from the disk if it has left memory.

        Raises:
            UnknownJob: No such job is kept.
            JournalFailed: The disk failed.
        """
        if job_id in self._jobs:
            await trio.lowlevel.checkpoint()
        else:
            record = await self.log.record(job_id)
            if record is not None and job_id not in self._jobs:
                moment = self.clock()
                return self._messages.snapshot(decode_job(record, moment, same_clock=False), moment)
        return self.snapshot(job_id)

    def snapshots(self) -> Iterator[Snapshot]:
        """Yield the full state of every job in memory, in the order in which they were first seen."""
        moment = self.clock()
        return (self._messages.snapshot(job, moment) for job in self._jobs.all())

    def jobs(self) -> tuple[Job, ...]:
        """Return every job in memory, to be looked at only."""
        return self._jobs.all()

    def counts(self) -> Counter[str]:
        """Return how many jobs in memory are in each state."""
        return self._jobs.counts()

    def ended_s(self, job_id: str) -> float | None:
        """Return for how many seconds a job has been over; None for one that is active or not in memory."""
        job = self._jobs.get(job_id)
        if job is None or job.ended is None:
            return None
        return (self.clock().mono_ns - job.ended.mono_ns) / 1e9

    def forget(self, job_id: str) -> None:
        """Drop a job that ended or was lost from memory; what is active stays."""
        if self._jobs.forget(job_id):
            self._messages.forget(job_id)
