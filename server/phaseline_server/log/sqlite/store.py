"""The journal as a `Store`: every call runs in a thread, so that none blocks Trio's."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Self

import trio

from phaseline.model.snapshot import Moment
from phaseline.stream import Message
from phaseline_server.log.batch import Batch, Kept
from phaseline_server.log.learned import Learned, Outcomes
from phaseline_server.log.protocol import Retention
from phaseline_server.log.queries import JobPage, JobQuery, Total, TotalsQuery
from phaseline_server.log.sqlite.journal import Journal

__all__ = ["SqliteStore"]


class SqliteStore:
    """A log in one SQLite file; the methods are those of `Store`."""

    def __init__(self, journal: Journal) -> None:
        """Use `open`."""
        self._journal = journal

    @classmethod
    async def open(cls, data_dir: Path, limits: Retention | None = None) -> Self:
        """Open the journal of a data directory; it is created if it is missing.

        Raises:
            JournalUnusable: It is corrupt, newer than this program, or in use by another server; it is left as it is.
            DiskFull: There is no room to open it.
        """
        return cls(await trio.to_thread.run_sync(Journal.open, data_dir, limits))

    @property
    def name(self) -> str:
        """See `Store.name`."""
        return str(self._journal.path)

    @property
    def epoch(self) -> str:
        """See `Store.epoch`."""
        return self._journal.epoch

    @property
    def top(self) -> int:
        """See `Store.top`."""
        return self._journal.top

    @property
    def oldest(self) -> int:
        """See `Store.oldest`."""
        return self._journal.oldest

    async def load(self, ended_since_ns: int, most_jobs: int) -> Kept:
        """See `Store.load`."""
        return await trio.to_thread.run_sync(self._journal.load, ended_since_ns, most_jobs)

    async def commit(self, batch: Batch) -> None:
        """See `Store.commit`."""
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._journal.commit, batch)

    async def events(self, after: int, limit: int) -> tuple[Message, ...]:
        """See `Store.events`."""
        return await trio.to_thread.run_sync(self._journal.events, after, limit)

    async def job(self, job_id: str) -> bytes | None:
        """See `Store.job`."""
        return await trio.to_thread.run_sync(self._journal.job, job_id)

    async def jobs(self, query: JobQuery) -> JobPage:
        """See `Store.jobs`."""
        return await trio.to_thread.run_sync(self._journal.jobs, query)

    async def totals(self, query: TotalsQuery) -> list[Total]:
        """See `Store.totals`."""
        return await trio.to_thread.run_sync(self._journal.totals, query)

    async def ends(self, since_ns: int, until_ns: int) -> dict[str, int]:
        """See `Store.ends`."""
        return await trio.to_thread.run_sync(self._journal.ends, since_ns, until_ns)

    async def prune(self, now: Moment) -> bool:
        """See `Store.prune`."""
        return await trio.to_thread.run_sync(self._journal.prune, now)

    async def learned(self) -> Learned:
        """See `Store.learned`."""
        return await trio.to_thread.run_sync(self._journal.learned)

    async def save_learned(
        self, states: Sequence[tuple[str, str, bytes]], gone: Collection[tuple[str, str]] = ()
    ) -> None:
        """See `Store.save_learned`."""
        await trio.to_thread.run_sync(self._journal.save_learned, states, gone)

    async def outcomes(self, most: int) -> Outcomes:
        """See `Store.outcomes`."""
        return await trio.to_thread.run_sync(self._journal.outcomes, most)

    async def close(self) -> None:
        """See `Store.close`."""
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._journal.close)
