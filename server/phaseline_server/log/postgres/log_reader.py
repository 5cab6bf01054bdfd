"""The log's database as any server reads it, leader or not. It runs in worker threads."""

from phaseline.stream import Message
from phaseline_server.log.learned import Learned, Outcomes
from phaseline_server.log.packing import unpacked
from phaseline_server.log.postgres.connection import Address, Cursor, Reader
from phaseline_server.log.postgres.querying import read_ends, read_jobs, read_totals
from phaseline_server.log.postgres.reading import read_ends_of_stream, read_learned, read_outcomes, read_packs
from phaseline_server.log.queries import JobPage, JobQuery, Total, TotalsQuery

__all__ = ["LogReader"]


class LogReader:
    """One log, to be read.

    Attributes:
        name: Its address without password.
        epoch: The epoch of its stream.
        top: The number of the newest message that was read, 0 before the first.
        oldest: The number of the oldest message of this epoch that is kept, `top + 1` if there is none.
        meta: The table `meta` as it was at first.
        latest_ns: The time of the newest pack by the log's clock; None if there is none.
    """

    def __init__(self, address: Address) -> None:
        """Read where the log ends.

        Raises:
            LogUnavailable: The database can't be reached.
            JournalFailed: The database rejects a query.
        """
        self.name = address.name
        self._reader = Reader(address)
        self._history = Reader(address)  # another one, so that no report of a stream waits for a long query
        try:
            self.meta, oldest, self.top, self.latest_ns = self._reader.read(read_ends_of_stream)
        except BaseException:
            self.close()
            raise
        self.epoch = self.meta["epoch"]
        self.oldest = max(oldest, int(self.meta["epoch_since"]) + 1)

    def close(self) -> None:
        """Close the connections."""
        self._history.close()
        self._reader.close()

    def events(self, after: int, limit: int) -> tuple[Message, ...]:
        """Return the messages of this epoch after number `after`, at most `limit`. See `Store.events`."""
        after = max(after, self.oldest - 1)
        packs = self._reader.read(lambda cursor: read_packs(cursor, after, limit))
        found = [message for first, body in packs for message in unpacked(first, body)]
        skipped = max(0, after + 1 - found[0].seq) if found else 0
        return tuple(found[skipped : skipped + limit])

    def learned(self) -> Learned:
        """Return what is known of earlier runs. See `Store.learned`."""
        return self._reader.read(read_learned)

    def outcomes(self, most: int) -> Outcomes:
        """Return the phases that failed most, and the `most` slowest runs. See `Store.outcomes`."""
        return self._history.read(lambda cursor: read_outcomes(cursor, most))

    def job(self, job_id: str) -> bytes | None:
        """Return a job's record, or None. See `Store.job`."""

        def read(cursor: Cursor) -> bytes | None:
            row = cursor.execute("SELECT record FROM jobs WHERE job_id = %s", (job_id,)).fetchone()
            return None if row is None else row[0]

        return self._reader.read(read)

    def jobs(self, query: JobQuery) -> JobPage:
        """Return a page of jobs. See `Store.jobs`."""
        return self._history.read(lambda cursor: read_jobs(cursor, query))

    def totals(self, query: TotalsQuery) -> list[Total]:
        """Return the totals of each workflow and series. See `Store.totals`."""
        return self._history.read(lambda cursor: read_totals(cursor, query))

    def ends(self, since_ns: int, until_ns: int) -> dict[str, int]:
        """Return how many runs ended in each state in this time. See `Store.ends`."""
        return self._history.read(lambda cursor: read_ends(cursor, since_ns, until_ns))
