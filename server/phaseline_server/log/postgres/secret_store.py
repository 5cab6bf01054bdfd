"""The secrets of a log in PostgreSQL. Each server reads and writes them itself, whether it leads or not."""

import secrets
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any, Final

from phaseline_server.errors import LogUnavailable
from phaseline_server.log.postgres.connection import Address, Reader, TimedConnection
from phaseline_server.log.postgres.failures import opening, working
from phaseline_server.log.postgres.leadership import lock_of
from phaseline_server.log.postgres.schema import prepare
from phaseline_server.log.secret_store import Change, Revision, TicketKind

__all__ = ["PostgresSecrets", "read_secrets", "write_secrets"]

_PATIENCE_S: Final = 5.0
_ATTEMPTS, _AGAIN_S = 10, 0.1
_ADD: Final = """
WITH gone AS (DELETE FROM tickets WHERE expires <= clock_timestamp())
INSERT INTO tickets VALUES (%s, %s, %s, clock_timestamp() + make_interval(secs => %s)) ON CONFLICT DO NOTHING
"""
_TAKE: Final = """
DELETE FROM tickets WHERE sha256 = %s AND kind = 'client' AND expires > clock_timestamp() RETURNING holder
"""
_FIND: Final = "SELECT 1 FROM tickets WHERE sha256 = %s AND kind = 'server' AND expires > clock_timestamp()"


class PostgresSecrets:
    """See `SecretStore`."""

    def __init__(self, url: str, schema: str = "phaseline") -> None:
        """Use the log at `url`; connect with the first call.

        Raises:
            JournalUnusable: The URL is not valid.
        """
        self._address = Address(url, schema)
        self._reader = Reader(self._address, self._prepare, patience_s=_PATIENCE_S)

    @property
    def name(self) -> str:
        """See `SecretStore.name`."""
        return self._address.name

    def _prepare(self, connection: TimedConnection) -> None:
        """Make sure that the log has the tables of secrets; see `SecretStore.read` for what it raises."""
        key = lock_of(self._address.schema)
        with opening(self.name):
            for _ in range(_ATTEMPTS):
                if _exists(connection):
                    return
                # As the leader does, with its lock: nothing leads an empty log, and no other version may change it.
                row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", key).fetchone()
                if row and row[0]:
                    prepare(connection, self._address.schema, self.name)
                    connection.execute("SELECT pg_advisory_unlock(%s, %s)", key)
                    return
                time.sleep(_AGAIN_S)  # another server or command may be creating them
        raise LogUnavailable(
            "the log has no table of tokens yet, and the server that leads it has an older version; upgrade it first"
        )

    def read(self, known: Mapping[str, Revision]) -> Mapping[str, Revision]:
        """See `SecretStore.read`."""
        rows = self._reader.run("SELECT name, revision FROM secrets")
        if dict(rows) == {name: revision.number for name, revision in known.items()}:
            return known
        rows = self._reader.run("SELECT name, revision, document FROM secrets")
        return {name: Revision(number, document) for name, number, document in rows}

    def change(self, change: Change) -> Mapping[str, Revision]:
        """See `SecretStore.change`."""
        # A separate connection: the commit may wait for the standby server, and no ticket must wait for that.
        with working(self.name), closing(self._address.connect(_PATIENCE_S)) as connection:
            self._prepare(connection)
            with connection.transaction():
                connection.execute("LOCK TABLE secrets IN SHARE ROW EXCLUSIVE MODE")
                found = read_secrets(connection)
                written = write_secrets(connection, change({name: each.content for name, each in found.items()}))
            return {**found, **written}

    def add_ticket(self, kind: TicketKind, sha256: str, holder: str, lifetime_s: float) -> None:
        """See `SecretStore.add_ticket`."""
        self._reader.run(_ADD, (sha256, kind, holder, lifetime_s))

    def take_ticket(self, sha256: str) -> str | None:
        """See `SecretStore.take_ticket`; if the answer of the database is lost, the ticket is, too."""
        rows = self._reader.run(_TAKE, (sha256,))
        return str(rows[0][0]) if rows else None

    def has_server_ticket(self, sha256: str) -> bool:
        """See `SecretStore.has_server_ticket`."""
        return bool(self._reader.run(_FIND, (sha256,)))

    def close(self) -> None:
        """See `SecretStore.close`."""
        self._reader.close()


def _exists(connection: TimedConnection) -> bool:
    row = connection.execute("SELECT to_regclass('secrets') IS NOT NULL").fetchone()
    return bool(row and row[0])


def read_secrets(connection: TimedConnection) -> dict[str, Revision]:
    """Return all documents; raises psycopg.Error."""
    rows: list[Any] = connection.execute("SELECT name, revision, document FROM secrets").fetchall()
    return {name: Revision(number, bytes(document)) for name, number, document in rows}


def write_secrets(connection: TimedConnection, documents: Mapping[str, bytes]) -> dict[str, Revision]:
    """Replace documents and return them, in a transaction of the caller; raises psycopg.Error."""
    written = {name: Revision(secrets.token_hex(8), content) for name, content in documents.items()}
    for name, (number, content) in written.items():
        connection.execute(
            "INSERT INTO secrets VALUES (%s, %s, %b) ON CONFLICT (name) DO UPDATE SET revision = EXCLUDED.revision, "
            "document = EXCLUDED.document",
            (name, number, content),
        )
    return written
