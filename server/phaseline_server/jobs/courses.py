"""The history of each job's estimate, in at most 64 points per job."""

from array import array
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import islice
from math import isnan, nan
from typing import Final

from phaseline.model.job import Job
from phaseline.model.phase import PhaseDuration
from phaseline.model.snapshot import Estimate, Moment
from phaseline_server.jobs.listener import Listener

__all__ = ["MOST_POINTS", "Course", "Courses"]

MOST_POINTS: Final = 64
_MOST_JOBS: Final = 10_000
_FIRST_STEP_S: Final = 1.0
_FIELDS: Final = 4


class Course:
    """The points of one run, at least `step_s` apart. When these are full, every other one is dropped.

    Attributes:
        started_ns: The start of the run, by the wall clock.
        step_s: The least time between two points.
        values: Four numbers per point, in seconds: elapsed time, remaining time, and both ends of its band.
    """

    __slots__ = ("started_ns", "step_s", "values")

    def __init__(self, started_ns: int, step_s: float | None = None, values: bytes = b"") -> None:
        """Begin with points.

        Raises:
            ValueError: The values are no points.
        """
        self.started_ns = started_ns
        self.step_s = _FIRST_STEP_S if step_s is None else step_s
        self.values = array("f", values)  # 4 bytes a number: 1 KiB a job
        if len(self.values) % _FIELDS or len(self.values) > MOST_POINTS * _FIELDS:
            raise ValueError(f"{len(self.values)} values are not up to {MOST_POINTS} points of {_FIELDS}")

    def add(self, elapsed_s: float, *rest: float) -> bool:
        """Add a point, unless it is too early; return whether it was added."""
        values = self.values
        if values and elapsed_s - values[-_FIELDS] < self.step_s:
            return False
        values.extend((elapsed_s, *rest))
        if len(values) > MOST_POINTS * _FIELDS:
            pairs = range(0, len(values), 2 * _FIELDS)
            self.values = array("f", (each for start in pairs for each in values[start : start + _FIELDS]))
            self.step_s *= 2
        return True


class Courses:
    """Records every estimate, and forwards all calls to `listener`."""

    def __init__(self, listener: Listener) -> None:
        """Begin without points."""
        self._listener = listener
        self._courses: OrderedDict[str, Course] = OrderedDict()
        self._changed: dict[str, None] = {}
        self._gone: set[str] = set()

    def get(self, job_id: str) -> Course | None:
        """Return the course of a job's last run, or None."""
        return self._courses.get(job_id)

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
            course = Course(job.started.wall_ns)
        self._keep(job.job_id, course)
        if course.add(
            job.elapsed_ns(now) / 1e9, *map(_seconds, (estimate.remaining_ns, estimate.low_ns, estimate.high_ns))
        ):
            self._changed[job.job_id] = None
            self._gone.discard(job.job_id)

    def _keep(self, job_id: str, course: Course) -> None:
        self._courses[job_id] = course
        self._courses.move_to_end(job_id)
        if len(self._courses) > _MOST_JOBS:
            oldest, _ = self._courses.popitem(last=False)
            self._changed.pop(oldest, None)
            self._gone.add(oldest)

    def ended(self, jobs: Sequence[Job], durations: Sequence[PhaseDuration]) -> None:
        """See `Listener.ended`."""
        self._listener.ended(jobs, durations)

    # ------------------------------------------------------------------ storage

    def restore(self, job_id: str, course: Course) -> None:
        """Keep a course that was stored, as the latest one."""
        self._keep(job_id, course)

    def take_changes(self, most: int) -> tuple[list[str], set[str]]:
        """See `Changes.take_changes`; `most` is a number of jobs."""
        jobs = list(islice(self._changed, most))
        for job_id in jobs:
            del self._changed[job_id]
        gone, self._gone = self._gone, set()
        return jobs, gone

    def put_back(self, jobs: Iterable[str], gone: Iterable[str]) -> None:
        """See `Changes.put_back`."""
        self._changed.update((job_id, None) for job_id in jobs if job_id in self._courses)
        self._gone.update(job_id for job_id in gone if job_id not in self._courses)


def _seconds(duration_ns: int | None) -> float:
    return nan if duration_ns is None else duration_ns / 1e9
