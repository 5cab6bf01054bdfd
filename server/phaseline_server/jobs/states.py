"""The state of all jobs at a position: encoded once, and shared by all lists and snapshots."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import trio

from phaseline.model.job import Job
from phaseline.model.snapshot import Moment
from phaseline.stream import Position
from phaseline.wire import DayStatus, encode_status, join_statuses, state_parts
from phaseline_server.fanout.frames import joined_frame
from phaseline_server.jobs.job_table import JobTable
from phaseline_server.jobs.messages import JobMessages
from phaseline_server.jobs.turns import Turns

__all__ = ["JobsState", "Statuses"]

_FRESH_NS: Final = 1_000_000_000


class JobsState:
    """The state of jobs at a position.

    Attributes:
        position: All messages up to this one are included; the next ones follow.
        statuses: The status of each job as JSON, in the order in which they were first seen.
        today: The counts of the day at the position; None if they are unknown.
    """

    def __init__(self, position: Position, wall_ns: int, statuses: Sequence[bytes], today: DayStatus | None) -> None:
        """Refer to encoded statuses of the time `wall_ns`, and to the counts of the day at the position."""
        self.position = position
        self.statuses = statuses
        self.today = today
        self._wall_ns = wall_ns
        self._frames: dict[tuple[bool | None, bool], bytes] = {}

    def frames(self, *, recovered: bool | None, batch: bool) -> bytes:
        """Return `frame` as a WebSocket frame; with `batch`, as an array."""
        found = self._frames.get((recovered, batch))
        if found is None:
            parts = state_parts(self.statuses, self.position, self._wall_ns, recovered=recovered, today=self.today)
            found = self._frames[recovered, batch] = joined_frame(parts, batch=batch)
        return found

    def frame(self, *, recovered: bool | None) -> bytes:
        """Return the message of type `snapshot`; `recovered` as in `join_statuses`."""
        return join_statuses(self.statuses, self.position, self._wall_ns, recovered=recovered, today=self.today)


class _Encoded(NamedTuple):
    job: Job
    at_ns: int
    document: bytes


class Statuses:
    """Encodes the statuses of jobs; each one is reused for up to a second, until its job changes."""

    def __init__(self, jobs: JobTable, messages: JobMessages, clock: Callable[[], Moment]) -> None:
        """Encode jobs of `jobs`."""
        self._jobs = jobs
        self._messages = messages
        self._clock = clock
        self._encoded: dict[str, _Encoded] = {}
        self._state: tuple[int, JobsState] | None = None
        self._building: dict[Position, trio.Event] = {}

    async def encode(self, jobs: Iterable[Job]) -> list[bytes]:
        """Return the status of each job as JSON; other tasks run meanwhile."""
        turns, documents = Turns(), list[bytes]()
        for job in jobs:
            documents.append(self.document(job))
            await turns.offer()
        return documents

    async def state(self, position: Position, today: DayStatus, reads: Callable[[str], bool] | None) -> JobsState:
        """Return the state of all jobs at `position`, which is the present one; other tasks run meanwhile.

        Args:
            position: The present position.
            today: The counts of the day at this position, which are of all jobs.
            reads: Returns whether a job may be read, by its id; None if all may be.
        """
        if reads is None and (known := self._reusable(position)) is not None:
            return known
        jobs = [job for job in self._jobs.all() if not job.dismissed]
        if reads is not None:
            documents = await self.encode(job for job in jobs if reads(job.job_id))
            return JobsState(position, self._clock().wall_ns, documents, None)
        while (building := self._building.get(position)) is not None:
            await building.wait()
        if (known := self._reusable(position)) is not None:
            return known
        building = self._building[position] = trio.Event()
        try:
            documents = await self.encode(jobs)
            moment = self._clock()
            state = JobsState(position, moment.wall_ns, documents, today)
            self._state = (moment.mono_ns, state)
        finally:
            del self._building[position]
            building.set()
        return state

    def _reusable(self, position: Position) -> JobsState | None:
        """Return the state of all jobs at `position` if it was encoded less than a second ago."""
        if self._state is not None and self._state[1].position == position and self._is_fresh(self._state[0]):
            return self._state[1]
        return None

    def _is_fresh(self, at_ns: int) -> bool:
        return 0 <= self._clock().mono_ns - at_ns < _FRESH_NS

    def document(self, job: Job) -> bytes:
        """Return the status of a job in memory as JSON."""
        moment, found = self._clock(), self._encoded.get(job.job_id)
        if found is not None and found.job is job and self._is_fresh(found.at_ns):
            return found.document
        if self._jobs.get(job.job_id) is not job:  # a group was published since
            return encode_status(self._messages.past_snapshot(job, moment))
        document = encode_status(self._messages.snapshot(job, moment))
        self._encoded[job.job_id] = _Encoded(job, moment.mono_ns, document)
        return document

    def past_document(self, job: Job) -> bytes:
        """Return the status of a job that is no longer in memory as JSON."""
        moment = self._clock()
        ended = job.state.ended
        return encode_status((self._messages.snapshot if ended else self._messages.past_snapshot)(job, moment))

    def tidy(self) -> None:
        """Drop what is too old to be reused."""
        oldest_ns = self._clock().mono_ns - _FRESH_NS
        self._encoded = {job_id: each for job_id, each in self._encoded.items() if each.at_ns > oldest_ns}
        if self._state is not None and self._state[0] <= oldest_ns:
            self._state = None
