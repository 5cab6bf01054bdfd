"""The totals of all jobs, for the header."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from phaseline_tui.model.jobs import JobView, State
from phaseline_tui.model.today import Day

__all__ = ["Counts", "Totals", "counts_of", "totals_of"]

_HOUR: Final = 3600.0


Counts = Counter[str]
"""Numbers of jobs by `State.counted_as`."""


def counts_of(jobs: Iterable[JobView]) -> Counts:
    """Count `jobs`."""
    counts = Counts()
    for state, count in Counter(job.state for job in jobs).items():
        counts[state.counted_as] += count
    return counts


class Totals(NamedTuple):
    """Totals of all jobs at one moment."""

    counts: Counts
    done_today: int
    """Jobs completed on the servers' local day."""
    rate: float
    """Jobs completed in the last hour."""
    remaining: float | None
    """Estimated seconds until the last active job is done; None without estimates."""
    unknown: int
    """Number of active jobs without an estimate."""
    hosts: int
    """Number of hosts that run or have run jobs."""
    percent: float
    """Mean percentage of the active jobs."""
    failed_today: int = 0
    """Jobs that failed on the servers' local day, and those that are lost."""
    cancelled_today: int = 0
    seen: bool = False
    """Whether a server is older, so that the counts of today are those seen of its jobs since local midnight."""


def totals_of(
    jobs: Iterable[JobView],
    counts: Counts,
    now: float,
    wall: float,
    midnight: float,
    days: Mapping[str, Day | None],
) -> Totals:
    """Return the totals of `jobs`.

    Args:
        jobs: All jobs.
        counts: Their numbers by state.
        now: Monotonic seconds.
        wall: The same moment in seconds since 1970.
        midnight: Last local midnight in seconds since 1970.
        days: The present day of each server by its label, None for older servers.
    """
    # This runs once a second, for up to ten thousand jobs, so it does little for each.
    old = {origin for origin, day in days.items() if day is None}
    today = _today_of(days.values())
    hour = unknown = 0
    last: float | None = None
    percent = 0.0
    hosts: set[tuple[str, str]] = set()
    for job in jobs:
        hosts.add((job.origin, job.host))
        if job.state is State.ACTIVE:
            percent += job.percent
            left = job.remaining
            if left is None:
                unknown += 1
                continue
            due = left.likely + job.received
            if last is None or due > last:
                last = due
            continue
        ended = job.completed_at or 0.0
        if job.state is State.COMPLETED:
            hour += ended > wall - _HOUR
        if job.state is State.LOST or (job.origin in old and ended >= midnight):
            today[job.state] += 1
    return Totals(
        counts=counts,
        done_today=today[State.COMPLETED],
        failed_today=today[State.FAILED] + today[State.LOST],
        cancelled_today=today[State.CANCELLED],
        seen=bool(old),
        rate=float(hour),
        remaining=None if last is None else max(0.0, last - now),
        unknown=unknown,
        hosts=len(hosts),
        percent=percent / max(1, counts["active"]),
    )


def _today_of(days: Iterable[Day | None]) -> Counter[State]:
    """Return the numbers of jobs that ended today, as the servers count them."""
    today = Counter[State]()
    for day in days:
        if day is not None:
            today += Counter({State.COMPLETED: day.completed, State.FAILED: day.failed, State.CANCELLED: day.cancelled})
    return today
