"""The log's database while a server leads: written in groups, read and closed. It runs in worker threads."""

from collections.abc import Iterable
from typing import Final

from phaseline.model.snapshot import Moment
from phaseline.stream import Message
from phaseline_server.log.batch import Batch, Kept
from phaseline_server.log.boot import boot_id
from phaseline_server.log.learned import Learned, Outcomes
from phaseline_server.log.packing import unpacked
from phaseline_server.log.postgres.connection import Address, Cursor, Reader, TimedConnection
from phaseline_server.log.postgres.leadership import Leadership
from phaseline_server.log.postgres.pruning import prune, trim
from phaseline_server.log.postgres.querying import read_ends, read_jobs, read_totals
from phaseline_server.log.postgres.reading import read_learned, read_meta, read_outcomes, read_packs, read_state
from phaseline_server.log.postgres.writing import write_batch, write_meta
from phaseline_server.log.protocol import Retention
from phaseline_server.log.queries import JobPage, JobQuery, Total, TotalsQuery
from phaseline_server.log.stored_clock import continued_clock, encode_reading

__all__ = ["LeaderLog"]

_STORE_CLOCK_NS: Final = 10 * 10**9


class LeaderLog:
    """One log, which this server leads.

    Attributes:
        name: Its address without password.
        epoch: The epoch of its stream.
        top: The number of the newest message, 0 before the first.
        oldest: The number of the oldest message of this epoch that is kept, `top + 1` if there is none.
    """

    def __init__(self, address: Address, leadership: Leadership, limits: Retention) -> None:
        """Read where the log ends; `leadership` has begun a term.

        Raises:
            LogUnavailable: The database can't be reached.
            JournalFailed: The database rejects a query.
        """
        self.name = address.name
        self._limits = limits
        self._leadership = leadership
        self._reader = Reader(address)
        self._history = Reader(address)  # another one, so that no report of a stream waits for a long query
        meta, oldest, top, latest_ns = self._reader.read(_read_ends_of_stream)
        self.epoch = meta["epoch"]
        self.top = top
        self.oldest = max(oldest, int(meta["epoch_since"]) + 1)
        self._clock = continued_clock(meta.get("clock"), latest_ns, limits.age_s)
        self._clock_stored: int | None = None
        self._undecided: Batch | None = None

    def close(self) -> None:
        """Close the connections."""
        self._history.close()
        self._reader.close()
        self._leadership.close()

    # ------------------------------------------------------------------ writing

    def commit(self, batch: Batch) -> None:
        """Write a group. See `Store.commit`."""
        self._undecided = batch
        top, trimmed = _last_of(batch, self.top), None
        with self._leadership.transaction(decides=True) as write:
            write_batch(write, batch, self._read_clock(write, batch.at))
            if top - self.oldest >= self._limits.events:
                trimmed = trim(write, self.oldest, top - self._limits.events, len(batch.messages))
        self.top = top
        if trimmed is not None and (row := trimmed.fetchone()) is not None:
            self.oldest = max(self.oldest, row[0])

    def settle(self) -> bool:
        """Return whether the last group, of which the answer was lost, is stored. See `Store.settle`."""
        stored = self._leadership.settle()
        if stored and self._undecided is not None:
            self.top = _last_of(self._undecided, self.top)
        self._undecided = None
        return stored

    def _read_clock(self, write: TimedConnection, now: Moment) -> int:
        """Return the time of the log's clock, and store it now and then for the next start."""
        reading = self._clock.read(now)
        if self._clock_stored is None or reading.log_ns - self._clock_stored >= _STORE_CLOCK_NS:
            self._clock_stored = reading.log_ns
            write_meta(write, {"clock": encode_reading(reading)})
        return reading.log_ns

    def prune(self, now: Moment) -> bool:
        """Remove some of what is too old or too many; return whether more may be left to do. See `Store.prune`."""
        with self._leadership.transaction() as write:
            before_ns = self._read_clock(write, now) - round(self._limits.age_s * 1e9)
            pruned = prune(write, self._limits, before_ns, self.oldest, self.top)
        self.oldest = max(self.oldest, pruned.newest + 1)
        return pruned.more

    def save_learned(self, states: Iterable[tuple[str, str, bytes]], gone: Iterable[tuple[str, str]] = ()) -> None:
        """Store learned states and remove others. See `Store.save_learned`."""
        with self._leadership.transaction() as write:
            for kind, key, state in states:
                write.execute(
                    "INSERT INTO learned VALUES (%s, %s, %b) ON CONFLICT (kind, key) DO UPDATE SET "
                    "state = EXCLUDED.state",
                    (kind, key, state),
                )
            for each in gone:
                write.execute("DELETE FROM learned WHERE kind = %s AND key = %s", each)

    # ------------------------------------------------------------------ reading

    def load(self, ended_since_ns: int, most_jobs: int) -> Kept:
        """Return the state that a server starts with, and record that it starts now. See `Store.load`."""
        boot = boot_id()
        kept = self._reader.read(lambda cursor: read_state(cursor, self._limits, ended_since_ns, most_jobs, boot))
        with self._leadership.transaction() as write:
            write_meta(write, {"boot": boot})
        return kept

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


def _last_of(batch: Batch, top: int) -> int:
    return batch.messages[-1].seq if batch.messages else top


def _read_ends_of_stream(cursor: Cursor) -> tuple[dict[str, str], int, int, int | None]:
    """Return the table `meta`, the oldest and newest number of an event, and the time of the newest pack."""
    row = cursor.execute(
        "SELECT coalesce((SELECT first FROM packs ORDER BY last LIMIT 1), 1), coalesce(max(last), 0), max(at_ns) "
        "FROM packs"
    ).fetchone()
    oldest, top, latest_ns = row or (1, 0, None)
    return read_meta(cursor), oldest, top, latest_ns
