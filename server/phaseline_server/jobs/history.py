"""Pages of all jobs that are kept: those in memory in their present state, the others as the log has them."""

from collections.abc import Sequence
from typing import NamedTuple

import trio

from phaseline.model.job import Job
from phaseline.model.record import decode_job
from phaseline.model.snapshot import Moment
from phaseline_server.jobs.job_table import JobTable
from phaseline_server.jobs.states import Statuses
from phaseline_server.jobs.turns import Turns
from phaseline_server.log.queries import FoundJob, JobQuery, Place
from phaseline_server.log.stream import Log

__all__ = ["HistoryPage", "read_history"]


class HistoryPage(NamedTuple):
    """A page of jobs.

    Attributes:
        documents: The status of each job as JSON.
        last: The place after which the next page begins; None if this is the last one.
    """

    documents: list[bytes]
    last: Place | None


async def read_history(log: Log, query: JobQuery, table: JobTable, statuses: Statuses, moment: Moment) -> HistoryPage:
    """Return a page of jobs; other tasks run meanwhile.

    A page has no further job once it has `query.most_bytes` bytes.

    Args:
        log: Where the jobs are kept.
        query: The wanted jobs.
        table: The jobs in memory.
        statuses: Encodes jobs.
        moment: The present.

    Raises:
        JournalFailed: The disk failed.
    """
    page = await log.jobs(query)
    away = [found for found in page.jobs if found.job_id not in table]
    past = await trio.to_thread.run_sync(_decoded, away, moment) if away else {}
    turns, documents, size = Turns(), list[bytes](), 0
    for number, found in enumerate(page.jobs, 1):
        job = table.get(found.job_id)
        # A job may have changed since the log was read, and another one may have left memory.
        if job is not None and job.state in query.states and (query.dismissed or not job.dismissed):
            documents.append(statuses.document(job))
        elif job is None and found.job_id in past:
            documents.append(statuses.past_document(past[found.job_id]))
        else:
            continue
        size += len(documents[-1])
        await turns.offer()
        if size >= query.most_bytes and (page.more or number < len(page.jobs)):
            return HistoryPage(documents, found.place)
    return HistoryPage(documents, page.jobs[-1].place if page.more else None)


def _decoded(jobs: Sequence[FoundJob], moment: Moment) -> dict[str, Job]:
    return {found.job_id: decode_job(found.record, moment, same_clock=False) for found in jobs}
