"""In which order the jobs stand: those at work first, then those that ended badly, then the others that ended.

Within each of these three groups, the sort column decides; without one, those at work that began first, and of the
others those that ended last.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from phaseline_tui.model.jobs import JobView, State

__all__ = ["COLUMNS", "Order", "group_of", "place_of"]

_LATE: Final = 9e18

_Key = Callable[[JobView, float], tuple[float, str]]

COLUMNS: Final[dict[str, _Key]] = {
    "name": lambda job, _now: (0.0, job.name.casefold()),
    "state": lambda job, _now: (float(list(State).index(job.state)), ""),
    "source": lambda job, _now: (0.0, f"{job.workflow}·{job.series}".casefold()),
    "host": lambda job, _now: (0.0, f"{job.host}·{job.origin}".casefold()),
    "phase": lambda job, _now: (job.phase_index / max(1, job.phase_count), job.current.name if job.current else ""),
    "percent": lambda job, now: (-job.percent_at(now), ""),
    "elapsed": lambda job, now: (-job.elapsed_at(now), ""),
    "eta": lambda job, now: (left.likely if (left := job.remaining_at(now)) is not None else _LATE, ""),
    "message": lambda job, _now: (0.0, job.message.casefold()),
}
"""What can be sorted by, in the order in which a key goes through them; the value that sorts a job at a moment."""


class Order(NamedTuple):
    """A chosen order."""

    column: str = ""
    """One of `COLUMNS`, or nothing for the usual order."""
    reverse: bool = False
    """Turns the order round within each group."""

    def next(self) -> "Order":
        """Return the order by the column after this one; after the last comes the usual order."""
        names = ["", *COLUMNS]
        at = names.index(self.column) if self.column in names else 0
        return Order(names[(at + 1) % len(names)], reverse=False)

    def key(self, job: JobView, now: float) -> tuple[float, str]:
        """Return what sorts `job` within its group at `now`, monotonic seconds."""
        column = COLUMNS.get(self.column)
        return (place_of(job)[1], "") if column is None else column(job, now)


def group_of(job: JobView) -> int:
    """Return 0 for a job at work, 1 for one that ended badly, 2 for any other."""
    if not job.over:
        return 0
    return 1 if job.state.bad else 2


def place_of(job: JobView) -> tuple[int, float]:
    """Return what sorts a job in the usual order: its group, then the time that counts there."""
    if not job.over:
        return (0, job.started_at if job.started_at is not None else _LATE)
    return (group_of(job), -(job.completed_at or 0.0))
