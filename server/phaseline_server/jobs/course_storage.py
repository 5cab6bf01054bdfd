"""The stored histories of estimates."""

from typing import Final

import msgspec

from phaseline_server.jobs.courses import Course, Courses
from phaseline_server.jobs.state_storage import StateStorage
from phaseline_server.log.learned import Learned
from phaseline_server.log.protocol import Store

__all__ = ["CourseStorage"]


class _StoredCourse(msgspec.Struct, frozen=True, array_like=True):
    """A course, and its place in the order in which courses were written last."""

    started_ns: int
    step_s: float
    values: bytes
    order: int


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_StoredCourse)


class CourseStorage(StateStorage):
    """Stores how the estimates of jobs moved."""

    kind = "course"
    pace_s = 30.0
    most = 500  # jobs, of 1 KiB each

    def __init__(self, store: Store, courses: Courses) -> None:
        """Prepare to store `courses` in `store`."""
        super().__init__(store, courses)
        self._courses = courses
        self._order = 0

    def encode(self, job_id: str) -> bytes | None:
        """See `StateStorage.encode`."""
        course = self._courses.get(job_id)
        if course is None:
            return None
        self._order += 1
        return _encoder.encode(_StoredCourse(course.started_ns, course.step_s, course.values.tobytes(), self._order))

    def restore(self, learned: Learned) -> None:
        """Remove the courses from the loaded states, and keep them in memory again."""
        found: list[tuple[int, str, Course]] = []
        for job_id, state in self.stored(learned):
            try:
                stored = _decoder.decode(state)
                found.append((stored.order, job_id, Course(stored.started_ns, stored.step_s, stored.values)))
            except (msgspec.DecodeError, ValueError) as error:
                self.dropped(job_id, error)
        for order, job_id, course in sorted(found, key=lambda each: each[0]):
            self._courses.restore(job_id, course)
            self._order = order
