"""Pages of jobs and totals of runs, read from columns and indexes."""

from collections.abc import Iterator
from typing import Any, Final, LiteralString, NamedTuple

from psycopg import sql

from phaseline_server.log.postgres.connection import Cursor
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
_RUNS: Final = """
SELECT workflow, series,
  count(*) FILTER (WHERE present AND state = 'completed'),
  count(*) FILTER (WHERE present AND state = 'failed'),
  count(*) FILTER (WHERE present AND state = 'cancelled'),
  count(*) FILTER (WHERE NOT present),
  array_agg(duration_ns) FILTER (WHERE measured AND present),
  array_agg(duration_ns) FILTER (WHERE measured AND NOT present)
FROM (
  SELECT workflow, series, state, measured, duration_ns, at_ns >= %s AS present FROM runs WHERE {}
) AS found GROUP BY workflow, series
"""
_LOST: Final = """
SELECT workflow, series, count(*) FILTER (WHERE latest_ns >= %s), count(*) FILTER (WHERE latest_ns < %s)
FROM jobs WHERE state = 'lost' AND {} GROUP BY workflow, series
"""
_ENDS: Final = """
SELECT state, count(*) FROM runs
WHERE at_ns >= %s AND at_ns < %s AND NOT (dismissed AND state = 'failed') GROUP BY state
"""
_PLACES: Final = "SELECT job_id, ended_ns, seq, length(record) FROM jobs WHERE {} ORDER BY {} LIMIT %s"
_ACTIVE: Final = sql.SQL("seq DESC")
_ENDED: Final = sql.SQL("ended_ns DESC, seq DESC")


class _Clause(NamedTuple):
    sql: LiteralString
    values: tuple[object, ...] = ()


class _Clauses:
    """Conditions that must all hold."""

    def __init__(self, *conditions: _Clause) -> None:
        self.sql = sql.SQL(" AND ").join(sql.SQL(condition.sql) for condition in conditions)
        self.values = tuple(value for condition in conditions for value in condition.values)


def _allows(query: JobFilter, time: LiteralString, since_ns: int | None) -> Iterator[_Clause]:
    """Yield the conditions of a filter; `time` is the column with the time to compare."""
    if since_ns is not None:
        yield _Clause(time + " >= %s", (since_ns,))
    if query.until_ns is not None:
        yield _Clause(time + " < %s", (query.until_ns,))
    if query.workflow is not None:
        yield _Clause("workflow = %s", (query.workflow,))
    if query.series is not None:
        yield _Clause("series = %s", (query.series,))
    if query.host is not None:
        yield _Clause("host = %s", (query.host,))
    if query.prefix:
        yield _Clause("starts_with(job_id, %s)", (query.prefix,))
    for word in query.words:
        yield _Clause("strpos(search, %s) > 0", (word,))


class _Found(NamedTuple):
    job_id: str
    ended_ns: int | None
    seq: int
    size: int


def read_jobs(cursor: Cursor, query: JobQuery) -> JobPage:
    """Return a page of jobs; raises psycopg.Error."""
    places = _active_places(cursor, query) if query.after is None or query.after.ended_ns is None else []
    if len(places) <= query.limit:
        places += _ended_places(cursor, query, query.limit + 1 - len(places))
    wanted: list[_Found] = []
    size = 0
    for place in places[: query.limit]:
        wanted.append(place)
        size += place.size
        if size >= query.most_bytes:
            break
    ids = [place.job_id for place in wanted]
    rows = cursor.execute("SELECT job_id, record FROM jobs WHERE job_id = ANY(%s::text[])", (ids,))
    records: dict[str, bytes] = dict(rows.fetchall())
    found = tuple(FoundJob(place.job_id, Place(place.ended_ns, place.seq), records[place.job_id]) for place in wanted)
    return JobPage(found, len(found) < len(places))


def _of_states(query: JobQuery, *, ended: bool) -> _Clause | None:
    """Return the condition that a job is in a wanted state; None if no wanted state is or is not an end."""
    states = sorted(str(state) for state in query.states if state.ended is ended)
    return _Clause("state = ANY(%s::text[])", (states,)) if states else None


def _active_places(cursor: Cursor, query: JobQuery) -> list[_Found]:
    """Return the first places of jobs that have not ended."""
    of_states = _of_states(query, ended=False)
    if of_states is None:
        return []
    after = _LATEST_NS if query.after is None else query.after.seq
    begun = _Clause("ended_ns IS NULL AND seq < %s", (after,))
    wanted = _Clauses(begun, of_states, *_of_dismissed(query), *_allows(query, "latest_ns", query.since_ns))
    return _places(cursor, wanted, _ACTIVE, query.limit + 1)


def _ended_places(cursor: Cursor, query: JobQuery, limit: int) -> list[_Found]:
    """Return the first places of jobs that have ended."""
    of_states = _of_states(query, ended=True)
    if of_states is None:
        return []
    after = Place(_LATEST_NS, _LATEST_NS) if query.after is None or query.after.ended_ns is None else query.after
    ended = _Clause("ended_ns IS NOT NULL AND (ended_ns, seq) < (%s, %s)", after)
    wanted = _Clauses(ended, of_states, *_of_dismissed(query), *_allows(query, "ended_ns", query.since_ns))
    return _places(cursor, wanted, _ENDED, limit)


def _places(cursor: Cursor, wanted: _Clauses, order: sql.SQL, limit: int) -> list[_Found]:
    rows = cursor.execute(sql.SQL(_PLACES).format(wanted.sql, order), (*wanted.values, limit))
    return [_Found(*row) for row in rows]


def _of_dismissed(query: JobQuery) -> list[_Clause]:
    return [] if query.dismissed else [_Clause("NOT dismissed")]


def read_totals(cursor: Cursor, query: TotalsQuery) -> list[Total]:
    """Return the totals of each workflow and series with a run since `query.since_ns`; raises psycopg.Error."""
    since_ns = query.since_ns or 0
    ended = _Clauses(_Clause("true"), *_allows(query, "at_ns", query.before_ns))
    lost = _Clauses(_Clause("true"), *_allows(query, "latest_ns", query.before_ns))
    runs = cursor.execute(sql.SQL(_RUNS).format(ended.sql), (since_ns, *ended.values)).fetchall()
    stopped = cursor.execute(sql.SQL(_LOST).format(lost.sql), (since_ns, since_ns, *lost.values)).fetchall()
    totals = {(total.workflow, total.series): total for total in map(_total, runs)}
    for workflow, series, present, before in stopped:
        total = totals.get((workflow, series)) or Total(workflow, series)
        totals[workflow, series] = total._replace(lost=present, runs_before=total.runs_before + before)
    return [total for _, total in sorted(totals.items()) if total.runs]


def _total(row: tuple[Any, ...]) -> Total:
    workflow, series, completed, failed, cancelled, before, durations, durations_before = row
    median_ns, p95_ns = middle_and_p95(durations or [])
    median_before_ns, _ = middle_and_p95(durations_before or [])
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


def read_ends(cursor: Cursor, since_ns: int, until_ns: int) -> dict[str, int]:
    """Return how many runs ended in each state in this time; raises psycopg.Error."""
    return dict(cursor.execute(_ENDS, (since_ns, until_ns)).fetchall())
