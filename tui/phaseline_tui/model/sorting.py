"""The order of the jobs: unfinished ones first, then failed and lost ones, then the other ended ones.

The sort column sorts each of these three groups. By default, unfinished jobs are sorted by their start, earliest first,
and ended ones by their end, latest first.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from phaseline_tui.model.jobs import JobView, State
from phaseline_tui.model.shown import percent_shown

__all__ = ["COLUMNS", "Order", "group_of", "place_of"]

_LATE: Final = 9e18
_QUEUED: Final = 1e12  # after all starts, in seconds since 1970

_Key = Callable[[JobView, float], tuple[float, str]]

COLUMNS: Final[dict[str, _Key]] = {
    "name": lambda job, _now: (0.0, job.name.casefold()),
    "state": lambda job, _now: (float(list(State).index(job.state)), ""),
    "source": lambda job, _now: (0.0, f"{job.workflow}·{job.series}".casefold()),
    "host": lambda job, _now: (0.0, f"{job.host}·{job.origin}".casefold()),
    "phase": lambda job, _now: (job.phase_index / max(1, job.phase_count), job.current.name if job.current else ""),
    "percent": lambda job, now: (-percent_shown(job, now)[0], ""),
    "elapsed": lambda job, now: (-job.elapsed_at(now), ""),
    "eta": lambda job, now: (left.likely if (left := job.remaining_at(now)) is not None else _LATE, ""),
    "message": lambda job, _now: (0.0, job.message.casefold()),
}
"""The sort columns, in the order of the `sort` action, with the functions that return a job's sort key."""


class Order(NamedTuple):
    """A sort order."""

    column: str = ""
    """One of `COLUMNS`, or empty for the default order."""
    reverse: bool = False
    """Whether to reverse the order within each group."""

    def next(self) -> "Order":
        """Return the order by the next column; after the last one, the default order."""
        names = ["", *COLUMNS]
        at = names.index(self.column) if self.column in names else 0
        return Order(names[(at + 1) % len(names)], reverse=False)

    def key(self, job: JobView, now: float) -> tuple[float, str]:
        """Return the sort key of `job` within its group at `now`, in monotonic seconds."""
        column = COLUMNS.get(self.column)
        return (place_of(job)[1], "") if column is None else column(job, now)


def group_of(job: JobView) -> int:
    """Return 0 for an unfinished job, 1 for a failed or lost one, 2 for any other."""
    if not job.over:
        return 0
    return 1 if job.state.bad else 2


def place_of(job: JobView) -> tuple[int, float]:
    """Return the sort key of the default order: the group, then the start or the negative end of the job.

    Queued jobs follow those that have started, by their place.
    """
    if job.state is State.QUEUED:
        return (0, _QUEUED + (job.position or 0))
    if not job.over:
        return (0, job.started_at if job.started_at is not None else _LATE)
    return (group_of(job), -(job.completed_at or 0.0))
