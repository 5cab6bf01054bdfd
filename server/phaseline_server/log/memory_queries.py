"""Pages of jobs and totals of runs, found in lists; the executable specification of what engines answer."""

from collections import Counter
from collections.abc import Iterable

from phaseline.model.states import State
from phaseline_server.log.batch import JobRow, RunRow
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

__all__ = ["find_jobs", "find_totals"]

_End = tuple[str, int | None]
"""The state of a run that ended or was lost, and its duration if it counts."""


def find_jobs(rows: Iterable[JobRow], query: JobQuery) -> JobPage:
    """Return a page of jobs."""
    wanted = [
        row
        for row in rows
        if row.state in query.states
        and (query.dismissed or not row.dismissed)
        and _allows(query, row, _time_of(row), query.since_ns)
    ]
    wanted.sort(key=_order)
    if query.after is not None:
        after = _place_order(query.after)
        wanted = [row for row in wanted if _order(row) > after]
    found: list[FoundJob] = []
    size = 0
    for row in wanted[: query.limit]:
        found.append(FoundJob(row.job_id, Place(row.ended_ns, row.seq), row.record))
        size += len(row.record)
        if size >= query.most_bytes:
            break
    return JobPage(tuple(found), len(found) < len(wanted))


def find_totals(jobs: Iterable[JobRow], runs: Iterable[RunRow], query: TotalsQuery) -> list[Total]:
    """Return the totals of each workflow and series with a run since `query.since_ns`."""
    ends: list[tuple[RunRow | JobRow, int, int | None]] = [
        (run, run.at_ns, run.duration_ns if run.measured else None) for run in runs
    ]
    ends += [(row, row.latest_ns, None) for row in jobs if row.state == State.LOST]
    found: dict[tuple[str, str], tuple[list[_End], list[_End]]] = {}
    for run, at_ns, duration_ns in ends:
        if _allows(query, run, at_ns, query.before_ns):
            before, present = found.setdefault((run.workflow, run.series), ([], []))
            (present if at_ns >= (query.since_ns or 0) else before).append((run.state, duration_ns))
    return [_total(key, before, present) for key, (before, present) in sorted(found.items()) if present]


def _total(key: tuple[str, str], before: list[_End], present: list[_End]) -> Total:
    counts = Counter(state for state, _ in present)
    median_ns, p95_ns = middle_and_p95([ns for _, ns in present if ns is not None])
    return Total(
        *key,
        completed=counts[State.COMPLETED],
        failed=counts[State.FAILED],
        cancelled=counts[State.CANCELLED],
        lost=counts[State.LOST],
        median_ns=median_ns,
        p95_ns=p95_ns,
        median_before_ns=middle_and_p95([ns for _, ns in before if ns is not None])[0],
        runs_before=len(before),
    )


def _allows(query: JobFilter, row: JobRow | RunRow, time_ns: int, since_ns: int | None) -> bool:
    return (
        (since_ns is None or time_ns >= since_ns)
        and (query.until_ns is None or time_ns < query.until_ns)
        and query.workflow in {None, row.workflow}
        and query.series in {None, row.series}
        and query.host in {None, row.host}
        and row.job_id.startswith(query.prefix)
        and all(word in row.search for word in query.words)
    )


def _time_of(row: JobRow) -> int:
    return row.latest_ns if row.ended_ns is None else row.ended_ns


def _order(row: JobRow) -> tuple[int, ...]:
    return _place_order(Place(row.ended_ns, row.seq))


def _place_order(place: Place) -> tuple[int, ...]:
    return (0, -place.seq) if place.ended_ns is None else (1, -place.ended_ns, -place.seq)
