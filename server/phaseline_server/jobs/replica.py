"""The log and the jobs, as a mirror copies them."""

from collections.abc import AsyncGenerator
from typing import Final

import msgspec

from phaseline.model.job import Job
from phaseline.model.record import decode_job, encode_job
from phaseline.model.snapshot import Estimate
from phaseline.stream import Position
from phaseline.wire.replication import LogJobs, LogStart, LogUpdate, SentMessage, sent_message
from phaseline_server.errors import ReadOnlyMirror
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.jobs.turns import Turns
from phaseline_server.log.queries import JobQuery, Place

__all__ = ["Replica"]

_PAST: Final = 10_000
"""Maximum number of messages that a new mirror receives; its clients can resume from these."""
_MESSAGES: Final = 500
_BYTES: Final = 2**19  # of an update, after which no message is added
_ESTIMATES: Final = 2000


class Replica:
    """Reads the data that a mirror has not copied yet."""

    def __init__(self, tracker: Tracker) -> None:
        """Read from `tracker`.

        Raises:
            ReadOnlyMirror: It is a mirror itself.
        """
        standing = tracker.log.standing
        if standing.role == "mirror":
            raise ReadOnlyMirror(standing.leader)  # this also prevents a cycle of mirrors
        self._tracker = tracker

    @property
    def top(self) -> Position:
        """The position after the newest message."""
        return self._tracker.log.top

    async def can_resume(self, position: Position) -> bool:
        """Return whether all messages after `position` are available; see `Log.catch_up`."""
        await self._tracker.log.catch_up(position)
        return self._tracker.log.can_resume(position)

    def start(self) -> LogStart:
        """Return where a mirror begins that has nothing."""
        log, statistics = self._tracker.log, self._tracker.statistics
        averages = [(*key, average.count, average.avg_ns) for key, average in statistics.averages.items()]
        return LogStart(
            epoch=log.top.epoch,
            seq=max(log.oldest.seq, log.top.seq - _PAST),
            averages=averages,
            counts=(statistics.generation_runs, statistics.cache_hits),
        )

    async def jobs(self) -> AsyncGenerator[LogJobs, None]:
        """Yield all jobs that are kept, in parts.

        Raises:
            JournalFailed: The storage failed.
            LogUnavailable: The log can't be reached.
        """
        after: Place | None = None
        while True:
            page = await self._tracker.log.jobs(JobQuery(dismissed=True, after=after, most_bytes=_BYTES))
            turns, records = Turns(), list[msgspec.Raw]()
            for found in page.jobs:
                present = self._tracker.job(found.job_id)
                records.append(_portable(self._decoded(found.record) if present is None else present))
                await turns.offer()
            if records:
                yield LogJobs(jobs=records)
            if not page.more:
                return
            after = page.jobs[-1].place

    async def update(self, position: Position) -> LogUpdate:
        """Return the first messages after `position`, with their jobs.

        Raises:
            Unrecoverable: Messages are missing.
            JournalFailed: The storage failed.
            LogUnavailable: The log can't be reached.
        """
        messages, records = list[SentMessage](), dict[str, msgspec.Raw]()
        estimates = dict[str, Estimate]()
        turns, size = Turns(), 0
        for message in await self._tracker.log.since(position, _MESSAGES):
            messages.append(sent_message(message))
            size += len(message.payload)
            job_id = message.job_id
            if job_id and job_id not in records and (job := await self._job(job_id)) is not None:
                records[job_id] = _portable(job)
                size += len(records[job_id])
                if job.state.unfinished:
                    estimates[job_id] = self._tracker.estimate(job, self._tracker.clock())
                await turns.offer()
            if size >= _BYTES:
                break
        return LogUpdate(top=self.top.seq, messages=messages, jobs=list(records.values()), estimates=estimates)

    def sign_of_life(self, *, estimates: bool) -> LogUpdate:
        """Return an update without messages; with `estimates`, with those of unfinished jobs."""
        found = dict[str, Estimate]()
        if estimates:
            moment = self._tracker.clock()
            unfinished = [job for job in self._tracker.jobs() if job.state.unfinished]
            found = {job.job_id: self._tracker.estimate(job, moment) for job in unfinished[:_ESTIMATES]}
        return LogUpdate(top=self.top.seq, estimates=found)

    async def _job(self, job_id: str) -> Job | None:
        present = self._tracker.job(job_id)
        if present is not None:
            return present
        record = await self._tracker.log.record(job_id)
        return None if record is None else self._decoded(record)

    def _decoded(self, record: bytes) -> Job:
        return decode_job(record, self._tracker.clock(), same_clock=True, interrupted=False)


def _portable(job: Job) -> msgspec.Raw:
    """Return the record of a job without the connections of its workers, which are this server's."""
    other = job.copy()
    other.workers = ()
    return msgspec.Raw(encode_job(other))
