"""The published jobs, as all readers see them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

import trio

from phaseline.model.job import Job
from phaseline.model.record import decode_job
from phaseline.model.snapshot import Estimate, Moment, Snapshot
from phaseline.stream import HOSTS, Message
from phaseline.wire import HostStatus
from phaseline_server.jobs.history import HistoryPage, read_history
from phaseline_server.jobs.hosts import Loads
from phaseline_server.jobs.job_table import JobTable
from phaseline_server.jobs.messages import JobMessages
from phaseline_server.jobs.states import JobsState, Statuses
from phaseline_server.jobs.today import Today
from phaseline_server.log.queries import JobQuery
from phaseline_server.log.stream import Log

__all__ = ["Clock", "PublishedJobs"]

Clock = Callable[[], Moment]


class PublishedJobs:
    """All jobs in memory, to be read.

    Attributes:
        log: Where events are stored and published.
        clock: Returns the present moment.
        loads: The last load of each machine.
    """

    def __init__(self, log: Log, table: JobTable, messages: JobMessages, clock: Clock, ends: Mapping[str, int]) -> None:
        """Read the jobs of `table`; `ends` are the runs that ended today so far, by state."""
        self.log = log
        self.clock = clock
        self.loads = Loads()
        self._today = Today(clock(), ends)
        self._jobs = table
        self._messages = messages
        self._statuses = Statuses(table, messages, clock)

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
            past = await self._past(job_id)
            if past is not None and job_id not in self._jobs:
                return self._messages.snapshot(past, self.clock())
        return self.snapshot(job_id)

    async def _past(self, job_id: str) -> Job | None:
        """Return a job as the log has it, or None; raises JournalFailed."""
        record = await self.log.record(job_id)
        return None if record is None else decode_job(record, self.clock(), same_clock=False)

    async def statuses(self, jobs: Iterable[Job]) -> list[bytes]:
        """Return the status of each job as JSON, as lists show it; other tasks run meanwhile."""
        return await self._statuses.encode(jobs)

    async def state(self, reads: Callable[[str], bool] | None = None) -> JobsState:
        """Return the state of all jobs that are not dismissed, at the present position; other tasks run meanwhile.

        Args:
            reads: Returns whether a job may be read, by its id; None if all may be.
        """
        return await self._statuses.state(self.log.top, self._today.status(self.clock()), reads)

    async def history(self, query: JobQuery) -> HistoryPage:
        """Return a page of all jobs that are kept; see `read_history`.

        Raises:
            JournalFailed: The disk failed.
        """
        return await read_history(self.log, query, self._jobs, self._statuses, self.clock())

    def percent(self, job: Job) -> float:
        """Return the percentage of an active job that is done; as it was last shown if the job has changed since."""
        return self._messages.percent(job, self.clock()) if self.has(job) else job.percent

    def report_host(self, status: HostStatus) -> None:
        """Record the load of a machine, and publish it on the channel `hosts`; raises TooLarge."""
        document = self.loads.take(status, self.clock())
        if document is not None:
            self.log.announce(Message(0, "host_status", "", frozenset({HOSTS}), document))

    def tidy(self) -> None:
        """Drop statuses that are too old to be reused."""
        self._statuses.tidy()

    def snapshots(self) -> Iterator[Snapshot]:
        """Yield the full state of every job in memory, in the order in which they were first seen."""
        moment = self.clock()
        return (self._messages.snapshot(job, moment) for job in self._jobs.all())

    def jobs(self) -> tuple[Job, ...]:
        """Return every job in memory, to be looked at only."""
        return self._jobs.all()

    def hosts(self) -> Mapping[str, Mapping[str, Job]]:
        """Return the active and stalled jobs of each machine, by their ids, to be looked at only."""
        return self._jobs.hosts()

    def boxes(self) -> Mapping[tuple[str, str], Mapping[str, Job]]:
        """Return the queued, active and stalled jobs of each host and queue, by their ids, to be looked at only."""
        return self._jobs.boxes()

    def estimate(self, job: Job, moment: Moment) -> Estimate:
        """Return the estimate of an unfinished job; of a queued one, for the time from its start."""
        return self._messages.estimate(job, moment)

    def job(self, job_id: str) -> Job | None:
        """Return a job in memory, to be looked at only, or None."""
        return self._jobs.get(job_id)

    def has(self, job: Job) -> bool:
        """Return whether `job` is in memory and has not changed since it was returned by `jobs`."""
        return self._jobs.get(job.job_id) is job

    @property
    def bytes(self) -> int:
        """The memory that all jobs take, in bytes, roughly."""
        return self._jobs.weight

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
