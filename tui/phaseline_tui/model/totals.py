"""What the header says of all jobs together."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from phaseline_tui.model.jobs import JobView, State

__all__ = ["Counts", "Totals", "totals_of"]

_HOUR: Final = 3600.0


class Counts(NamedTuple):
    """How many jobs there are of each kind."""

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
    """All jobs together at a moment."""

    counts: Counts
    done_today: int
    """Ended well since the last local midnight."""
    rate: float
    """Ended well in the last hour."""
    remaining: float | None
    """Seconds until the last active job is likely done; None if nobody knows of any."""
    unknown: int
    """Active jobs of which nobody knows when they will be done."""
    hosts: int
    """On how many hosts jobs run, or have run."""
    percent: float
    """Mean percent of the active jobs."""


def totals_of(jobs: Iterable[JobView], counts: Counts, now: float, wall: float, midnight: float) -> Totals:
    """Return the totals of `jobs`.

    Args:
        jobs: all of them.
        counts: the same jobs, counted.
        now: monotonic seconds.
        wall: the same moment, seconds since 1970.
        midnight: the last one, local time, seconds since 1970.
    """
    # Once a second, over ten thousand jobs perhaps: so few steps for each as can be.
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
