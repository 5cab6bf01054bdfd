"""Reading the log: the state to start with, events, and earlier runs."""

from collections.abc import Collection

from phaseline.model.phase import PhaseDuration
from phaseline.model.statistics import Average
from phaseline_server.log.batch import Kept
from phaseline_server.log.learned import MOST_WORKFLOWS, EncodedRun, Learned, Outcomes, PhaseFailures, SlowRun
from phaseline_server.log.postgres.connection import Cursor
from phaseline_server.log.protocol import Retention

__all__ = [
    "read_durations",
    "read_ends_of_stream",
    "read_learned",
    "read_meta",
    "read_outcomes",
    "read_packs",
    "read_records",
    "read_runs",
    "read_state",
]


def read_meta(cursor: Cursor) -> dict[str, str]:
    """Return the table `meta`; raises psycopg.Error."""
    return dict(cursor.execute("SELECT key, value FROM meta").fetchall())


def read_state(cursor: Cursor, limits: Retention, ended_since_ns: int, most_jobs: int, boot: str) -> Kept:
    """Return the state that a server starts with; raises psycopg.Error.

    Args:
        cursor: A cursor.
        limits: The limits of the log.
        ended_since_ns: See `Store.load`.
        most_jobs: See `Store.load`.
        boot: The id of the machine's present boot, or "".
    """
    jobs = cursor.execute("SELECT seq, record FROM jobs WHERE ended_ns IS NULL").fetchall()
    jobs += cursor.execute(
        "SELECT seq, record FROM jobs WHERE ended_ns >= %s ORDER BY ended_ns DESC LIMIT %s",
        (ended_since_ns, max(0, most_jobs - len(jobs))),
    ).fetchall()
    producers = cursor.execute(
        "SELECT owner, producer, job_id, number, seq FROM (SELECT * FROM producers ORDER BY seq DESC LIMIT %s) AS last "
        "ORDER BY seq",
        (limits.producers,),
    ).fetchall()
    averages = cursor.execute("SELECT workflow, phase, count, avg_ns FROM averages").fetchall()
    meta = read_meta(cursor)
    return Kept(
        records=[record for _, record in sorted(jobs)],
        producers={(owner, producer, job_id): (number, seq) for owner, producer, job_id, number, seq in producers},
        averages={(w, p): Average(count, avg_ns) for w, p, count, avg_ns in averages}
        if "generation_runs" in meta
        else None,
        counts=(int(meta.get("generation_runs", 0)), int(meta.get("cache_hits", 0))),
        same_clock=bool(boot) and meta.get("boot") == boot,
    )


def read_ends_of_stream(cursor: Cursor) -> tuple[dict[str, str], int, int, int | None]:
    """Return the table `meta`, the oldest and newest number of an event, and the time of the newest pack."""
    row = cursor.execute(
        "SELECT coalesce((SELECT first FROM packs ORDER BY last LIMIT 1), 1), coalesce(max(last), 0), max(at_ns) "
        "FROM packs"
    ).fetchone()
    oldest, top, latest_ns = row or (1, 0, None)
    return read_meta(cursor), oldest, top, latest_ns


def read_packs(cursor: Cursor, after: int, limit: int) -> list[tuple[int, bytes]]:
    """Return the packs with the first `limit` messages after number `after`: first number and content of each."""
    return cursor.execute(
        "SELECT first, messages FROM packs WHERE last > %s AND first <= %s ORDER BY last", (after, after + limit)
    ).fetchall()


def read_records(cursor: Cursor, job_ids: Collection[str]) -> list[bytes]:
    """Return the records of those jobs that are kept, in the order of their latest events; raises psycopg.Error."""
    rows = cursor.execute("SELECT record FROM jobs WHERE job_id = ANY(%s::text[]) ORDER BY seq", (list(job_ids),))
    return [record for (record,) in rows]


def read_runs(cursor: Cursor, first: int, last: int) -> list[EncodedRun]:
    """Return the runs to learn from that ended with messages `first` to `last`; raises psycopg.Error."""
    rows = cursor.execute(
        "SELECT seq, workflow, series, body FROM runs WHERE seq >= %s AND seq <= %s AND body IS NOT NULL ORDER BY seq",
        (first, last),
    )
    return [EncodedRun(*row) for row in rows]


def read_durations(cursor: Cursor, after: int) -> list[tuple[int, PhaseDuration]]:
    """Return the rows of `durations` after row `after`, each with its number; raises psycopg.Error."""
    rows = cursor.execute(
        "SELECT id, workflow, series, phase, duration_ns FROM durations WHERE id > %s ORDER BY id", (after,)
    )
    return [(row[0], PhaseDuration(*row[1:])) for row in rows]


def read_learned(cursor: Cursor) -> Learned:
    """Return all that estimates start with; raises psycopg.Error."""
    runs = cursor.execute("SELECT seq, workflow, series, body FROM runs WHERE body IS NOT NULL ORDER BY seq").fetchall()
    durations = cursor.execute("SELECT workflow, series, phase, duration_ns FROM durations ORDER BY id").fetchall()
    states = cursor.execute("SELECT kind, key, state FROM learned").fetchall()
    return Learned(
        {(kind, key): state for kind, key, state in states},
        [EncodedRun(*row) for row in runs],
        durations,
    )


def read_outcomes(cursor: Cursor, most: int) -> Outcomes:
    """Return the `most` phases with failures and the `most` slowest runs of each workflow; raises psycopg.Error."""
    failures = cursor.execute(
        "SELECT workflow, phase, count(*) FROM runs WHERE state = 'failed' GROUP BY 1, 2 ORDER BY 3 DESC, min(seq) "
        "LIMIT %s",
        (most,),
    ).fetchall()
    slowest = cursor.execute(
        "SELECT job_id, workflow, series, duration_ns, at_ns FROM (SELECT *, "
        "row_number() OVER (PARTITION BY workflow ORDER BY duration_ns DESC, seq) AS place "
        "FROM runs WHERE body IS NOT NULL) AS placed WHERE place <= %s ORDER BY place, duration_ns DESC, seq LIMIT %s",
        (most, most * MOST_WORKFLOWS),
    ).fetchall()
    return Outcomes([PhaseFailures(*row) for row in failures], [SlowRun(*row) for row in slowest])
