"""Overdue jobs: active jobs that will exceed their first band, which count as misses before they have ended.

While jobs overlap, those that have ended are the short ones, so a band that is learned from them alone ends too low.
The length of an active job is right-censored: it is at least the elapsed time plus the lower end of the remaining time.
"""

from collections import OrderedDict
from itertools import islice
from typing import Final

__all__ = ["Overdue"]

# Maximum number of active jobs whose first bands are stored.
_WATCHED: Final = 4096
# Number of these, the latest ones, that may count as misses.
_COUNTED: Final = 32


class Overdue:
    """The first bands of active jobs, and which of these jobs are overdue."""

    def __init__(self) -> None:
        """Start without jobs."""
        # The upper ends of the first bands.
        self._watched: OrderedDict[str, int] = OrderedDict()
        self._late: set[str] = set()

    def begin(self, job_id: str, high_ns: int) -> None:
        """Record the upper end of the band of a job's length, if it is the job's first one."""
        if job_id not in self._watched:
            self._watched[job_id] = high_ns
            if len(self._watched) > _WATCHED:
                self.forget(next(iter(self._watched)))

    def note(self, job_id: str, low_ns: int) -> None:
        """Record the lower end of the present band of an active job's length."""
        if low_ns > self._watched.get(job_id, low_ns):
            self._late.add(job_id)
        else:
            self._late.discard(job_id)

    def forget(self, job_id: str) -> None:
        """Forget a job, which has ended."""
        self._watched.pop(job_id, None)
        self._late.discard(job_id)

    def misses(self, job_id: str) -> int:
        """Return how many jobs other than `job_id` are overdue."""
        if not self._late:
            return 0
        latest = islice(reversed(self._watched), _COUNTED)
        return sum(other in self._late and other != job_id for other in latest)
