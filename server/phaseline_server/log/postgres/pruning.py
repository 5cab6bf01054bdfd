"""Retention: removes old rows from the log, a limited number at a time. The caller holds a transaction."""

from itertools import takewhile
from typing import Final, LiteralString

from phaseline_server.log.postgres.connection import Cursor, TimedConnection
from phaseline_server.log.protocol import Retention

__all__ = ["Pruning", "prune", "trim"]

_PACKS_AT_ONCE: Final = 100  # that are discarded with a commit, besides as many as it adds
_ROWS_AT_ONCE: Final = 1000  # so that no commit waits long
_DELETE_TOO_MANY: Final = """
DELETE FROM jobs WHERE job_id IN (
  SELECT job_id FROM jobs WHERE ended_ns <= (
    SELECT ended_ns FROM jobs WHERE ended_ns IS NOT NULL ORDER BY ended_ns DESC LIMIT 1 OFFSET %s
  ) ORDER BY ended_ns LIMIT %s
)
"""
# A lost or dismissed job may come back for as long as an ended one is kept.
_DELETE_TOO_OLD: Final = """
DELETE FROM jobs WHERE job_id IN (
  SELECT job_id FROM jobs WHERE (ended_ns IS NOT NULL OR state = 'lost' OR dismissed) AND at_ns < %s
  ORDER BY at_ns LIMIT %s
)
"""
# The column by which the rows of a table are ordered in time.
_ORDERED: Final[dict[LiteralString, LiteralString]] = {"producers": "seq", "durations": "id", "runs": "seq"}


class Pruning:
    """The result of `prune`, which is complete once the transaction has ended.

    Attributes:
        newest: The number of the newest event removed, or 0.
    """

    def __init__(self, gone: list[int], deletions: list[Cursor]) -> None:
        """Store the last numbers of the removed packs, and the cursors that deleted other rows."""
        self.newest = gone[-1] if gone else 0
        self._packs = len(gone)
        self._deletions = deletions

    @property
    def more(self) -> bool:
        """Whether more rows may remain to be removed."""
        return max(self._packs, *(deletion.rowcount for deletion in self._deletions)) >= _ROWS_AT_ONCE


def trim(connection: TimedConnection, oldest: int, upto: int, added: int) -> Cursor:
    """Remove events up to number `upto`, not all at once after the limit was lowered; raises psycopg.Error.

    Args:
        connection: A connection in a transaction.
        oldest: The oldest event, before which PostgreSQL would only find removed rows.
        upto: The newest event that may be removed.
        added: The number of events in this transaction.

    Returns:
        A cursor whose one row has the number of the oldest event that is left.
    """
    connection.execute(
        "DELETE FROM packs WHERE last IN "
        "(SELECT last FROM packs WHERE last >= %s AND last <= %s ORDER BY last LIMIT %s)",
        (oldest, upto, _PACKS_AT_ONCE + added),
    )
    return connection.execute("SELECT first FROM packs WHERE last >= %s ORDER BY last LIMIT 1", (oldest,))


def prune(connection: TimedConnection, limits: Retention, before_ns: int, oldest: int, top: int) -> Pruning:
    """Remove some rows that were committed before `before_ns` or exceed the limits; raises psycopg.Error.

    The pack with the newest event, `top`, always stays, because no number may be used twice.
    """
    some = _ROWS_AT_ONCE
    old = connection.execute(
        "SELECT last, at_ns FROM packs WHERE last >= %s ORDER BY last LIMIT %s", (oldest, some)
    ).fetchall()
    gone = [last for last, _ in takewhile(lambda pack: pack[1] < before_ns and pack[0] < top, old)]
    if gone:
        connection.execute("DELETE FROM packs WHERE last <= %s", (gone[-1],))
    deletions = [
        connection.execute(_DELETE_TOO_MANY, (limits.jobs, some)),
        connection.execute(_DELETE_TOO_OLD, (before_ns, some)),
        *(_cut(connection, table, getattr(limits, table)) for table in _ORDERED),
    ]
    return Pruning(gone, deletions)


def _cut(connection: TimedConnection, table: LiteralString, keep: int) -> Cursor:
    """Remove some of the rows of a table that come first, so that in the end `keep` stay."""
    key = _ORDERED[table]
    return connection.execute(
        f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {key} <= "  # noqa: S608 (constants)
        f"(SELECT {key} FROM {table} ORDER BY {key} DESC LIMIT 1 OFFSET %s) ORDER BY {key} LIMIT %s)",
        (keep, _ROWS_AT_ONCE),
    )
