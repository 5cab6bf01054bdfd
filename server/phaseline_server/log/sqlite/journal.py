"""The journal's file while a server uses it: opened, written in groups, read and closed. It runs in worker threads."""

import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar, Final, Self

import structlog

from phaseline.errors import DiskFull
from phaseline.model.snapshot import Moment
from phaseline.stream import Message
from phaseline_server.log.batch import Batch, Kept
from phaseline_server.log.boot import boot_id
from phaseline_server.log.learned import Learned, Outcomes
from phaseline_server.log.packing import unpacked
from phaseline_server.log.protocol import Retention
from phaseline_server.log.queries import JobPage, JobQuery, Total, TotalsQuery
from phaseline_server.log.sqlite.failures import failure, opening, working
from phaseline_server.log.sqlite.file import NAME, check_file, create_file, make_private, parts_of
from phaseline_server.log.sqlite.guard import DirectoryLock, FileLock, Files, Marker
from phaseline_server.log.sqlite.history import read_learned, read_outcomes
from phaseline_server.log.sqlite.pruning import prune, trim
from phaseline_server.log.sqlite.querying import read_ends, read_jobs, read_totals
from phaseline_server.log.sqlite.reading import read_clock, read_packs, read_state
from phaseline_server.log.sqlite.schema import prepare
from phaseline_server.log.sqlite.writing import write_batch
from phaseline_server.log.stored_clock import encode_reading

__all__ = ["Journal"]

_log: Final = structlog.get_logger()
_CHECKPOINT_PAGES: Final = 4000  # of 4 KiB in the WAL, before they are moved into the file
_STORE_CLOCK_NS: Final = 10 * 10**9
_LARGEST_WAL: Final = 64 * 2**20  # bytes, after a checkpoint


class Journal:
    """One open file.

    Attributes:
        path: Its path.
        epoch: The epoch of its stream.
        top: The number of the newest message, 0 before the first.
        oldest: The number of the oldest message of this epoch that is kept, `top + 1` if there is none.
    """

    FILE: ClassVar[str] = NAME

    def __init__(self, path: Path, limits: Retention, lock: DirectoryLock) -> None:
        """Use `open`."""
        self.path = path
        self.epoch = ""
        self.top = 0
        self.oldest = 1
        self._limits = limits
        self._lock = lock
        self._marker = Marker((), 0, 0)
        self._reading = threading.Lock()
        self._querying = threading.Lock()
        self._writing = threading.Lock()

    @property
    def name(self) -> str:
        """See `Store.name`."""
        return str(self.path)

    @classmethod
    def open(cls, data_dir: Path, limits: Retention | None = None) -> Self:
        """Open the journal of a data directory; it is created if it is missing.

        Raises:
            JournalUnusable: It is corrupt, newer than this program, or in use by another server; it is left as it is.
            DiskFull: There is no room to open it.
        """
        path = data_dir / cls.FILE
        journal = cls(path, limits or Retention(), DirectoryLock(path.with_suffix(".lock")))
        try:
            with opening(path):
                journal._connect()
        except BaseException:
            journal._lock.close()
            raise
        return journal

    def _connect(self) -> None:
        # A file that is damaged, not ours, or newer, is left as it is.
        if self.path.exists() and self.path.stat().st_size:
            check_file(self.path)
        else:
            create_file(self.path)
        self._file_lock = FileLock(self.path)
        try:
            make_private(self.path)
            self._writer = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self._writer.close()
                raise
        except BaseException:
            self._file_lock.close()
            raise

    def _prepare(self) -> None:
        self.epoch = prepare(self._writer, self.path)
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
            f"journal_size_limit = {_LARGEST_WAL}",
        ):
            self._writer.execute(f"PRAGMA {pragma}").fetchall()
        oldest, top = self._writer.execute(
            "SELECT (SELECT first FROM packs ORDER BY last LIMIT 1), (SELECT max(last) FROM packs)"
        ).fetchone()
        self.top = top or 0
        self._recognize()
        self._clock = read_clock(self._writer, self._limits)
        self._stored: int | None = None
        (since,) = self._writer.execute("SELECT coalesce(max(value), 0) FROM meta WHERE key = 'epoch_since'").fetchone()
        self.oldest = max(oldest or 1, since + 1)
        self._reader = self._open_reader()
        self._history = self._open_reader()  # another one, so that no report of a stream waits for a long query
        # The third part, an index, is rebuilt from the others.
        self._files = Files(parts_of(self.path)[:2])

    def _open_reader(self) -> sqlite3.Connection:
        reader = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        reader.execute("PRAGMA query_only = 1")
        return reader

    def _recognize(self) -> None:
        """Begin a new epoch unless the file is the one that was served last; then mark it as served.

        A restored or copied file may lack events that clients have received, and gives their numbers to others.
        """
        found = self._writer.execute("SELECT value FROM meta WHERE key = 'served'").fetchone()
        before, run, inode = str(found[0]) if found else "", secrets.token_hex(8), self._file_lock.inode
        known = self._lock.read() or Marker(("",), inode, 0)
        changes: list[tuple[str, object]] = [("served", run)]
        if known.recognizes(before, inode, self.top):
            # A crash before the commit below leaves the name of the last run in the journal.
            self._marker = Marker((before, run), inode, self.top)
        else:
            self._marker = Marker((run,), inode, self.top)
            self.epoch = secrets.token_hex(8)
            changes += [("epoch", self.epoch), ("epoch_since", self.top)]
            if self.top:
                _log.warning("the journal is not the file that was served last; the epoch is new", path=str(self.path))
        self._lock.write(self._marker, sync=True)
        with self._transaction() as write:
            write.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", changes)

    def close(self) -> None:
        """Close the file; it is complete."""
        with self._querying, self._reading, self._writing:
            self._history.close()
            self._reader.close()
            self._writer.close()
            self._file_lock.close()
            self._lock.close()

    # ------------------------------------------------------------------ writing

    def commit(self, batch: Batch) -> None:
        """Write a group. When this returns, it is on disk.

        Raises:
            DiskFull: There was no room; nothing is written, and the next group may be.
            JournalFailed: The disk failed, or the file was removed; whether the group is kept is unknown.
        """
        top, oldest = batch.messages[-1].seq if batch.messages else self.top, None
        with self._transaction() as write:
            write_batch(write, batch, self._read_clock(write, batch.at))
            if top - self.oldest >= self._limits.events:
                oldest = trim(write, top - self._limits.events, len(batch.messages))
        self._files.check()
        self.top = top
        self.oldest = max(self.oldest, oldest or 0)
        self._marker = Marker(self._marker.served, self._marker.inode, top)
        self._lock.write(self._marker)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit everything that the block writes, or nothing."""
        write = self._writer
        with self._writing:
            try:
                write.execute("BEGIN IMMEDIATE")
                yield write
                write.execute("COMMIT")
            except BaseException as error:
                if write.in_transaction:
                    write.rollback()
                if not isinstance(error, sqlite3.Error):
                    raise
                why = failure(error, self.path)
                if isinstance(why, DiskFull):
                    # A checkpoint may free enough room for the next transaction.
                    with suppress(sqlite3.Error):
                        write.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                raise why from error

    def _read_clock(self, write: sqlite3.Connection, now: Moment) -> int:
        """Return the time of the log's clock, and store it now and then for the next start."""
        reading = self._clock.read(now)
        if self._stored is None or reading.log_ns - self._stored >= _STORE_CLOCK_NS:
            self._stored = reading.log_ns
            write.execute("INSERT OR REPLACE INTO meta VALUES ('clock', ?)", (encode_reading(reading),))
        return reading.log_ns

    def prune(self, now: Moment) -> bool:
        """Remove some rows that are too old or too many; return whether more may remain. See `Store.prune`."""
        with self._transaction() as write:
            before_ns = self._read_clock(write, now) - round(self._limits.age_s * 1e9)
            pruned = prune(write, self._limits, before_ns, self.top)
        self._files.check()
        self.oldest = max(self.oldest, pruned.newest + 1)
        return pruned.more

    def save_learned(self, states: Iterable[tuple[str, str, bytes]], gone: Iterable[tuple[str, str]] = ()) -> None:
        """Store learned states and remove others. See `Store.save_learned`."""
        with self._transaction() as write:
            write.executemany("INSERT OR REPLACE INTO learned VALUES (?, ?, ?)", states)
            write.executemany("DELETE FROM learned WHERE kind = ? AND key = ?", gone)

    # ------------------------------------------------------------------ reading

    def load(self, ended_since_ns: int, most_jobs: int) -> Kept:
        """Return the state that a server starts with, and record that it starts now. See `Store.load`."""
        with self._writing, opening(self.path):
            boot = boot_id()
            kept = read_state(self._writer, self._limits, ended_since_ns, most_jobs, boot)
            self._writer.execute("INSERT OR REPLACE INTO meta VALUES ('boot', ?)", (boot,))
        return kept

    def events(self, after: int, limit: int) -> tuple[Message, ...]:
        """Return the messages of this epoch after number `after`, at most `limit`. See `Store.events`."""
        after = max(after, self.oldest - 1)
        with self._reading, working(self.path):
            packs = read_packs(self._reader, after, limit)
        found = [message for first, body in packs for message in unpacked(first, body)]
        skipped = max(0, after + 1 - found[0].seq) if found else 0
        return tuple(found[skipped : skipped + limit])

    def learned(self) -> Learned:
        """Return what is known of earlier runs. See `Store.learned`."""
        with self._reading, working(self.path):
            return read_learned(self._reader)

    def outcomes(self, most: int) -> Outcomes:
        """Return the phases that failed most, and the `most` slowest runs. See `Store.outcomes`."""
        with self._reading, working(self.path):
            return read_outcomes(self._reader, most)

    def job(self, job_id: str) -> bytes | None:
        """Return a job's record, or None. See `Store.job`."""
        with self._reading, working(self.path):
            row = self._reader.execute("SELECT record FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
        return None if row is None else row[0]

    def jobs(self, query: JobQuery) -> JobPage:
        """Return a page of jobs. See `Store.jobs`."""
        with self._querying, working(self.path):
            return read_jobs(self._history, query)

    def totals(self, query: TotalsQuery) -> list[Total]:
        """Return the totals of each workflow and series. See `Store.totals`."""
        with self._querying, working(self.path):
            return read_totals(self._history, query)

    def ends(self, since_ns: int, until_ns: int) -> dict[str, int]:
        """Return how many runs ended in each state in this time. See `Store.ends`."""
        with self._querying, working(self.path):
            return read_ends(self._history, since_ns, until_ns)
