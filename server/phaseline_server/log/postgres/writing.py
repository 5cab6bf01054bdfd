"""A batch as rows of the tables. Everything here runs in a transaction and a pipeline of the caller."""

from collections.abc import Iterable, Sequence
from typing import Any

from phaseline_server.log.batch import Batch, JobRow
from phaseline_server.log.packing import packed
from phaseline_server.log.postgres.connection import TimedConnection

__all__ = ["channel_of", "notify", "write_batch", "write_meta"]


def write_meta(connection: TimedConnection, values: dict[str, str]) -> None:
    """Replace values of the table `meta`; raises psycopg.Error."""
    connection.execute(
        "INSERT INTO meta SELECT * FROM unnest(%s::text[], %s::text[]) "
        "ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value",
        (list(values), list(values.values())),
    )


def channel_of(schema: str) -> str:
    """Return the channel on which the leader of a log notifies the servers that follow it."""
    return f"{schema}.packs"


def notify(connection: TimedConnection, schema: str, top: int) -> None:
    """Notify the servers that follow, once the transaction is visible, that message `top` is stored."""
    connection.execute("SELECT pg_notify(%s, %s)", (channel_of(schema), str(top)))


def write_batch(connection: TimedConnection, batch: Batch, at_ns: int) -> None:
    """Write a batch at time `at_ns` of the log's clock: one statement for each table; raises psycopg.Error."""
    if batch.messages:
        connection.execute(
            "INSERT INTO packs SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %b::bytea[])",
            _columns(packed(batch.messages, at_ns)),
        )
    if batch.jobs:
        _write_jobs(connection, batch.jobs, at_ns)
    if batch.producers:
        connection.execute(
            "INSERT INTO producers SELECT * FROM "
            "unnest(%s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[]) "
            "ON CONFLICT (owner, producer, job_id) DO UPDATE SET number = EXCLUDED.number, seq = EXCLUDED.seq",
            _columns((*key, number, seq) for key, (number, seq) in batch.producers.items()),
        )
    _write_ends(connection, batch)
    _write_averages(connection, batch)


def _write_jobs(connection: TimedConnection, jobs: Sequence[JobRow], at_ns: int) -> None:
    connection.execute(
        "INSERT INTO jobs (job_id, seq, state, latest_ns, ended_ns, record, workflow, series, host, search, dismissed, "
        "at_ns) SELECT *, %s::bigint FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[], "
        "%b::bytea[], %s::text[], %s::text[], %s::text[], %s::text[], %s::boolean[]) "
        "ON CONFLICT (job_id) DO UPDATE SET seq = EXCLUDED.seq, state = EXCLUDED.state, "
        "latest_ns = EXCLUDED.latest_ns, ended_ns = EXCLUDED.ended_ns, record = EXCLUDED.record, "
        "workflow = EXCLUDED.workflow, series = EXCLUDED.series, host = EXCLUDED.host, search = EXCLUDED.search, "
        "dismissed = EXCLUDED.dismissed, at_ns = EXCLUDED.at_ns",
        (at_ns, *_columns(row._replace(state=str(row.state)) for row in jobs)),
    )


def _write_ends(connection: TimedConnection, batch: Batch) -> None:
    """Write the runs, durations and averages of ended jobs."""
    if batch.runs:
        rows = [row._replace(state=str(row.state), body=row.body or b"") for row in batch.runs]  # the body is never ""
        connection.execute(
            "INSERT INTO runs (seq, at_ns, job_id, workflow, series, state, phase, duration_ns, body, host, search, "
            "measured) SELECT seq, at_ns, job_id, workflow, series, state, phase, duration_ns, nullif(body, ''), host, "
            "search, measured FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], "
            "%s::text[], %s::bigint[], %b::bytea[], %s::text[], %s::text[], %s::boolean[]) AS new (seq, at_ns, job_id, "
            "workflow, series, state, phase, duration_ns, body, host, search, measured)",
            _columns(rows),
        )
    if batch.dismissed:
        connection.execute(
            "UPDATE runs SET dismissed = true "
            "WHERE (at_ns, job_id) IN (SELECT * FROM unnest(%s::bigint[], %s::text[]))",
            _columns(batch.dismissed),
        )
    if batch.durations:
        connection.execute(
            "INSERT INTO durations (at_ns, workflow, series, phase, duration_ns) "
            "SELECT %s::bigint, * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[])",
            (
                batch.at.wall_ns,
                *_columns((each.workflow, each.series, each.phase, each.duration_ns) for each in batch.durations),
            ),
        )


def _write_averages(connection: TimedConnection, batch: Batch) -> None:
    if batch.forget:
        connection.execute("DELETE FROM averages")
    if batch.averages:
        connection.execute(
            "INSERT INTO averages SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[]) "
            "ON CONFLICT (workflow, phase) DO UPDATE SET count = EXCLUDED.count, avg_ns = EXCLUDED.avg_ns",
            _columns((*key, average.count, average.avg_ns) for key, average in batch.averages.items()),
        )
    if batch.dropped:
        connection.execute(
            "DELETE FROM averages WHERE (workflow, phase) IN (SELECT * FROM unnest(%s::text[], %s::text[]))",
            _columns(batch.dropped),
        )
    if batch.counts is not None or batch.forget:
        made, hits = batch.counts or (0, 0)
        write_meta(connection, {"generation_runs": str(made), "cache_hits": str(hits)})


def _columns(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Return the columns of some rows, of which there is at least one."""
    return [list(column) for column in zip(*rows, strict=True)]
