"""The ends of a server's present local day: the counts of its snapshot, and the ends received since."""

from dataclasses import dataclass

from phaseline_tui.model.frames import DayItem
from phaseline_tui.model.jobs import State
from phaseline_tui.model.times import wall_time

__all__ = ["Day", "day_of"]

_DAY_S = 86_400.0


@dataclass(slots=True)
class Day:
    """Numbers of jobs that ended from `since` to before `until`, in seconds since 1970."""

    since: float
    until: float
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    def turn(self, wall: float) -> None:
        """Begin a new day if the present one is over; the next snapshot has its exact end."""
        if wall >= self.until:
            days = (wall - self.until) // _DAY_S
            self.since = self.until + days * _DAY_S
            self.until = self.since + _DAY_S
            self.completed = self.failed = self.cancelled = 0

    def count(self, state: State, ended: float | None, change: int = 1) -> None:
        """Count an end, or undo that (change -1).

        Args:
            state: The state in which the job ended.
            ended: When it ended; None if unknown.
            change: 1 or -1.
        """
        if ended is not None:
            self.turn(ended)
            if ended < self.since:
                return
        match state:
            case State.COMPLETED:
                self.completed = max(0, self.completed + change)
            case State.FAILED:
                self.failed = max(0, self.failed + change)
            case State.CANCELLED:
                self.cancelled = max(0, self.cancelled + change)
            case _:
                pass

    def dismiss(self, state: State, ended: float | None) -> None:
        """Take a dismissed job out of the failed ones, as the server does."""
        if state is State.FAILED:
            self.count(state, ended, -1)


def day_of(item: DayItem | None) -> Day | None:
    """Return the day of a snapshot; None if the server is older and sends none, or if its times are invalid."""
    if item is None:
        return None
    since, until = wall_time(item.since), wall_time(item.until)
    if since is None or until is None or not since < until:
        return None
    return Day(since, until, max(0, item.completed), max(0, item.failed), max(0, item.cancelled))
