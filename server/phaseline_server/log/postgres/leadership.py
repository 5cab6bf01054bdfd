"""The one connection that writes: it elects the leader of a log, and makes sure that only the present one writes.

The session of the leader holds an advisory lock. A suspended leader keeps its session, so another server ends that
session once the leader was silent for too long. If the old leader resumes, its next transaction fails: its session is
gone, or the term has changed.

Each transaction increments `leader.batch`. If the answer to a commit is lost, that number shows whether it is stored;
it is read once the lock is held again, because nothing that the old session sent can arrive after that.
"""

import math
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Final
from zlib import crc32

import psycopg
from psycopg import errors

from phaseline_server.errors import Deposed
from phaseline_server.log.postgres.connection import Address, TimedConnection
from phaseline_server.log.postgres.failures import opening, working
from phaseline_server.log.postgres.members import Registration, members
from phaseline_server.log.postgres.schema import has_tables, prepare
from phaseline_server.log.postgres.writing import write_meta
from phaseline_server.log.protocol import Member, Standing

__all__ = ["Leadership", "lock_of"]

_LEASE_S: Final = 3.0
"""Silence after which another server takes over; the leader writes each second."""
_REGISTER_S: Final = 0.9
"""Least time between two registrations of a follower, which tries to lead twice a second."""
_COMMIT_S: Final = 5.0
"""Time for each answer of the database; after that, the log is not available."""
_LOCK: Final = 0x50484C4E  # "PHLN", the first half of the key of our advisory locks
_FENCE: Final = "UPDATE leader SET batch = batch + 1, seen = clock_timestamp() WHERE term = %s AND batch = %s"
_BEAT: Final = "UPDATE leader SET seen = clock_timestamp() WHERE term = %s"
_NO_WAIT: Final = "SET LOCAL synchronous_commit = off"  # a registration need not be durable
# Never end an active session: it may be waiting for the standby server, and its writes must not become visible before.
# But a session that waits for its client in the middle of a pipeline is also `active`, and may be ended. Nor end a
# session that was active recently: `seen` is old after a commit that waited for long.
_END_HOLDER: Final = """
SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND classid = %s::bigint::oid AND objid = %s::bigint::oid AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (state <> 'active' OR wait_event_type = 'Client')
  AND clock_timestamp() - state_change > make_interval(secs => %s)
"""


class Leadership:
    """A server's attempt to lead a log, and then its connection for writing.

    Attributes:
        term: The number of this server's term, 0 before it leads.
        batch: The number of transactions in the log, as far as known.
        server: The address of this server.
        members: The servers that share the log.
        beat_s: When the last beat began that succeeded, by `time.monotonic`.
    """

    def __init__(self, address: Address, server: str, registration: Registration | None = None) -> None:
        """Prepare to lead a log.

        Args:
            address: The address of the log.
            server: The address of this server, shown to others.
            registration: Its entry in the list of servers; None for a program that is not one.
        """
        self.term = 0
        self.batch = 0
        self._address = address
        self.server = server
        self.members: tuple[Member, ...] = ()
        self.beat_s = -math.inf
        self._registration = registration
        self._registered_s = -math.inf
        self._key = lock_of(address.schema)
        self._lock = Lock()
        self._connection: TimedConnection | None = None
        self._unknown: int | None = None  # `batch` before a commit whose answer was lost
        self._stored = False  # whether that commit is stored
        self._warning = ""

    # ------------------------------------------------------------------ election

    def lead(self) -> Standing | None:
        """Try to begin a term; return None if this server leads now, otherwise which one does.

        Raises:
            JournalUnusable: The database rejects what the log needs, or the log is of a newer version.
            DiskFull: The database has no room.
            LogUnavailable: The database can't be reached.
        """
        with self._lock, opening(self._address.name), self._dropping():
            connection = self._connection
            if connection is None:
                connection = self._connect()
                self._address.check_session(connection)
            if not self._take_lock(connection):
                return self._find_leader(connection)
            prepare(connection, self._address.schema, self._address.name)
            row = connection.execute(
                "UPDATE leader SET term = term + 1, server = %s, seen = clock_timestamp() RETURNING term, batch",
                (self.server,),
            ).fetchone()
            term, batch = row or (0, 0)
            if batch < self.batch:
                _renew_epoch(connection)
            self.term, self.batch = term, batch
        return None

    def _take_lock(self, connection: TimedConnection) -> bool:
        row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", self._key).fetchone()
        return bool(row and row[0])

    def _find_leader(self, connection: TimedConnection) -> Standing:
        """Return the present leader; end its session if it was silent for too long."""
        if not has_tables(connection):
            return Standing("follower")  # it creates them
        row = connection.execute(
            "SELECT server, term, batch, clock_timestamp() - seen > make_interval(secs => %s), "
            "to_regclass('servers') IS NOT NULL FROM leader",
            (_LEASE_S,),
        ).fetchone()
        server, term, batch, silent, registers = row or ("", 0, 0, False, False)
        self.batch = max(self.batch, batch)
        if silent:
            connection.execute(_END_HOLDER, (*self._key, _LEASE_S))
        elif registers and self._registration is not None:  # an older leader has no such table
            self._register(connection, self._registration, term)
        return Standing("follower", term, server, members=self.members)

    def _register(self, connection: TimedConnection, registration: Registration, term: int) -> None:
        """Show other servers about each second that this one follows."""
        if time.monotonic() < self._registered_s + _REGISTER_S:
            return
        with connection.pipeline():
            connection.execute("BEGIN")
            connection.execute(_NO_WAIT)
            listed = registration.renew(connection, "follower", term)
            connection.execute("COMMIT")
        self.members, self._registered_s = members(listed.fetchall()), time.monotonic()

    def beat(self) -> None:
        """Show other servers that this one leads; connect again if the connection was lost.

        Raises:
            Deposed: Another server leads.
            LogUnavailable: The database can't be reached.
        """
        with self._lock, working(self._address.name), self._dropping():
            connection, listed, begun_s = self._connected(), None, time.monotonic()
            with connection.pipeline():
                connection.execute("BEGIN")
                connection.execute(_NO_WAIT)
                beat = connection.execute(_BEAT, (self.term,))
                if self._registration is not None:
                    listed = self._registration.renew(connection, "leader", self.term)
                connection.execute("COMMIT")
            if beat.rowcount != 1:
                raise self._deposed()
            self.beat_s = begun_s
            if listed is not None:
                self.members = members(listed.fetchall())

    # ------------------------------------------------------------------ writing

    @contextmanager
    def transaction(self, *, decides: bool = False) -> Iterator[TimedConnection]:
        """Commit everything that the block executes, in a pipeline, or nothing.

        Args:
            decides: Whether `settle` returns what became of it if its answer is lost.

        Raises:
            DiskFull: The database has no room; nothing is stored.
            Deposed: Another server leads; nothing is stored.
            LogUnavailable: The database can't be reached; whether it is stored may be unknown.
            JournalFailed: The database rejects a statement.
        """
        with self._lock, working(self._address.name):
            with self._dropping():
                connection = self._connected()
            try:
                with self._dropping(errors.DiskFull):
                    with connection.pipeline():
                        connection.execute("BEGIN")
                        fence = connection.execute(_FENCE, (self.term, self.batch))
                        yield connection
                    if fence.rowcount != 1:
                        raise self._deposed()
                    self._commit(connection)
            except errors.DiskFull:
                with self._dropping():
                    connection.execute("ROLLBACK")
                raise
            except psycopg.Error:
                if decides:
                    self._unknown = self.batch
                raise
            self.batch += 1

    def _commit(self, connection: TimedConnection) -> None:
        self._warning = ""
        connection.execute("COMMIT")
        if self._warning:
            # An administrator cancelled the wait for the standby server, so only the primary has it.
            raise psycopg.OperationalError(self._warning)

    def settle(self) -> bool:
        """Return whether the transaction whose answer was lost is stored; connect again to find out.

        Raises:
            Deposed: Another server leads.
            LogUnavailable: The database can't be reached.
        """
        with self._lock, working(self._address.name), self._dropping():
            self._connected()
            stored, self._stored = self._stored, False
            return stored

    # ------------------------------------------------------------------ connecting

    def _connect(self) -> TimedConnection:
        self._connection = self._address.connect(_COMMIT_S)
        self._connection.add_notice_handler(self._note)
        return self._connection

    def _note(self, notice: errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self._warning = f"{notice.message_primary}; {notice.message_detail}"

    def _connected(self) -> TimedConnection:
        """Return the connection, or a new one that continues this server's term."""
        if self._connection is not None and not self._connection.closed:
            return self._connection
        connection = self._connect()
        if not self._take_lock(connection):
            row = connection.execute("SELECT term FROM leader").fetchone()
            if row is None or row[0] != self.term:
                raise self._deposed()
            connection.execute(_END_HOLDER, (*self._key, 0.0))  # this server's own session of before
            raise psycopg.OperationalError("the previous session of this server has not ended yet")
        # This waits for the standby server, and so for all that was committed before.
        row = connection.execute(f"{_BEAT} RETURNING batch", (self.term,)).fetchone()
        if row is None:
            raise self._deposed()
        if row[0] < self.batch:
            _renew_epoch(connection)
            raise Deposed(f"{self._address.name} has lost {self.batch - row[0]} transactions; its epoch is new")
        if self._unknown is not None:
            self._stored, self._unknown = row[0] > self._unknown, None
        self.batch = row[0]
        return connection

    def _deposed(self) -> Deposed:
        return Deposed(
            f"another server leads the log in {self._address.name}; this one accepts no reports; "
            "send them to the leader, which GET /health names"
        )

    @contextmanager
    def _dropping(self, *but: type[Exception]) -> Iterator[None]:
        """Close the connection if the block raises an error, except `but`."""
        try:
            yield
        except but:
            raise
        except BaseException:
            self._drop()
            raise

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Close the connection, so that another server may lead at once."""
        with self._lock:
            self._drop()


def lock_of(schema: str) -> tuple[int, int]:
    """Return the key of the advisory lock of the leader of the log in `schema`."""
    return _LOCK, crc32(schema.encode()) >> 1


def _renew_epoch(connection: TimedConnection) -> None:
    """Begin a new epoch, because the log has lost events that clients may have received."""
    row = connection.execute("SELECT coalesce(max(last), 0) FROM packs").fetchone()
    write_meta(connection, {"epoch": secrets.token_hex(8), "epoch_since": str(row[0] if row else 0)})
