"""A batch as rows of the journal's tables. Everything here runs within a transaction of the caller."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from phaseline_server.log.batch import Batch
from phaseline_server.log.packing import packed

__all__ = ["write_batch"]

_ROWS_AT_ONCE: Final = 500


def write_batch(connection: sqlite3.Connection, batch: Batch, at_ns: int) -> None:
    """Write a batch at time `at_ns` of the log's clock; raises sqlite3.Error."""
    insert = _Inserter(connection)
    insert("INSERT INTO packs", packed(batch.messages, at_ns))
    insert(
        "INSERT OR REPLACE INTO jobs (job_id, seq, state, latest_ns, ended_ns, record, workflow, series, host, search, "
        "dismissed, at_ns)",
        [(*row, at_ns) for row in batch.jobs],
    )
    insert(
        "INSERT OR REPLACE INTO producers",
        [(*key, number, seq) for key, (number, seq) in batch.producers.items()],
    )
    insert(
        "INSERT INTO runs (seq, at_ns, job_id, workflow, series, state, phase, duration_ns, body, host, search, "
        "measured)",
        batch.runs,
    )
    if batch.dismissed:
        connection.executemany("UPDATE runs SET dismissed = 1 WHERE at_ns = ? AND job_id = ?", batch.dismissed)
    insert(
        "INSERT INTO durations (at_ns, workflow, series, phase, duration_ns)",
        [(batch.at.wall_ns, each.workflow, each.series, each.phase, each.duration_ns) for each in batch.durations],
    )
    if batch.forget:
        connection.execute("DELETE FROM averages")
    insert(
        "INSERT OR REPLACE INTO averages",
        [(*key, average.count, average.avg_ns) for key, average in batch.averages.items()],
    )
    if batch.dropped:
        connection.executemany("DELETE FROM averages WHERE workflow = ? AND phase = ?", batch.dropped)
    if batch.counts is not None or batch.forget:
        made, hits = batch.counts or (0, 0)
        insert("INSERT OR REPLACE INTO meta", [("generation_runs", made), ("cache_hits", hits)])


class _Inserter:
    """Inserts many rows with each statement: between two statements, Trio's thread may hold the GIL for long."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __call__(self, into: str, rows: Iterable[Sequence[object]]) -> None:
        some = list(rows)
        for start in range(0, len(some), _ROWS_AT_ONCE):
            part = some[start : start + _ROWS_AT_ONCE]
            row = f"({','.join('?' * len(part[0]))})"
            values = [value for each in part for value in each]
            self._connection.execute(f"{into} VALUES {','.join([row] * len(part))}", values)
