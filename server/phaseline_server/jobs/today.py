"""The ends of runs on the server's present local day."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from phaseline.model.job import Job
from phaseline.model.snapshot import Moment
from phaseline.model.states import State
from phaseline.wire import DayStatus, timestamp
from phaseline_server.jobs.local_day import day_of

__all__ = ["Today"]

_HOUR_NS: Final = 3600 * 10**9


class Today:
    """Counts the runs that end, from midnight to midnight."""

    def __init__(self, now: Moment, ends: Mapping[str, int]) -> None:
        """Continue after the ends of today so far, which are `ends` by state."""
        self._day = day_of(now.wall_ns)
        self._ends = Counter(ends)

    def status(self, now: Moment) -> DayStatus:
        """Return the counts of the present day."""
        self._turn(now)
        return DayStatus(
            since=timestamp(self._day.since_ns),
            until=timestamp(self._day.until_ns),
            completed=self._ends[State.COMPLETED],
            failed=self._ends[State.FAILED],
            cancelled=self._ends[State.CANCELLED],
        )

    def count(self, ended: Sequence[Job], dismissed: Sequence[Job], now: Moment) -> None:
        """Count jobs that ended. Failed ones that are dismissed no longer count."""
        self._turn(now)
        self._ends.update(str(job.state) for job in ended if self._is_of_today(job))
        self._ends.subtract(str(job.state) for job in dismissed if job.state is State.FAILED and self._is_of_today(job))

    def replace(self, ends: Mapping[str, int], now: Moment) -> None:
        """Continue after other ends of today so far."""
        self._turn(now)
        self._ends = Counter(ends)

    def _is_of_today(self, job: Job) -> bool:
        return job.ended is not None and job.ended.wall_ns in self._day

    def _turn(self, now: Moment) -> None:
        """Begin a new day if it is time. A wall clock that is set back a little does not begin the last one again."""
        since_ns, until_ns = self._day
        if not since_ns - _HOUR_NS <= now.wall_ns < until_ns:
            self._day, self._ends = day_of(now.wall_ns), Counter()
