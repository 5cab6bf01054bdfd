"""The log's database while another server leads: each read returns what was committed since. It runs in threads."""

import time
from typing import Final, NamedTuple

import msgspec
from psycopg import Notify, sql

from phaseline_server.errors import JournalUnusable, LogReplaced, LogUnavailable
from phaseline_server.log.batch import Kept
from phaseline_server.log.feed import LocalDay, Start, Update
from phaseline_server.log.packing import unpacked
from phaseline_server.log.postgres.connection import Address, Cursor, Reader, TimedConnection
from phaseline_server.log.postgres.log_reader import LogReader
from phaseline_server.log.postgres.querying import read_ends
from phaseline_server.log.postgres.reading import (
    read_durations,
    read_ends_of_stream,
    read_learned,
    read_meta,
    read_packs,
    read_records,
    read_runs,
    read_state,
)
from phaseline_server.log.postgres.schema import VERSION
from phaseline_server.log.postgres.writing import channel_of
from phaseline_server.log.protocol import Retention

__all__ = ["FollowerLog"]

_MOST: Final = 2000
"""Messages of an update, after which it ends with its pack."""
_ENDS: Final = frozenset({"job_completed", "job_failed", "job_cancelled"})
_COUNTED: Final = _ENDS | {"job_dismissed"}
_CURRENT_S: Final = 2.5
"""Maximum age of a current read; without notifications, a follower reads every second."""
_PATIENCE_S: Final = 5.0
_FOLLOWS: Final = "this server follows; the leader, which GET /health names, writes the log"


class _Chunk(NamedTuple):
    """The result of a read: an update, the number of the oldest message, and the last row of `durations`; or 0."""

    update: Update
    oldest: int = 0
    duration: int = 0


class FollowerLog(LogReader):
    """One log, which another server leads.

    Attributes:
        notified: Whether the leader may have committed something since the last read began.
        complete_s: When the last read began that returned everything up to then.
    """

    def __init__(self, address: Address) -> None:
        """Read where the log ends.

        Raises:
            LogUnavailable: The database can't be reached.
            JournalUnusable: The log is of another version.
            JournalFailed: The database rejects a query, as before the first server has led.
        """
        self._channel = channel_of(address.schema)
        self._feed = Reader(address, self._listen, patience_s=_PATIENCE_S)
        self._duration = 0  # the last row of `durations` that was read
        self.notified = self._is_behind = False
        self.complete_s = time.monotonic()
        super().__init__(address)
        if self.meta.get("version") != str(VERSION):
            self.close()
            raise JournalUnusable(
                f"{self.name} has version {self.meta.get('version')}; allowed: {VERSION}; "
                "install the version of Phaseline that the leader has"
            )

    def _listen(self, connection: TimedConnection) -> None:
        connection.add_notify_handler(self._note)
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))

    def _note(self, _notify: Notify) -> None:
        self.notified = True

    def close(self) -> None:
        """Close the connections."""
        self._feed.close()
        super().close()

    @property
    def fd(self) -> int | None:
        """A socket that becomes readable when the leader commits; None while it is not connected."""
        return self._feed.fd

    @property
    def lag_s(self) -> float:
        """See `Standing.lag_s`."""
        age_s = time.monotonic() - self.complete_s
        return age_s if self._is_behind or age_s > _CURRENT_S else 0.0

    def start(self, ended_since_ns: int, most_jobs: int, day: LocalDay) -> Start:
        """Return the state to start with. See `Feed.start`."""

        def read(cursor: Cursor) -> Start:
            self.meta, oldest, self.top, _ = read_ends_of_stream(cursor)
            self.epoch, self.oldest = self.meta["epoch"], max(oldest, int(self.meta["epoch_since"]) + 1)
            row = cursor.execute("SELECT coalesce(max(id), 0) FROM durations").fetchone()
            self._duration = row[0] if row else 0
            kept = read_state(cursor, Retention(producers=0), ended_since_ns, most_jobs, "")
            return Start(kept, read_learned(cursor), read_ends(cursor, *day))

        begun_s = time.monotonic()
        start = self._feed.read(read)
        self.complete_s = begun_s
        return start

    def read(self, day: LocalDay) -> Update:
        """Return what was committed since the last read; it may be nothing. See `Feed.read`."""
        self.notified, begun_s = False, time.monotonic()
        # Nothing of this object changes in the transaction, which may be tried twice.
        found = self._feed.read(lambda cursor: self._read(cursor, day))
        self._is_behind = self.notified = len(found.update.messages) >= _MOST or self.notified
        if found.update.messages:
            self.top = found.update.messages[-1].seq
        if not self._is_behind:
            self.complete_s = begun_s  # after `top`, because another thread reads both
        self.oldest, self._duration = max(self.oldest, found.oldest), max(self._duration, found.duration)
        return found.update

    def _read(self, cursor: Cursor, day: LocalDay) -> "_Chunk":
        meta, top = read_meta(cursor), self.top
        packs = read_packs(cursor, top, _MOST)
        messages = [message for first, body in packs for message in unpacked(first, body)]
        if meta["epoch"] != self.epoch or (messages[0].seq != top + 1 if messages else _last(cursor) < top):
            raise LogReplaced(f"{self.name} does not continue message {top} of epoch {self.epoch}")
        if not messages:
            return _Chunk(Update(messages=(), records=()))
        kinds = {message.type for message in messages}
        update = Update(
            messages=messages,
            records=read_records(cursor, {message.job_id for message in messages if message.job_id}),
            ends=None if kinds.isdisjoint(_COUNTED) else read_ends(cursor, *day),
        )
        oldest = cursor.execute(
            "SELECT first FROM packs WHERE last >= %s ORDER BY last LIMIT 1", (min(self.oldest, top),)
        ).fetchone()
        found = _Chunk(update, oldest[0] if oldest else 0)
        return found if kinds.isdisjoint(_ENDS) else self._add_learned(cursor, found, meta)

    def _add_learned(self, cursor: Cursor, found: "_Chunk", meta: dict[str, str]) -> "_Chunk":
        messages = found.update.messages
        runs = read_runs(cursor, messages[0].seq, messages[-1].seq)
        durations = read_durations(cursor, self._duration)
        update = msgspec.structs.replace(
            found.update,
            runs=runs,
            durations=[duration for _, duration in durations],
            counts=(int(meta.get("generation_runs", 0)), int(meta.get("cache_hits", 0))),
        )
        return found._replace(update=update, duration=durations[-1][0] if durations else 0)

    # ------------------------------------------------------------------ only on a leader

    def load(self, *_: object) -> Kept:
        """Raise LogUnavailable."""
        raise LogUnavailable(_FOLLOWS)

    def commit(self, *_: object) -> None:
        """Raise LogUnavailable."""
        raise LogUnavailable(_FOLLOWS)

    def prune(self, *_: object) -> bool:
        """Raise LogUnavailable."""
        raise LogUnavailable(_FOLLOWS)

    def save_learned(self, *_: object) -> None:
        """Raise LogUnavailable."""
        raise LogUnavailable(_FOLLOWS)


def _last(cursor: Cursor) -> int:
    row = cursor.execute("SELECT coalesce(max(last), 0) FROM packs").fetchone()
    return row[0] if row else 0
