"""Conversion of the source's data to the rows of the copy. Everything here runs in worker threads."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from phaseline.model.job import Job
from phaseline.model.record import decode_job
from phaseline.model.snapshot import Moment
from phaseline.model.statistics import Average, Statistics
from phaseline.stream import Message
from phaseline.wire.replication import LogStart, LogUpdate, stored_message
from phaseline_server.jobs.rows import job_row, run_row
from phaseline_server.log.batch import Batch, RunRow

__all__ = ["COUNTED", "batch_of_start", "batch_of_update"]

_ENDS: Final = frozenset({"job_completed", "job_failed", "job_cancelled"})
_DISMISSED: Final = "job_dismissed"
COUNTED: Final = _ENDS | {_DISMISSED}
"""The types of messages that change the counts of the day."""


def batch_of_start(start: LogStart, records: Iterable[msgspec.Raw], at: Moment) -> Batch:
    """Return the jobs that the source has as a copy begins; raises msgspec.MsgspecError.

    The ends of later messages come with the updates.
    """
    jobs = [(_decoded(record, at), bytes(record)) for record in records]
    runs = {job.seq: run_row(job) for job, _ in jobs if job.state.ended and job.seq <= start.seq}
    return Batch(
        at=at,
        messages=(),
        jobs=[job_row(job, record) for job, record in jobs],
        runs=[runs[seq] for seq in sorted(runs)],
        averages={(workflow, phase): Average(count, avg_ns) for workflow, phase, count, avg_ns in start.averages},
        counts=start.counts,
    )


def batch_of_update(update: LogUpdate, statistics: Statistics, after: int, at: Moment) -> Batch:
    """Return the rows of an update, without messages up to number `after`; raises msgspec.MsgspecError.

    Args:
        update: The update.
        statistics: The averages and counts before it.
        after: The number of the last message of the copy.
        at: The present.
    """
    messages = [stored_message(sent) for sent in update.messages if sent.seq > after]
    jobs = {job.job_id: (job, bytes(record)) for record in update.jobs for job in (_decoded(record, at),)}
    ended = [(message, jobs[message.job_id][0]) for message in _last_ends(messages) if message.job_id in jobs]
    ended = [(message, job) for message, job in ended if job.state.ended]
    durations = [duration for _, job in ended for duration in job.durations()]
    made, hits = statistics.generation_runs, statistics.cache_hits
    for _, job in ended:
        more_made, more_hits = statistics.counted(job)
        made, hits = made + more_made, hits + more_hits
    averages = statistics.after(durations)
    return Batch(
        at=at,
        messages=messages,
        jobs=[job_row(job, record) for job, record in jobs.values()],
        runs=[_run_of(message, job) for message, job in ended],
        dismissed=_dismissed(messages, [job for job, _ in jobs.values()]),
        durations=durations,
        averages=averages,
        dropped=statistics.excess(averages),
        counts=(made, hits) if ended else None,
    )


def _decoded(record: msgspec.Raw, at: Moment) -> Job:
    # The monotonic times stay those of the source's clock, which is right for durations.
    return decode_job(bytes(record), at, same_clock=True, interrupted=False)


def _last_ends(messages: Sequence[Message]) -> list[Message]:
    """Return the last end of each job; the source does not send the states of earlier ends."""
    last = {message.job_id: message for message in messages if message.type in _ENDS}
    return sorted(last.values(), key=lambda message: message.seq)


def _run_of(message: Message, job: Job) -> RunRow:
    return run_row(job)._replace(seq=message.seq)


def _dismissed(messages: Iterable[Message], jobs: Iterable[Job]) -> list[tuple[int, str]]:
    names = {message.job_id for message in messages if message.type == _DISMISSED}
    return [(job.ended.wall_ns, job.job_id) for job in jobs if job.ended is not None and job.job_id in names]
