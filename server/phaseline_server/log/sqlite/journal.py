"""The journal's file: opened, written in groups, read, and kept from growing. Nothing here runs on Trio's thread."""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final, Self

from phaseline.errors import DiskFull, JournalUnusable
from phaseline.model.statistics import Average
from phaseline.stream import Message
from phaseline_server.log.batch import Batch, Kept
from phaseline_server.log.learned import Learned, Outcomes
from phaseline_server.log.protocol import Retention
from phaseline_server.log.sqlite.boot import boot_id
from phaseline_server.log.sqlite.failures import failure, opening, working
from phaseline_server.log.sqlite.file import NAME, look_at, make
from phaseline_server.log.sqlite.history import read_learned, read_outcomes
from phaseline_server.log.sqlite.packing import packed, unpacked
from phaseline_server.log.sqlite.schema import prepare

__all__ = ["Journal"]

_ROWS_AT_ONCE: Final = 100
_PACKS_AT_ONCE: Final = 100  # that are discarded, besides as many as come in
_PRUNED_AT_ONCE: Final = 1000  # rows, so that no commit waits long for it
_CHECKPOINT_PAGES: Final = 4000  # of 4 KiB in the WAL, before they are brought into the file
_DELETE_JOBS: Final = """
DELETE FROM jobs WHERE job_id IN (
  SELECT job_id FROM jobs WHERE ended_ns <= max(?, coalesce(
    (SELECT ended_ns FROM jobs WHERE ended_ns IS NOT NULL ORDER BY ended_ns DESC LIMIT 1 OFFSET ?), 0
  )) ORDER BY ended_ns LIMIT ?
)
"""
# A lost job may come back for as long as an ended one is kept.
_DELETE_LOST: Final = """
DELETE FROM jobs WHERE job_id IN (
  SELECT job_id FROM jobs WHERE state = 'lost' AND latest_ns < ? ORDER BY latest_ns LIMIT ?
)
"""
_LARGEST_WAL: Final = 64 * 2**20  # bytes, once it was brought into the file


class Journal:
    """One open file.

    Attributes:
        path: Where it lies.
        epoch: Of the stream in it.
        top: The number of the newest message, 0 before the first.
        oldest: The number of the oldest that is kept, or would be.
    """

    def __init__(self, path: Path, limits: Retention) -> None:
        """Use `open`."""
        self.path = path
        self.epoch = ""
        self.top = 0
        self.oldest = 1
        self._limits = limits
        self._lock_file: int | None = None
        self._reading = threading.Lock()
        self._writing = threading.Lock()

    @classmethod
    def open(cls, data_dir: Path, limits: Retention | None = None) -> Self:
        """Open the journal of a data directory, which is made if it is missing.

        Raises:
            JournalUnusable: It is corrupt, newer than this program, or another server has it; it is left as it is.
            DiskFull: There is no room to open it.
        """
        journal = cls(data_dir / NAME, limits or Retention())
        journal._lock()
        try:
            with opening(journal.path):
                journal._connect()
        except BaseException:
            journal._unlock()
            raise
        return journal

    def _lock(self) -> None:
        path = self.path.with_suffix(".lock")
        try:
            self._lock_file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._unlock()
            text = (
                f"{self.path.parent} is in use by another server; allowed: one server for a data directory; "
                f"end the other, or give this one another --data-dir"
            )
            raise JournalUnusable(text) from None
        except OSError as error:
            text = f"{path} can't be opened: {error.strerror}; allowed: a file that this user can read and write"
            raise JournalUnusable(text) from None

    def _unlock(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def _connect(self) -> None:
        # A file that is damaged, not ours, or newer, is left as it is.
        if self.path.exists() and self.path.stat().st_size:
            look_at(self.path)
        else:
            make(self.path)
        self._writer = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
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
            self.oldest, self.top = oldest or 1, top or 0
            self._reader = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            self._reader.execute("PRAGMA query_only = 1")
        except BaseException:
            self._writer.close()
            raise

    def close(self) -> None:
        """Close the file; what is in it is complete."""
        with self._reading, self._writing:
            self._reader.close()
            self._writer.close()
            self._unlock()

    # ------------------------------------------------------------------ writing

    def commit(self, batch: Batch) -> None:
        """Write a group. When this returns, it is on disk.

        Raises:
            DiskFull: There was no room; nothing is written, and the next group may be.
            JournalFailed: The disk failed; nobody knows what is written.
        """
        with self._transaction():
            oldest = self._write(batch)
        if batch.messages:
            self.top = batch.messages[-1].seq
        self.oldest = max(self.oldest, oldest)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all that the block writes, or nothing of it."""
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
                    # What the WAL takes may be room enough for the next one.
                    with suppress(sqlite3.Error):
                        write.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                raise why from error

    def _write(self, batch: Batch) -> int:
        """Write a group, and take out what came in over the limit; return the oldest event that is left."""
        self._insert("INSERT INTO packs", packed(batch.messages, batch.at_ns))
        self._insert("INSERT OR REPLACE INTO jobs", batch.jobs)
        self._insert(
            "INSERT OR REPLACE INTO producers",
            [(producer, number, seq) for producer, (number, seq) in batch.producers.items()],
        )
        self._insert("INSERT INTO runs", batch.runs)
        self._insert(
            "INSERT INTO durations (at_ns, workflow, series, phase, duration_ns)",
            [
                (batch.at_ns, duration.workflow, duration.series, duration.phase, duration.duration_ns)
                for duration in batch.durations
            ],
        )
        if batch.forget:
            self._writer.execute("DELETE FROM averages")
        self._insert(
            "INSERT OR REPLACE INTO averages",
            [(*key, average.count, average.avg_ns) for key, average in batch.averages.items()],
        )
        if batch.dropped:
            self._writer.executemany("DELETE FROM averages WHERE workflow = ? AND phase = ?", batch.dropped)
        if batch.counts is not None or batch.forget:
            made, hits = batch.counts or (0, 0)
            self._insert("INSERT OR REPLACE INTO meta", [("generation_runs", made), ("cache_hits", hits)])
        top = batch.messages[-1].seq if batch.messages else self.top
        if top - self.oldest < self._limits.events:
            return self.oldest
        # Not all at once, after the limit was lowered.
        some = _PACKS_AT_ONCE + len(batch.messages)
        gone = "SELECT last FROM packs WHERE last <= ? ORDER BY last LIMIT ?"
        deleted = self._writer.execute(
            f"DELETE FROM packs WHERE last IN ({gone})",  # noqa: S608 - of ours
            (top - self._limits.events, some),
        )
        return self._first() if deleted.rowcount else self.oldest

    def _first(self) -> int:
        """Return the number of the first event that is there."""
        (first,) = self._writer.execute("SELECT first FROM packs ORDER BY last LIMIT 1").fetchone()
        return int(first)

    def _insert(self, into: str, rows: Iterable[Sequence[object]]) -> None:
        """Insert rows, many with each statement: between two of them, Trio's thread takes its turn, which lasts."""
        some = list(rows)
        for start in range(0, len(some), _ROWS_AT_ONCE):
            part = some[start : start + _ROWS_AT_ONCE]
            row = f"({','.join('?' * len(part[0]))})"
            values = [value for each in part for value in each]
            self._writer.execute(f"{into} VALUES {','.join([row] * len(part))}", values)

    def prune(self, now_ns: int) -> bool:
        """Take out some of what is too old or too many; return whether there was as much as is done at once.

        The newest event always stays, for its number must never be given again, and with it those of its pack.

        Raises:
            DiskFull: There is no room, not even for that.
            JournalFailed: The disk failed.
        """
        limits, some = self._limits, _PRUNED_AT_ONCE
        before_ns = now_ns - round(limits.age_s * 1e9)
        with self._transaction() as write:
            old = write.execute("SELECT last, at_ns FROM packs ORDER BY last LIMIT ?", (some,)).fetchall()
            gone = [last for last, at_ns in old if at_ns < before_ns and last < self.top]
            if gone:
                write.execute("DELETE FROM packs WHERE last <= ?", (gone[-1],))
            most = [
                write.execute(_DELETE_JOBS, (before_ns - 1, limits.jobs, some)).rowcount,
                write.execute(_DELETE_LOST, (before_ns, some)).rowcount,
                self._cut("producers", "seq", limits.producers),
                self._cut("durations", "id", limits.durations),
                self._cut("runs", "seq", limits.runs),
                len(gone),
            ]
        if gone:
            self.oldest = max(self.oldest, gone[-1] + 1)
        return max(most) >= some

    def _cut(self, table: str, key: str, keep: int) -> int:
        """Take out some of the rows of a table with the lowest keys, so that in the end `keep` stay."""
        border = f"SELECT {key} FROM {table} ORDER BY {key} DESC LIMIT 1 OFFSET ?"  # noqa: S608 - names of ours
        some = f"SELECT {key} FROM {table} WHERE {key} <= ({border}) ORDER BY {key} LIMIT ?"  # noqa: S608
        return self._writer.execute(
            f"DELETE FROM {table} WHERE {key} IN ({some})",  # noqa: S608
            (keep, _PRUNED_AT_ONCE),
        ).rowcount

    def save_learned(self, states: Iterable[tuple[str, str, bytes]], gone: Iterable[tuple[str, str]] = ()) -> None:
        """Keep what was learned: kind, key and state of each; forget those that are `gone`. All of it or nothing.

        Raises:
            DiskFull: There was no room.
            JournalFailed: The disk failed.
        """
        with self._transaction() as write:
            write.executemany("INSERT OR REPLACE INTO learned VALUES (?, ?, ?)", states)
            write.executemany("DELETE FROM learned WHERE kind = ? AND key = ?", gone)

    # ------------------------------------------------------------------ reading

    def load(self, ended_since_ns: int, most_jobs: int) -> Kept:
        """Return what a server starts with, and note that it starts now.

        Args:
            ended_since_ns: Jobs that ended before are left out.
            most_jobs: How many jobs at most: active ones first, then those that ended last.

        Raises:
            JournalUnusable: It can't be read.
        """
        with self._writing, opening(self.path):
            read = self._writer
            jobs = read.execute("SELECT seq, record FROM jobs WHERE ended_ns IS NULL").fetchall()
            jobs += read.execute(
                "SELECT seq, record FROM jobs WHERE ended_ns >= ? ORDER BY ended_ns DESC LIMIT ?",
                (ended_since_ns, max(0, most_jobs - len(jobs))),
            ).fetchall()
            producers = read.execute(
                "SELECT producer, number, seq FROM (SELECT * FROM producers ORDER BY seq DESC LIMIT ?) ORDER BY seq",
                (self._limits.producers,),
            ).fetchall()
            averages = read.execute("SELECT workflow, phase, count, avg_ns FROM averages").fetchall()
            meta = dict(read.execute("SELECT key, value FROM meta").fetchall())
            boot = boot_id()
            read.execute("INSERT OR REPLACE INTO meta VALUES ('boot', ?)", (boot,))
        learned = "generation_runs" in meta
        return Kept(
            records=[record for _, record in sorted(jobs)],
            producers={producer: (number, seq) for producer, number, seq in producers},
            averages={(w, p): Average(count, avg_ns) for w, p, count, avg_ns in averages} if learned else None,
            counts=(meta.get("generation_runs", 0), meta.get("cache_hits", 0)),
            same_clock=bool(boot) and meta.get("boot") == boot,
        )

    def events(self, after: int, limit: int) -> tuple[Message, ...]:
        """Return the messages after number `after`, at most `limit`, oldest first.

        Raises:
            JournalFailed: The disk failed.
        """
        with self._reading, working(self.path):
            packs = self._packs(after, limit)
        found = [message for first, body in packs for message in unpacked(first, body)]
        skipped = max(0, after + 1 - found[0].seq) if found else 0
        return tuple(found[skipped : skipped + limit])

    def _packs(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return as many packs as have `limit` messages after number `after`: the first number of each, and itself."""
        packs: list[tuple[int, bytes]] = []
        with closing(
            self._reader.execute("SELECT last, first, messages FROM packs WHERE last > ? ORDER BY last", (after,))
        ) as rows:
            for last, first, body in rows:
                packs.append((first, body))
                limit -= last - max(first - 1, after)
                if limit <= 0:
                    break
        return packs

    def learned(self) -> Learned:
        """Return what is known of earlier runs.

        Raises:
            JournalFailed: The disk failed.
        """
        with self._reading, working(self.path):
            return read_learned(self._reader)

    def outcomes(self, most: int) -> Outcomes:
        """Return how often each phase failed, and the `most` runs that took longest.

        Raises:
            JournalFailed: The disk failed.
        """
        with self._reading, working(self.path):
            return read_outcomes(self._reader, most)

    def job(self, job_id: str) -> bytes | None:
        """Return a job's record, or None.

        Raises:
            JournalFailed: The disk failed.
        """
        with self._reading, working(self.path):
            row = self._reader.execute("SELECT record FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
        return None if row is None else row[0]
