"""The starts of queued jobs: the active jobs of their host and queue end first, then those that wait before them.

A start is only known if the ends of all these jobs are, and while jobs of the queue run: the queue has one slot for
each of these.
"""

from collections.abc import Callable
from heapq import heapify, heapreplace
from typing import Final

from phaseline.model.job import Job
from phaseline.model.snapshot import Moment
from phaseline.model.states import State
from phaseline_server.jobs.job_table import JobTable

__all__ = ["QueueOutlook"]

_FRESH_NS: Final = 1_000_000_000
_MOST: Final = 20
"""Places in a queue whose starts are estimated, since each one costs an estimate."""

Remaining = Callable[[Job, Moment], int | None]
_Key = tuple[str, str]


class QueueOutlook:
    """The estimated starts of queued jobs, at most a second old."""

    def __init__(self, jobs: JobTable, remaining: Remaining) -> None:
        """Read the jobs of `jobs`; `remaining` returns a job's own remaining time in nanoseconds, or None."""
        self._jobs = jobs
        self._remaining = remaining
        self._at_ns = -_FRESH_NS
        self._members: dict[_Key, list[Job]] = {}
        self._starts: dict[_Key, tuple[list[int], list[int | None]]] = {}

    def begins_ns(self, job: Job, now: Moment) -> int | None:
        """Return the estimated time until a queued job starts; None if it is unknown."""
        if job.waits is None or job.waits.position is None or not job.queue:
            return None
        if not 0 <= now.mono_ns - self._at_ns < _FRESH_NS:
            self._gather(now)
        key = (job.host, job.queue)
        if key not in self._starts:
            self._starts[key] = self._scheduled(self._members.get(key, []), now)
        places, starts = self._starts[key]
        before = sum(place < job.waits.position for place in places)
        return starts[before] if before < len(starts) else None

    def _gather(self, now: Moment) -> None:
        self._at_ns = now.mono_ns
        self._members, self._starts = {}, {}
        for job in self._jobs.all():
            if job.queue and job.state.unfinished and not job.dismissed:
                self._members.setdefault((job.host, job.queue), []).append(job)

    def _scheduled(self, jobs: list[Job], now: Moment) -> tuple[list[int], list[int | None]]:
        """Return the places of the queued jobs, and the start of the next job after 0, 1, 2, … of them."""
        waiting = sorted((job.waits.position, job.job_id, job) for job in jobs if job.waits and job.waits.position)
        places = [place for place, _, _ in waiting]
        ends = [self._end_of(job, now) for job in jobs if job.state.at_work]
        known = [end for end in ends if end is not None]
        if not ends or len(known) < len(ends):
            return places, []
        heapify(known)
        starts: list[int | None] = [known[0]]
        for _, _, job in waiting[: _MOST - 1]:
            own = self._remaining(job, now)
            if own is None:
                break
            heapreplace(known, known[0] + own)
            starts.append(known[0])
        return places, starts

    def _end_of(self, job: Job, now: Moment) -> int | None:
        going = job.state is State.ACTIVE and not job.orders.paused
        return self._remaining(job, now) if going else None
