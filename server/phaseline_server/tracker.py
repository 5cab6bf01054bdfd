"""The tracker: the one writer. Every report, by whatever transport, enters here and nowhere else.

A report is checked against its job, applied to a copy of it, and numbered; what has gathered is committed as one
group; only then are the copies the jobs that everybody sees, and the messages published. So nothing is visible or
acknowledged before it is on disk, and what could not be kept has never happened.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Final, get_args

import msgspec
import trio

from phaseline.errors import DiskFull, JournalFailed, PhaselineError, TooMany, UnknownJob
from phaseline.eta import Engine
from phaseline.eta.observed import finished
from phaseline.events import MAX_PHASES, Event, JobStarted, Report
from phaseline.job import MAX_KEPT_BYTES, Job
from phaseline.record import decode_job, encode_job
from phaseline.snapshot import Moment, PhaseState, Snapshot, State
from phaseline.statistics import Statistics
from phaseline.stream import Message, Position, channels_of
from phaseline.wire import encode_message, needs_snapshot
from phaseline_server.estimates import Estimates
from phaseline_server.group import Group, Pending
from phaseline_server.journal import Batch, JobRow, RunRow
from phaseline_server.listener import NOBODY, Listener
from phaseline_server.log import Log
from phaseline_server.producers import Producers

__all__ = ["Clock", "Tracker", "now"]

Clock = Callable[[], Moment]
_run_encoder: Final = msgspec.json.Encoder()
_HEARD: Final = frozenset({State.ACTIVE, State.STALLED})
_GONE: Final = frozenset({*filter(lambda state: state.ended, State), State.LOST})
_REPORTS: Final = get_args(Report)


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
        self._estimates = Estimates(engine, listener)
        self._max_jobs = max_jobs
        self._bounds = bounds
        self._jobs = {job.job_id: job for job in jobs}
        self._producers = producers or Producers({})
        self._listener = listener
        self._gathering = Group()
        self._committing = Group()
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
        if self._failed is not None:
            raise JournalFailed(str(self._failed))
        if event.producer is not None and event.producer_seq is not None:
            again = self._seen(event.producer, event.producer_seq)
            if again is not None:
                return again
        head = self._head(event)
        head.max_phases, head.max_kept_bytes = self._bounds
        present = self.clock()
        then = present.before(event.age_seconds) if event.age_seconds else present
        after = head.check(event)
        if head.state in _HEARD and isinstance(event, _REPORTS):
            self._listener.heard(head, then)
        lessons = head.apply(event, then, after)
        if event.job_id not in self._jobs and event.job_id not in self._gathering.heads:
            # After `apply`, so that a start that is refused costs no other job its place.
            self._make_room()
        group, position = self._gathering, self._next()
        head.seq = position.seq
        group.heads[event.job_id] = head
        payload = self._encode(event, head, position, present)
        group.messages.append(
            Message(position.seq, event.type, event.job_id, channels_of(event.type, event.job_id), payload)
        )
        group.reports += 1
        if event.producer is not None and event.producer_seq is not None:
            group.producers[event.producer] = (event.producer_seq, position.seq)
        if head.state.ended:
            group.lessons.extend(lessons)
            group.ended.append(head.copy())
        self._work.set()
        return Pending(position, group)

    async def announce(self, kind: str, channel: str, encode: Callable[[Position], bytes]) -> Position:
        """Keep and publish a message that is no event of a job, on one channel.

        Raises:
            DiskFull: There was no room for it.
            JournalFailed: The disk failed.
        """
        if self._failed is not None:
            raise JournalFailed(str(self._failed))
        group, position = self._gathering, self._next()
        message = Message(position.seq, kind, "", channels_of(kind, "", channel), encode(position), channel)
        group.messages.append(message)
        self._work.set()
        return await Pending(position, group).wait()

    def _next(self) -> Position:
        top = self.log.top
        waiting = len(self._gathering.messages) + len(self._committing.messages)
        return Position(top.epoch, top.seq + waiting + 1)

    def _seen(self, producer: str, number: int) -> Pending | None:
        """Return a report's place if it, or a later one of its producer, was taken in already."""
        for group in (self._gathering, self._committing):
            known = group.producers.get(producer)
            if known is not None and number <= known[0]:
                return Pending(Position(self.log.top.epoch, known[1]), group)
        known = self._producers.get(producer)
        if known is not None and number <= known[0]:
            return Pending(Position(self.log.top.epoch, known[1]))
        return None

    def _head(self, event: Event) -> Job:
        """Return the event's job as the group's other reports left it, to be changed."""
        job_id = event.job_id
        head = self._gathering.heads.get(job_id)
        if head is not None:
            return head
        latest = self._committing.heads.get(job_id) or self._jobs.get(job_id)
        if latest is not None:
            return latest.copy()
        if isinstance(event, JobStarted):
            return Job(job_id)
        raise UnknownJob(job_id)

    def _make_room(self) -> None:
        """Let the job that ended or was lost first go when memory holds as many as it may."""
        coming = self._gathering.heads.keys() | self._committing.heads.keys()
        held = len(self._jobs) + len(coming - self._jobs.keys())
        if held < self._max_jobs:
            return
        over = [job for job in self._jobs.values() if job.state in _GONE and job.job_id not in coming]
        if not over:
            text = f"{held} jobs are active; allowed: at most {self._max_jobs}; end some, or raise max_jobs"
            raise TooMany(text)
        self.forget(min(over, key=lambda job: (job.ended or job.latest).mono_ns).job_id)

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
                    while self._gathering.messages or self._committing.messages:
                        await (self._committing if self._committing.messages else self._gathering).over.wait()
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
            batch = self._batch(group)
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
        for group in groups:
            group.fail(error)

    def _batch(self, group: Group) -> Batch:
        statistics = self.statistics
        made, hits = statistics.generation_runs, statistics.cache_hits
        for job in group.ended:
            more_made, more_hits = statistics.counted(job)
            made, hits = made + more_made, hits + more_hits
        return Batch(
            at_ns=self.clock().wall_ns,
            messages=group.messages,
            jobs=[
                JobRow(job.job_id, job.seq, job.ended.wall_ns if job.ended else None, encode_job(job))
                for job in group.heads.values()
            ],
            producers=group.producers,
            runs=[_run_row(job) for job in group.ended],
            lessons=group.lessons,
            averages=statistics.after(group.lessons),
            counts=(made, hits) if group.ended else None,
        )

    def _publish(self, group: Group, batch: Batch) -> None:
        """Let everybody see what is kept. Nothing is awaited here, so nobody sees a part of it."""
        for job_id, head in group.heads.items():
            before = self._jobs.get(job_id)
            if before is not None and before.started == head.started:
                head.percent = max(head.percent, before.percent)  # what was told meanwhile
            self._jobs[job_id] = head
        self._producers.update(group.producers)
        self.reports += group.reports
        if group.ended:
            self.ended.update(str(job.state) for job in group.ended)
            self.statistics.averages.update(batch.averages)
            if batch.counts is not None:
                self.statistics.generation_runs, self.statistics.cache_hits = batch.counts
            self.learned.set()
            self._listener.ended(group.ended, group.lessons)
        self._committing = Group()
        self.log.publish(group.messages)
        group.over.set()

    # ------------------------------------------------------------------ telling

    def _encode(self, event: Event, job: Job, position: Position, moment: Moment) -> bytes:
        """Return the message of `event`; most cost little, for what they tell of the job is up to a second old."""
        seq, epoch, wall_ns = position.seq, position.epoch, job.latest.wall_ns
        if needs_snapshot(event) or job.state.ended:
            return encode_message(event, self._snapshot(job, moment), seq, epoch, wall_ns)
        told, elapsed_ns = self._estimates.told(job, moment), job.elapsed_ns(moment)
        return encode_message(event, told.brief, seq, epoch, wall_ns, elapsed_ns=elapsed_ns, refrain=told.refrain)

    def _snapshot(self, job: Job, moment: Moment) -> Snapshot:
        averages = self.statistics.of_workflow(job.workflow.name, (phase.name for phase in job.phases))
        estimate = self._estimates.exact(job, moment)
        return job.snapshot(moment, estimate, averages, self._listener.reasons(job.job_id))

    def snapshot(self, job_id: str) -> Snapshot:
        """Return a job's full state.

        Raises:
            UnknownJob: No such job is in memory.
        """
        job = self._jobs.get(job_id)
        if job is None:
            raise UnknownJob(job_id)
        return self._snapshot(job, self.clock())

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
                return self._snapshot(decode_job(record, moment, same_clock=False), moment)
        return self.snapshot(job_id)

    def snapshots(self) -> Iterator[Snapshot]:
        """Yield the full state of every job in memory, in the order in which they were first seen."""
        moment = self.clock()
        return (self._snapshot(job, moment) for job in tuple(self._jobs.values()))

    def jobs(self) -> tuple[Job, ...]:
        """Return every job in memory, to be looked at only."""
        return tuple(self._jobs.values())

    def counts(self) -> Counter[str]:
        """Return how many jobs in memory are in each state."""
        return Counter(str(job.state) for job in self._jobs.values())

    def ended_s(self, job_id: str) -> float | None:
        """Return for how many seconds a job has been over; None for one that is active or not in memory."""
        job = self._jobs.get(job_id)
        if job is None or job.ended is None:
            return None
        return (self.clock().mono_ns - job.ended.mono_ns) / 1e9

    def forget(self, job_id: str) -> None:
        """Drop a job that ended or was lost from memory; what is active stays."""
        job = self._jobs.get(job_id)
        if job is not None and job.state in _GONE:
            del self._jobs[job_id]
            self._estimates.forget(job_id)


def _run_row(job: Job) -> RunRow:
    """Return what is kept of a job that has ended."""
    moment = job.ended or job.latest
    failed = next((phase.name for phase in job.phases if phase.state is PhaseState.FAILED), job.phase)
    run = finished(job)
    return RunRow(
        seq=job.seq,
        at_ns=moment.wall_ns,
        job_id=job.job_id,
        workflow=job.workflow.name,
        series=job.series,
        state=str(job.state),
        phase=failed,
        duration_ns=job.elapsed_ns(moment),
        body=None if run is None else _run_encoder.encode(run),
    )
