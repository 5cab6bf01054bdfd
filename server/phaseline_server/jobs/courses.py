"""How the estimate of each job moved, in at most 64 points a job. It is kept in memory only."""

from array import array
from collections import OrderedDict
from collections.abc import Sequence
from math import isnan, nan
from typing import Final

from phaseline.model.job import Job
from phaseline.model.phase import PhaseDuration
from phaseline.model.snapshot import Estimate, Moment
from phaseline_server.jobs.listener import Listener

__all__ = ["MOST_POINTS", "Courses"]

MOST_POINTS: Final = 64
_MOST_JOBS: Final = 10_000
_FIRST_STEP_S: Final = 1.0
_FIELDS: Final = 4


class _Course:
    """The points of one run, at least `step_s` apart. When they are full, each second one is dropped."""

    __slots__ = ("started_ns", "step_s", "values")

    def __init__(self, started_ns: int) -> None:
        self.started_ns = started_ns
        self.step_s = _FIRST_STEP_S
        self.values = array("f")  # 4 bytes a number: 1 KiB a job

    def add(self, elapsed_s: float, *rest: float) -> None:
        values = self.values
        if values and elapsed_s - values[-_FIELDS] < self.step_s:
            return
        values.extend((elapsed_s, *rest))
        if len(values) > MOST_POINTS * _FIELDS:
            pairs = range(0, len(values), 2 * _FIELDS)
            self.values = array("f", (each for start in pairs for each in values[start : start + _FIELDS]))
            self.step_s *= 2


class Courses:
    """Records every estimate, and passes on to `listener` what it receives itself."""

    def __init__(self, listener: Listener) -> None:
        """Begin without points."""
        self._listener = listener
        self._courses: OrderedDict[str, _Course] = OrderedDict()

    def of(self, job_id: str) -> list[tuple[float, float | None, float | None, float | None]]:
        """Return the points of a job's last run, oldest first.

        Each has the time since the start, the remaining time, and the ends of its band, all in seconds.
        """
        course = self._courses.get(job_id)
        if course is None:
            return []
        values = [None if isnan(value) else round(value, 3) for value in course.values]
        points = (values[start : start + _FIELDS] for start in range(0, len(values), _FIELDS))
        return [(elapsed or 0.0, left, low, high) for elapsed, left, low, high in points]

    def reported(self, job: Job, now: Moment) -> None:
        """See `Listener.reported`."""
        self._listener.reported(job, now)

    def estimated(self, job: Job, now: Moment, estimate: Estimate) -> None:
        """Record an estimate."""
        self._listener.estimated(job, now, estimate)
        if estimate.remaining_ns is None:
            return
        course = self._courses.get(job.job_id)
        if course is None or course.started_ns != job.started.wall_ns:
            course = self._courses[job.job_id] = _Course(job.started.wall_ns)
        self._courses.move_to_end(job.job_id)
        if len(self._courses) > _MOST_JOBS:
            self._courses.popitem(last=False)
        course.add(
            job.elapsed_ns(now) / 1e9, *map(_seconds, (estimate.remaining_ns, estimate.low_ns, estimate.high_ns))
        )

    def ended(self, jobs: Sequence[Job], durations: Sequence[PhaseDuration]) -> None:
        """See `Listener.ended`."""
        self._listener.ended(jobs, durations)


def _seconds(duration_ns: int | None) -> float:
    return nan if duration_ns is None else duration_ns / 1e9
