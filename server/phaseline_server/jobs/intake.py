"""The intake: checks reports, applies them to copies of their jobs, and numbers them.

Most reports are of progress in the current phase. They take a short path: the job is copied once for a group, and what
its messages share is encoded once (`Head`); each report then changes two fields and adds a line.
"""

from collections.abc import Sequence
from typing import Final, get_args

import msgspec
import trio

from phaseline.errors import PhaselineError, TooMany, UnknownJob
from phaseline.model.events import (
    Event,
    JobCancelled,
    JobDismissed,
    JobFailed,
    JobLost,
    JobProgress,
    JobQueued,
    JobStalled,
    JobStarted,
    Report,
)
from phaseline.model.job import Job
from phaseline.model.snapshot import Moment
from phaseline.model.states import State
from phaseline.model.transitions import check
from phaseline.stream import Message, Position, channels_of
from phaseline_server.jobs.commit_group import Arrival, Group, Head, Outdated
from phaseline_server.jobs.deduplication import Producers, find_recorded, numbered_by
from phaseline_server.jobs.growth import GROWING, growth_of
from phaseline_server.jobs.job_table import JobTable
from phaseline_server.jobs.listener import Listener
from phaseline_server.jobs.messages import JobMessages
from phaseline_server.jobs.quick import quick_of, take_quickly
from phaseline_server.jobs.receipts import Outcome
from phaseline_server.jobs.workers import Workers, joined
from phaseline_server.log.batch import ProducerKey

__all__ = ["Intake"]

_REPORTS: Final = frozenset(get_args(Report))
_STOPPING: Final = (JobFailed, JobCancelled, JobStalled, JobLost)


class Intake:
    """The two groups between the reporters and the log: one gathers reports while the other is committed.

    Attributes:
        gathering: The group that new reports join.
        committing: The group that is being stored; empty if none is.
        open: Held while a batch joins `gathering`, which may only be closed between two batches.
        failed: Why no report is accepted: the disk has failed, another server leads, or, for a while, the database with
            the log can't be reached.
    """

    def __init__(
        self,
        jobs: JobTable,
        messages: JobMessages,
        producers: Producers,
        workers: Workers,
        listener: Listener,
        top: Position,
        bounds: tuple[int, int],
    ) -> None:
        """Number reports from `top` on; `bounds` are the maximum phases and bytes of a job."""
        self.gathering = Group()
        self.committing = Group()
        self.open = trio.Lock()
        self.failed: PhaselineError | None = None
        self._jobs = jobs
        self._messages = messages
        self._producers = producers
        self._workers = workers
        self._listener = listener
        self._epoch = top.epoch
        self._last = self._stored = top.seq  # the last number assigned, and the last one stored
        self._bounds = bounds

    # ------------------------------------------------------------------ groups

    def close_group(self) -> Group:
        """Return the reports that have gathered, to be committed; later ones join a new group."""
        self.committing, self.gathering = self.gathering, Group()
        return self.committing

    def finish_group(self) -> None:
        """Record that the group in `committing` is stored."""
        if self.committing.messages:
            self._stored = self.committing.messages[-1].seq
        self.committing = Group()

    def roll_back(self, error: PhaselineError) -> None:
        """Roll back the group that could not be stored, and the one built on it."""
        groups = (self.committing, self.gathering)
        self.committing, self.gathering = Group(), Group()
        self._last = self._stored
        for group in groups:
            group.fail(error)

    def suspend(self, error: PhaselineError) -> None:
        """Accept no reports until it is known whether the group in `committing` is stored.

        Clients do not wait for that: the reports of this group, and of the one built on it, are rejected. If the group
        turns out to be stored, it is published, and its numbered reports are recognized when they are sent again.
        """
        self.failed = error
        self.committing.fail(error)
        self.gathering.fail(error)
        self.gathering = Group()

    def resume(self) -> None:
        """Accept reports again, after the group in `committing` was published or rolled back."""
        self.failed = None
        self._last = self._stored

    def group_of(self, seq: int) -> Group | None:
        """Return the group with the message of this number; None if it is stored already."""
        if self.gathering.messages and seq >= self.gathering.messages[0].seq:
            return self.gathering
        return self.committing if seq > self._stored else None

    def check(self) -> None:
        """Raise `failed` if it is set."""
        if self.failed is not None:
            raise type(self.failed)(str(self.failed))  # a new exception each time, as raising one changes it

    # ------------------------------------------------------------------ reports

    def next_position(self) -> Position:
        """Return the position of the next message."""
        return Position(self._epoch, self._last + 1)

    def add(self, message: Message) -> Group:
        """Add a message that is no event of a job, with the next number; return its group."""
        self.gathering.messages.append(message)
        self._last = message.seq
        return self.gathering

    def knows(self, job_id: str) -> bool:
        """Return whether a job is in memory, or in a group."""
        groups = (self.gathering, self.committing)
        return job_id in self._jobs or any(job_id in group.heads for group in groups)

    def take_some(self, events: Sequence[Event], start: int, arrival: Arrival, outcomes: list[Outcome]) -> None:
        """Accept one event or more of those from index `start`, and add the outcome of each; it takes a millisecond."""
        first = self._last + 1
        taken = take_quickly(self.gathering, events, start, self._last, arrival)
        if taken:
            self._last += taken
            outcomes += range(first, first + taken)
            return
        try:
            outcomes.append(self.take(events[start], arrival))
        except PhaselineError as error:
            outcomes.append(error)

    def take(self, event: Event, arrival: Arrival, past: Job | None = None) -> int:
        """Accept one event and return its number, or its first number if it was accepted before.

        Args:
            event: The event.
            arrival: The time, and where it comes from.
            past: The event's job as the log has it, if it has left memory.

        Raises:
            PhaselineError: As `Tracker.take`.
        """
        self.check()
        present, worker_of = arrival.present, arrival.worker_of
        worker = None if worker_of is None else worker_of(event)
        numbered = numbered_by(event, arrival.owner)
        if recorded := self._recorded(numbered):
            return recorded
        group, before = self.gathering, None
        head = group.heads.get(event.job_id)
        if head is None:
            before = self._latest(event, past)
            head = Head(before.copy())
            head.recalled = before is past
        job, seq = head.job, self._last + 1
        if type(event) is JobProgress and event.done is not None:
            event = job.resolved(event)
        then = arrival.received.before(event.age_seconds) if event.age_seconds else present
        if type(event) is JobProgress and job.goes_on(event, then):
            job.seq = seq
            if head.lines is None:
                head.lines = self._messages.lines(head, present)
            payload = head.lines.encode(event, seq, job.latest.wall_ns, job.elapsed_ns(present))
            message = Message(seq, "job_progress", event.job_id, head.channels, payload)
            head.quick = quick_of(head, event, numbered and numbered[0], arrival)
        else:
            head.quick = None
            message = self._take_other(event, head, seq, present, then)
        head.outdated = Outdated(event, len(group.messages), present) if head.behind else None
        is_report = type(event) in _REPORTS
        if is_report:
            self._note_worker(job, worker, present)
        if before is not None:
            group.heads[event.job_id] = head
            if is_report and before.state.at_work:
                # Once per group: its reports count as one sign of life.
                self._listener.reported(before, then)
        group.messages.append(message)
        group.reports += 1
        if numbered is not None:
            group.numbers.add(*numbered, seq)
        self._last = seq
        return seq

    def _note_worker(self, job: Job, worker: str | None, present: Moment) -> None:
        job.last_report = present
        if worker not in job.workers if worker is not None else job.workers:
            job.workers = joined(self._workers, job.workers, worker)

    def _take_other(self, event: Event, head: Head, seq: int, present: Moment, then: Moment) -> Message:
        """Apply an event that changes more than the progress of a phase; return its message; raises as `take`."""
        job, group = head.job, self.gathering
        begins = job.state is State.ABSENT
        if isinstance(event, _STOPPING) and not begins:
            is_end = isinstance(event, JobFailed | JobCancelled)
            self._messages.settle(job, then if is_end and not job.state.stopped else job.last_report)
        if growth := growth_of(event):
            check(job, event)  # first, so that a rejected report does not evict another job
            try:
                self._make_room(int(begins), growth)
            except TooMany:
                if isinstance(event, GROWING):
                    raise  # an end is always accepted, because an ended job can be evicted
        before = 0 if begins else job.weight
        durations = job.apply(event, then)
        group.born += begins
        group.growth += job.weight - before
        job.seq = seq
        head.lines = None
        if isinstance(event, JobDismissed):
            group.dismissed.append(job.copy())
        elif job.state.ended:
            group.durations.extend(durations)
            group.ended.append(job.copy())
        payload = self._messages.message(event, head, present)
        return Message(seq, event.type, event.job_id, channels_of(event.type, event.job_id), payload)

    def renew(self, head: Head, group: Group) -> None:
        """Give the job's last message in a closed group a new estimate, if it has an old one."""
        if head.outdated is not None:
            event, place, present = head.outdated
            payload = self._messages.exact_message(event, head.job, present)
            group.messages[place] = msgspec.structs.replace(group.messages[place], payload=payload)

    def _recorded(self, numbered: tuple[ProducerKey, int] | None) -> int | None:
        """Return the message of a report that was recorded before, or None; raises NumberReused."""
        if numbered is None:
            return None
        layers = (self.gathering.numbers, self.committing.numbers, self._producers)
        return find_recorded(layers, *numbered)

    def _latest(self, event: Event, past: Job | None) -> Job:
        """Return the event's job as the group before left it, or as the log has it; it must not be changed.

        Raises:
            UnknownJob: There is none, and the event does not start it.
        """
        head = self.committing.heads.get(event.job_id)
        job = (self._jobs.get(event.job_id) or past) if head is None else head.job
        if job is None:
            if not isinstance(event, JobQueued | JobStarted):
                raise UnknownJob(event.job_id)
            job = Job(event.job_id)
        job.max_phases, job.max_kept_bytes = self._bounds
        return job

    def _make_room(self, begins: int, growth: int) -> None:
        """Drop the jobs that ended or were lost first while the jobs in memory exceed a limit; raises TooMany.

        Args:
            begins: 1 if one more job begins, otherwise 0.
            growth: The memory in bytes that is needed for it, or for more facts of another one.
        """
        groups = (self.gathering, self.committing)
        coming = begins + sum(group.born for group in groups)
        growth += sum(group.growth for group in groups)

        def stays(job_id: str) -> bool:
            return any(job_id in group.heads for group in groups)

        while (first := self._jobs.over_first(coming, growth, stays)) is not None:
            self._jobs.forget(first)
            self._messages.forget(first)
