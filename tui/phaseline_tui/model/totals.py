"""The totals of all jobs, for the header."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from phaseline_tui.model.jobs import JobView, State

__all__ = ["Counts", "Totals", "totals_of"]

_HOUR: Final = 3600.0


class Counts(NamedTuple):
    """Numbers of jobs by state."""

    active: int
    stalled: int
    done: int
    failed: int
    cancelled: int

    @classmethod
    def of(cls, jobs: Iterable[JobView]) -> "Counts":
        """Count `jobs`."""
        states = [job.state for job in jobs]
        return cls(
            active=states.count(State.ACTIVE),
            stalled=states.count(State.STALLED),
            done=states.count(State.COMPLETED),
            failed=sum(state.bad for state in states),
            cancelled=states.count(State.CANCELLED),
        )


class Totals(NamedTuple):
    """Totals of all jobs at one moment."""

    counts: Counts
    done_today: int
    """Jobs completed since the last local midnight."""
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


def totals_of(jobs: Iterable[JobView], counts: Counts, now: float, wall: float, midnight: float) -> Totals:
    """Return the totals of `jobs`.

    Args:
        jobs: All jobs.
        counts: Their numbers by state.
        now: Monotonic seconds.
        wall: The same moment in seconds since 1970.
        midnight: Last local midnight in seconds since 1970.
    """
    # This runs once a second, for up to ten thousand jobs, so it does little for each.
    today = hour = unknown = 0
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
        elif job.state is State.COMPLETED:
            ended = job.completed_at or 0.0
            today += ended >= midnight
            hour += ended > wall - _HOUR
    longest = None if last is None else max(0.0, last - now)
    return Totals(counts, today, float(hour), longest, unknown, len(hosts), percent / max(1, counts.active))
