"""The log's database while this server leads: written in groups. It runs in worker threads."""

import math
from collections.abc import Iterable
from typing import Final

from phaseline.errors import DiskFull
from phaseline.model.snapshot import Moment
from phaseline_server.log.batch import Batch, Kept
from phaseline_server.log.boot import boot_id
from phaseline_server.log.postgres.connection import Address, TimedConnection
from phaseline_server.log.postgres.leadership import Leadership
from phaseline_server.log.postgres.log_reader import LogReader
from phaseline_server.log.postgres.pruning import prune, trim
from phaseline_server.log.postgres.reading import read_state
from phaseline_server.log.postgres.writing import notify, write_batch, write_meta
from phaseline_server.log.protocol import Retention
from phaseline_server.log.stored_clock import continued_clock, encode_reading

__all__ = ["LeaderLog"]

_STORE_CLOCK_NS: Final = 10 * 10**9


class LeaderLog(LogReader):
    """One log, which this server leads."""

    def __init__(self, address: Address, leadership: Leadership, limits: Retention) -> None:
        """Read where the log ends; `leadership` has begun a term.

        Raises:
            LogUnavailable: The database can't be reached.
            JournalFailed: The database rejects a query.
        """
        super().__init__(address)
        self._limits = limits
        self._leadership = leadership
        self._schema = address.schema
        self._clock = continued_clock(self.meta.get("clock"), self.latest_ns, limits.age_s)
        self._clock_stored: int | None = None
        self._undecided: Batch | None = None

    def close(self) -> None:
        """Close the connections."""
        super().close()
        self._leadership.close()

    @property
    def complete_s(self) -> float:
        """See `Store.complete_s`."""
        # Others may have read a group of which the answer was lost.
        return self._leadership.beat_s if self._undecided is None else -math.inf

    # ------------------------------------------------------------------ writing

    def commit(self, batch: Batch) -> None:
        """Write a group. See `Store.commit`."""
        self._undecided = batch
        top, trimmed = _last_of(batch, self.top), None
        try:
            with self._leadership.transaction(decides=True) as write:
                write_batch(write, batch, self._read_clock(write, batch.at))
                if batch.messages:
                    notify(write, self._schema, top)
                if top - self.oldest >= self._limits.events:
                    trimmed = trim(write, self.oldest, top - self._limits.events, len(batch.messages))
        except DiskFull:
            self._undecided = None
            raise
        self.top = top
        self._undecided = None  # after `top`, because another thread reads both
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
        """Remove some rows that are too old or too many; return whether more may remain. See `Store.prune`."""
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


def _last_of(batch: Batch, top: int) -> int:
    return batch.messages[-1].seq if batch.messages else top
