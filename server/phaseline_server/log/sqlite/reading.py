"""Reading the journal: the state to start with, and events."""

import sqlite3
from contextlib import closing

from phaseline.model.statistics import Average
from phaseline_server.log.batch import Kept
from phaseline_server.log.clock import LogClock
from phaseline_server.log.protocol import Retention
from phaseline_server.log.stored_clock import continued_clock

__all__ = ["read_clock", "read_packs", "read_state"]


def read_clock(connection: sqlite3.Connection, limits: Retention) -> LogClock:
    """Return the log's clock, which continues after the last time in the journal; raises sqlite3.Error."""
    (latest_ns,) = connection.execute("SELECT max(at_ns) FROM packs").fetchone()
    found = connection.execute("SELECT value FROM meta WHERE key = 'clock'").fetchone()
    return continued_clock(None if found is None else found[0], latest_ns, limits.age_s)


def read_state(
    connection: sqlite3.Connection, limits: Retention, ended_since_ns: int, most_jobs: int, boot: str
) -> Kept:
    """Return the state that a server starts with; raises sqlite3.Error.

    Args:
        connection: A connection.
        limits: The limits of the log.
        ended_since_ns: See `Store.load`.
        most_jobs: See `Store.load`.
        boot: The id of the machine's present boot, or "".
    """
    jobs = connection.execute("SELECT seq, record FROM jobs WHERE ended_ns IS NULL").fetchall()
    jobs += connection.execute(
        "SELECT seq, record FROM jobs WHERE ended_ns >= ? ORDER BY ended_ns DESC LIMIT ?",
        (ended_since_ns, max(0, most_jobs - len(jobs))),
    ).fetchall()
    producers = connection.execute(
        "SELECT owner, producer, job_id, number, seq FROM (SELECT * FROM producers ORDER BY seq DESC LIMIT ?) "
        "ORDER BY seq",
        (limits.producers,),
    ).fetchall()
    averages = connection.execute("SELECT workflow, phase, count, avg_ns FROM averages").fetchall()
    meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
    learned = "generation_runs" in meta
    return Kept(
        records=[record for _, record in sorted(jobs)],
        producers={(owner, producer, job_id): (number, seq) for owner, producer, job_id, number, seq in producers},
        averages={(w, p): Average(count, avg_ns) for w, p, count, avg_ns in averages} if learned else None,
        counts=(meta.get("generation_runs", 0), meta.get("cache_hits", 0)),
        same_clock=bool(boot) and meta.get("boot") == boot,
    )


def read_packs(connection: sqlite3.Connection, after: int, limit: int) -> list[tuple[int, bytes]]:
    """Return the packs with the first `limit` messages after number `after`: first number and content of each."""
    packs: list[tuple[int, bytes]] = []
    with closing(
        connection.execute("SELECT last, first, messages FROM packs WHERE last > ? ORDER BY last", (after,))
    ) as rows:
        for last, first, body in rows:
            packs.append((first, body))
            limit -= last - max(first - 1, after)
            if limit <= 0:
                break
    return packs
