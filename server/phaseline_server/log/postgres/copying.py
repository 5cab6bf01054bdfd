"""The log in PostgreSQL as the source or target of a copy."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from psycopg import sql

from phaseline_server.errors import Deposed, JournalUnusable
from phaseline_server.log.postgres.connection import Address, TimedConnection
from phaseline_server.log.postgres.failures import opening, working
from phaseline_server.log.postgres.leadership import Leadership
from phaseline_server.log.postgres.reading import read_meta
from phaseline_server.log.postgres.secret_store import read_secrets, write_secrets
from phaseline_server.log.postgres.writing import write_meta
from phaseline_server.log.tables import COLUMNS, META, ORDER, CopyWriter

__all__ = ["PostgresCopy"]

_PATIENCE_S: Final = 3600.0


class PostgresCopy:
    """A log in PostgreSQL that no server uses; see `CopiedLog`."""

    def __init__(self, url: str) -> None:
        """Open the log; it is created if it is missing.

        Raises:
            JournalUnusable: A server uses it, it is newer than this program, or the database rejects what it needs.
            LogUnavailable: The database can't be reached.
        """
        address = Address(url)
        self.name = address.name
        self._leadership = Leadership(address, "progress-server log copy")
        try:
            self._lead()
            with opening(self.name):
                self._connection = address.connect(_PATIENCE_S)
                row = self._connection.execute("SELECT coalesce(max(last), 0) FROM packs").fetchone()
        except BaseException:
            self._leadership.close()
            raise
        self.top = row[0] if row else 0

    def _lead(self) -> None:
        other = self._leadership.lead()
        if other is not None:
            text = f"{self.name} is in use by the server {other.leader}; stop all servers that use it, then copy"
            raise JournalUnusable(text)

    def meta(self) -> dict[str, str]:
        """See `CopiedLog.meta`."""
        with working(self.name), self._connection.cursor() as cursor:
            found = read_meta(cursor)
        return {key: found[key] for key in META if key in found}

    def documents(self) -> Mapping[str, bytes]:
        """See `CopiedLog.documents`."""
        with working(self.name):
            return {name: revision.content for name, revision in read_secrets(self._connection).items()}

    def rows(self, table: str) -> Iterator[tuple[Any, ...]]:
        """See `CopiedLog.rows`."""
        columns = COLUMNS[table]
        query = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.Identifier(table),
            sql.Identifier(ORDER[table]),
        )
        with working(self.name), self._connection.cursor(binary=True) as cursor:
            yield from cursor.stream(query)
        self._leadership.beat()  # no server has begun to write meanwhile

    @contextmanager
    def writing(self) -> Iterator[CopyWriter]:
        """See `CopiedLog.writing`; a server that starts meanwhile waits for the end."""
        with working(self.name), self._connection.transaction():
            mine = "UPDATE leader SET batch = batch + 1, seen = clock_timestamp() WHERE term = %s"
            if self._connection.execute(mine, (self._leadership.term,)).rowcount != 1:
                raise Deposed(f"a server has begun to use {self.name}; stop it, then copy")
            yield _PostgresWriter(self._connection)

    def close(self) -> None:
        """Close it."""
        self._connection.close()
        self._leadership.close()


class _PostgresWriter:
    """See `CopyWriter`."""

    def __init__(self, connection: TimedConnection) -> None:
        self._connection = connection

    def write(self, table: str, rows: Iterable[tuple[Any, ...]]) -> int:
        into = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, COLUMNS[table]))
        )
        count = 0
        with self._connection.cursor() as cursor, cursor.copy(into) as copy:
            for row in rows:
                copy.write_row(row)
                count += 1
        return count

    def set_meta(self, values: dict[str, str]) -> None:
        write_meta(self._connection, values)

    def set_documents(self, documents: Mapping[str, bytes]) -> None:
        write_secrets(self._connection, documents)
