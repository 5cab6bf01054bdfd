"""Pages of jobs and totals of runs, read from the columns and indexes of the journal."""

import sqlite3
from collections.abc import Iterator
from typing import Final, NamedTuple

from phaseline_server.log.queries import (
    FoundJob,
    JobFilter,
    JobPage,
    JobQuery,
    Place,
    Total,
    TotalsQuery,
    middle_and_p95,
)

__all__ = ["read_ends", "read_jobs", "read_totals"]

_LATEST_NS: Final = 2**63 - 1
# The index has the runs of each workflow and series together, so that nothing is sorted here. SQLite would take several
# times as long to sort the durations as Python does.
_RUNS: Final = """
SELECT workflow, series,
  count(*) FILTER (WHERE present AND state = 'completed'),
  count(*) FILTER (WHERE present AND state = 'failed'),
  count(*) FILTER (WHERE present AND state = 'cancelled'),
  count(*) FILTER (WHERE NOT present),
  group_concat(duration_ns) FILTER (WHERE measured AND present),
  group_concat(duration_ns) FILTER (WHERE measured AND NOT present)
FROM (
  SELECT workflow, series, state, measured, duration_ns, at_ns >= ? AS present
  FROM runs INDEXED BY runs_series WHERE {condition}
) GROUP BY workflow, series
"""
_LOST: Final = """
SELECT workflow, series, count(*) FILTER (WHERE latest_ns >= ?), count(*) FILTER (WHERE latest_ns < ?)
FROM jobs INDEXED BY jobs_lost WHERE state = 'lost' AND {condition} GROUP BY workflow, series
"""
_ENDS: Final = """
SELECT state, count(*) FROM runs INDEXED BY runs_at
WHERE at_ns >= ? AND at_ns < ? AND NOT (dismissed AND state = 'failed') GROUP BY state
"""


class _Condition(NamedTuple):
    sql: str
    values: tuple[object, ...]


def _all_of(*conditions: _Condition) -> _Condition:
    sql = " AND ".join(condition.sql for condition in conditions)
    return _Condition(sql, tuple(value for condition in conditions for value in condition.values))


def _allows(query: JobFilter, time: str, since_ns: int | None) -> Iterator[_Condition]:
    """Yield the conditions of a filter; `time` is the column with the time to compare."""
    if since_ns is not None:
        yield _Condition(f"{time} >= ?", (since_ns,))
    if query.until_ns is not None:
        yield _Condition(f"{time} < ?", (query.until_ns,))
    for name in ("workflow", "series", "host"):
        if (value := getattr(query, name)) is not None:
            yield _Condition(f"{name} = ?", (value,))
    if query.prefix:
        yield _Condition("substr(job_id, 1, ?) = ?", (len(query.prefix), query.prefix))
    for word in query.words:
        yield _Condition("instr(search, ?)", (word,))


def read_jobs(connection: sqlite3.Connection, query: JobQuery) -> JobPage:
    """Return a page of jobs; raises sqlite3.Error."""
    connection.execute("BEGIN")  # so that all statements read the same state
    try:
        places = _active_places(connection, query) if query.after is None or query.after.ended_ns is None else []
        if len(places) <= query.limit:
            places += _ended_places(connection, query, query.limit + 1 - len(places))
        found: list[FoundJob] = []
        size = 0
        for rowid, job_id, place in places[: query.limit]:
            # One at a time, as records may be large.
            (record,) = connection.execute("SELECT record FROM jobs WHERE rowid = ?", (rowid,)).fetchone()
            found.append(FoundJob(job_id, place, record))
            size += len(record)
            if size >= query.most_bytes:
                break
    finally:
        connection.execute("COMMIT")
    return JobPage(tuple(found), len(found) < len(places))


_Found = tuple[int, str, Place]


def _of_states(query: JobQuery, *, ended: bool) -> _Condition | None:
    """Return the condition that a job is in a wanted state; None if no wanted state is or is not an end."""
    states = sorted(state for state in query.states if state.ended is ended)
    if not states:
        return None
    return _Condition(f"state IN ({','.join('?' * len(states))})", tuple(states))


def _active_places(connection: sqlite3.Connection, query: JobQuery) -> list[_Found]:
    """Return the first places of jobs that have not ended."""
    of_states = _of_states(query, ended=False)
    if of_states is None:
        return []
    after = _LATEST_NS if query.after is None else query.after.seq
    conditions = [_Condition("ended_ns IS NULL AND seq < ?", (after,)), of_states]
    wanted = _all_of(*conditions, *_of_dismissed(query), *_allows(query, "latest_ns", query.since_ns))
    rows = connection.execute(
        f"SELECT rowid, job_id, seq FROM jobs INDEXED BY jobs_active WHERE {wanted.sql} "  # noqa: S608 (values are bound)
        "ORDER BY seq DESC LIMIT ?",
        (*wanted.values, query.limit + 1),
    )
    return [(rowid, job_id, Place(None, seq)) for rowid, job_id, seq in rows]


def _ended_places(connection: sqlite3.Connection, query: JobQuery, limit: int) -> list[_Found]:
    """Return the first places of jobs that have ended."""
    of_states = _of_states(query, ended=True)
    if of_states is None:
        return []
    after = Place(_LATEST_NS, _LATEST_NS) if query.after is None or query.after.ended_ns is None else query.after
    conditions = [_Condition("ended_ns IS NOT NULL AND (ended_ns, seq) < (?, ?)", after), of_states]
    wanted = _all_of(*conditions, *_of_dismissed(query), *_allows(query, "ended_ns", query.since_ns))
    rows = connection.execute(
        f"SELECT rowid, job_id, ended_ns, seq FROM jobs INDEXED BY jobs_ended WHERE {wanted.sql} "  # noqa: S608
        "ORDER BY ended_ns DESC, seq DESC LIMIT ?",
        (*wanted.values, limit),
    )
    return [(rowid, job_id, Place(ended_ns, seq)) for rowid, job_id, ended_ns, seq in rows]


def _of_dismissed(query: JobQuery) -> list[_Condition]:
    return [] if query.dismissed else [_Condition("NOT dismissed", ())]


def read_totals(connection: sqlite3.Connection, query: TotalsQuery) -> list[Total]:
    """Return the totals of each workflow and series with a run since `query.since_ns`; raises sqlite3.Error."""
    since_ns = query.since_ns or 0
    ended = _all_of(*_allows(query, "at_ns", query.before_ns))
    lost = _all_of(*_allows(query, "latest_ns", query.before_ns))
    connection.execute("BEGIN")
    try:
        runs = connection.execute(_RUNS.format(condition=ended.sql), (since_ns, *ended.values)).fetchall()
        stopped = connection.execute(_LOST.format(condition=lost.sql), (since_ns, since_ns, *lost.values)).fetchall()
    finally:
        connection.execute("COMMIT")
    totals = {(total.workflow, total.series): total for total in map(_total, runs)}
    for workflow, series, present, before in stopped:
        total = totals.get((workflow, series)) or Total(workflow, series)
        totals[workflow, series] = total._replace(lost=present, runs_before=total.runs_before + before)
    return [total for _, total in sorted(totals.items()) if total.runs]


def _total(row: tuple[str, str, int, int, int, int, str | None, str | None]) -> Total:
    workflow, series, completed, failed, cancelled, before, durations, durations_before = row
    median_ns, p95_ns = middle_and_p95(_numbers(durations))
    median_before_ns, _ = middle_and_p95(_numbers(durations_before))
    return Total(
        workflow,
        series,
        completed=completed,
        failed=failed,
        cancelled=cancelled,
        median_ns=median_ns,
        p95_ns=p95_ns,
        median_before_ns=median_before_ns,
        runs_before=before,
    )


def _numbers(text: str | None) -> list[int]:
    return [] if text is None else list(map(int, text.split(",")))


def read_ends(connection: sqlite3.Connection, since_ns: int, until_ns: int) -> dict[str, int]:
    """Return how many runs ended in each state in this time; raises sqlite3.Error."""
    return dict(connection.execute(_ENDS, (since_ns, until_ns)).fetchall())
