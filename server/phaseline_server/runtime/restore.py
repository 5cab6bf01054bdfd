"""The state that a server starts with: that of the log, or of the metrics file if the log is new."""

from typing import Final

import msgspec
import structlog
import trio

from phaseline.model.job import Job
from phaseline.model.record import decode_job
from phaseline.model.snapshot import Moment
from phaseline.model.statistics import Statistics
from phaseline_server.errors import JournalUnusable
from phaseline_server.jobs.deduplication import Producers
from phaseline_server.jobs.local_day import day_of
from phaseline_server.learning.metrics_file import MetricsFile
from phaseline_server.log.batch import Batch, Kept
from phaseline_server.log.protocol import Store

__all__ = ["Restored", "restore"]

_log: Final = structlog.get_logger()


class Restored(msgspec.Struct, frozen=True):
    """The state of the previous server; `ends` are the runs that ended today, by state."""

    jobs: list[Job]
    producers: Producers
    statistics: Statistics
    ends: dict[str, int]


async def restore(
    store: Store, metrics_file: MetricsFile, now: Moment, *, retention_s: float, max_jobs: int
) -> Restored:
    """Return the state to start with.

    The log takes precedence over the metrics file, which is up to a second older. A log without averages takes over
    those of the file.

    Args:
        store: An open store.
        metrics_file: The file of the same data directory.
        now: The present.
        retention_s: Time for which an ended job stays in memory, in seconds.
        max_jobs: Maximum number of jobs in memory.

    Raises:
        JournalUnusable: The log's content can't be read.
        DataDirError: The metrics file can't be read or renamed.
        DiskFull: The disk is full.
    """
    kept = await store.load(now.wall_ns - round(retention_s * 1e9), max_jobs)
    statistics = await _statistics(store, metrics_file, kept, now)
    jobs = await trio.to_thread.run_sync(_jobs, kept, now, store.name)
    active = sum(not job.state.ended for job in jobs)
    if store.top:
        _log.info("journal opened", epoch=store.epoch, seq=store.top, jobs=len(jobs), active=active)
    return Restored(jobs, Producers(kept.producers), statistics, await store.ends(*day_of(now.wall_ns)))


def _jobs(kept: Kept, now: Moment, name: str) -> list[Job]:
    try:
        return [decode_job(record, now, same_clock=kept.same_clock) for record in kept.records]
    except msgspec.DecodeError as error:
        text = f"{name} has a job that can't be read ({error}); restore it from a copy, or move it away"
        raise JournalUnusable(text) from error


async def _statistics(store: Store, metrics_file: MetricsFile, kept: Kept, now: Moment) -> Statistics:
    saved = await trio.to_thread.run_sync(metrics_file.load)
    if kept.averages is None:
        batch = Batch(at=now, messages=(), averages=saved.averages, counts=(saved.generation_runs, saved.cache_hits))
        await store.commit(batch)
        return saved
    statistics = Statistics(kept.averages, *kept.counts)
    if metrics_file.encode(statistics) != metrics_file.encode(saved):
        _log.info("metrics file brought up to date with the journal", path=str(metrics_file.path))
        metrics_file.saved = False
    return statistics
