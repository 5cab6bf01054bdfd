"""Connections to the primary database, on which nothing waits without end."""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, Final, LiteralString, TypeVar

import psycopg
from psycopg import conninfo, sql
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

from phaseline_server.config.log_address import ALLOWED, hide_password
from phaseline_server.errors import JournalUnusable
from phaseline_server.log.postgres.failures import working

__all__ = ["Address", "Cursor", "Reader", "TimedConnection"]

Cursor = psycopg.Cursor[TupleRow]
_Result = TypeVar("_Result")
_Waited = TypeVar("_Waited")

_CONNECT_S: Final = 3
_SYNCHRONOUS: Final = """
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""
_INTERVAL_S: Final = 0.1  # psycopg's own, between two looks for an interrupt


class TimedConnection(psycopg.Connection[TupleRow]):
    """A connection that is closed if an answer takes longer than `patience_s`; then an OperationalError is raised."""

    patience_s = 30.0

    def wait(self, gen: PQGen[_Waited], interval: float = _INTERVAL_S, timeout: float | None = None) -> _Waited:
        """Wait as psycopg does, for a limited time."""
        try:
            return super().wait(gen, interval, self.patience_s if timeout is None else timeout)
        except psycopg.OperationalError as error:
            # A wait that timed out leaves the connection in the middle of an answer.
            if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE and error.sqlstate is None:
                self.close()
            raise


class Address:
    """The address of a log: a database, and the schema in it.

    Attributes:
        name: The address without password, for error texts.
        schema: The name of the schema.
    """

    def __init__(self, url: str, schema: str = "phaseline", *, program: str = "phaseline") -> None:
        """Use the database that `url` names, as libpq's connection URIs do.

        Raises:
            JournalUnusable: The URL is not valid.
        """
        try:
            options = conninfo.conninfo_to_dict(url)
        except psycopg.ProgrammingError:  # its text may have the password in it
            text = f"the address of the log is {hide_password(url)}, which is not valid; allowed: {ALLOWED}"
            raise JournalUnusable(text) from None
        database = options.get("dbname") or options.get("user") or "by default"
        self.name = f"PostgreSQL at {_hosts(options)}, database {database}"
        self.schema = schema
        # Of several hosts, the one that accepts writes.
        own = {"target_session_attrs": "read-write", "connect_timeout": str(_CONNECT_S), "application_name": program}
        self._options: dict[str, Any] = own | options

    def connect(self, patience_s: float = 30.0) -> TimedConnection:
        """Return a new connection, which commits each statement; raises psycopg.Error.

        Args:
            patience_s: The longest wait for an answer, in seconds.
        """
        connection = TimedConnection.connect(**self._options, autocommit=True)
        connection.patience_s = patience_s
        try:
            path = sql.Identifier(self.schema)
            connection.execute(sql.SQL("SET search_path = {}").format(path))
            # A commit that is cancelled while it waits for the standby would be visible, although it may be lost.
            connection.execute("SET statement_timeout = 0")
            # What is acknowledged must be on disk, even if the database's default is another.
            connection.execute(_SYNCHRONOUS)
            connection.execute("SET idle_in_transaction_session_timeout = 0")
        except BaseException:
            connection.close()
            raise
        return connection

    def check_session(self, connection: TimedConnection) -> None:
        """Check that all statements of a connection of this address run in one session of the database.

        Raises:
            JournalUnusable: They do not: a pool of transactions is in between.
            psycopg.Error: The database can't be reached.
        """
        session = _session_of(connection)
        if session == connection.info.backend_pid:
            return  # nothing is in between
        with self.connect() as other, other.transaction():
            if _session_of(other) != session:
                return
        raise JournalUnusable(
            f"{self.name} is a pool that shares sessions among its clients, such as pgbouncer with "
            "pool_mode=transaction; allowed: a session for each client; set pool_mode=session, or name PostgreSQL's "
            "own host and port in --log"
        )


def _session_of(connection: TimedConnection) -> int:
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return row[0] if row else 0


def _hosts(options: dict[str, Any]) -> str:
    """Return the hosts of an address, with the ports that it names."""
    hosts = str(options.get("host") or options.get("hostaddr") or "the local socket").split(",")
    ports = str(options.get("port") or "").split(",")
    if len(ports) != len(hosts):
        ports = ports[:1] * len(hosts)  # one for all of them
    return ",".join(f"{host}:{port}" if port else host for host, port in zip(hosts, ports, strict=True))


class Reader:
    """A connection that is opened when it is needed, and again after it was lost; it does one thing at a time."""

    def __init__(
        self,
        address: Address,
        prepare: Callable[[TimedConnection], object] = lambda _: None,
        *,
        patience_s: float = 30.0,
    ) -> None:
        """Connect to `address` with the first query.

        Args:
            address: The address of the log.
            prepare: Called with each new connection.
            patience_s: The longest wait for an answer, in seconds.
        """
        self._address = address
        self._prepare = prepare
        self._patience_s = patience_s
        self._lock = Lock()
        self._connection: TimedConnection | None = None

    def read(self, work: Callable[[Cursor], _Result]) -> _Result:
        """Return what `work` returns; all its statements read the same state.

        Raises:
            LogUnavailable: The database can't be reached.
            JournalFailed: The database rejects the query.
        """
        return self._work(lambda connection: _read(connection, work))

    def run(self, statement: LiteralString, values: Sequence[object] = ()) -> list[TupleRow]:
        """Execute and commit a statement, twice if the connection was lost; return its rows, if it has any.

        Raises:
            LogUnavailable: The database can't be reached; whether the statement was executed is unknown.
            DiskFull: The database has no room.
            JournalFailed: The database rejects the statement.
        """

        def execute(connection: TimedConnection) -> list[TupleRow]:
            with connection.cursor(binary=True) as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else []

        return self._work(execute)

    def _work(self, work: Callable[[TimedConnection], _Result]) -> _Result:
        with self._lock, working(self._address.name):
            if self._connection is not None:
                try:
                    return work(self._connection)
                except psycopg.OperationalError:
                    self._drop()  # it may have been lost long ago, so a new one may work
            self._connection = self._address.connect(self._patience_s)
            try:
                self._prepare(self._connection)
            except BaseException:
                self._drop()
                raise
            try:
                return work(self._connection)
            except psycopg.OperationalError:
                self._drop()
                raise

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def fd(self) -> int | None:
        """The socket of the connection; None while there is none."""
        connection = self._connection
        return None if connection is None or connection.closed else connection.fileno()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._drop()


def _read(connection: TimedConnection, work: Callable[[Cursor], _Result]) -> _Result:
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        with connection.cursor(binary=True) as cursor:
            return work(cursor)
    finally:
        if not connection.closed:
            connection.execute("ROLLBACK")
