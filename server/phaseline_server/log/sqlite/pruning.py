"""Retention: removes old rows from the journal, a limited number at a time. The caller holds a transaction."""

import sqlite3
from itertools import takewhile
from typing import Final, NamedTuple

from phaseline_server.log.protocol import Retention

__all__ = ["Pruned", "prune", "trim"]

_PACKS_AT_ONCE: Final = 100  # that are discarded with a commit, besides as many as it adds
_ROWS_AT_ONCE: Final = 1000  # so that no commit waits long
_DELETE_TOO_MANY: Final = """
DELETE FROM jobs WHERE job_id IN (
  SELECT job_id FROM jobs WHERE ended_ns <= (
    SELECT ended_ns FROM jobs WHERE ended_ns IS NOT NULL ORDER BY ended_ns DESC LIMIT 1 OFFSET ?
  ) ORDER BY ended_ns LIMIT ?
)
"""
# A lost or dismissed job may come back for as long as an ended one is kept.
_DELETE_TOO_OLD: Final = """
DELETE FROM jobs WHERE job_id IN (
  SELECT job_id FROM jobs WHERE (ended_ns IS NOT NULL OR state = 'lost' OR dismissed) AND at_ns < ?
  ORDER BY at_ns LIMIT ?
)
"""


class Pruned(NamedTuple):
    """The result of `prune`: the number of the newest event removed or 0, and whether more may remain."""

    newest: int
    more: bool


def trim(connection: sqlite3.Connection, upto: int, added: int) -> int | None:
    """Remove events up to number `upto`, not all at once after the limit was lowered; raises sqlite3.Error.

    Args:
        connection: A connection in a transaction.
        upto: The newest event that may be removed.
        added: The number of events in this transaction.

    Returns:
        The number of the oldest event that is left, or None if none was removed.
    """
    gone = "SELECT last FROM packs WHERE last <= ? ORDER BY last LIMIT ?"
    deleted = connection.execute(
        f"DELETE FROM packs WHERE last IN ({gone})",  # noqa: S608 (a constant)
        (upto, _PACKS_AT_ONCE + added),
    )
    if not deleted.rowcount:
        return None
    (first,) = connection.execute("SELECT first FROM packs ORDER BY last LIMIT 1").fetchone()
    return int(first)


def prune(connection: sqlite3.Connection, limits: Retention, before_ns: int, top: int) -> Pruned:
    """Remove some rows that were committed before `before_ns` or exceed the limits; raises sqlite3.Error.

    The pack with the newest event, `top`, always stays, because no number may be used twice.
    """
    some = _ROWS_AT_ONCE
    old = connection.execute("SELECT last, at_ns FROM packs ORDER BY last LIMIT ?", (some,)).fetchall()
    # Up to the first that is not old: files of before version 5 have times of a wall clock that may have jumped.
    gone = [last for last, _ in takewhile(lambda pack: pack[1] < before_ns and pack[0] < top, old)]
    if gone:
        connection.execute("DELETE FROM packs WHERE last <= ?", (gone[-1],))
    removed = [
        connection.execute(_DELETE_TOO_MANY, (limits.jobs, some)).rowcount,
        connection.execute(_DELETE_TOO_OLD, (before_ns, some)).rowcount,
        _cut(connection, "producers", "seq", limits.producers),
        _cut(connection, "durations", "id", limits.durations),
        _cut(connection, "runs", "seq", limits.runs),
        len(gone),
    ]
    return Pruned(gone[-1] if gone else 0, max(removed) >= some)


def _cut(connection: sqlite3.Connection, table: str, key: str, keep: int) -> int:
    """Remove some of the rows of a table with the lowest keys, so that in the end `keep` stay; return how many."""
    border = f"SELECT {key} FROM {table} ORDER BY {key} DESC LIMIT 1 OFFSET ?"  # noqa: S608 (names in this module)
    some = f"SELECT {key} FROM {table} WHERE {key} <= ({border}) ORDER BY {key} LIMIT ?"  # noqa: S608
    return connection.execute(
        f"DELETE FROM {table} WHERE {key} IN ({some})",  # noqa: S608
        (keep, _ROWS_AT_ONCE),
    ).rowcount
