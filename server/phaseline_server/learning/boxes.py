"""Forecasts of when each box (a host, or one queue of it) is free: when its active and queued jobs have all ended.

A forecast needs the estimates of all jobs of a box. So it is computed periodically rather than per request, and counted
down in between.
"""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec
import trio

from phaseline.eta.box import Batch, Look
from phaseline.eta.slots import Box, box_of
from phaseline.model.job import Job
from phaseline.model.snapshot import Estimate, Moment
from phaseline.model.states import State
from phaseline.wire import seconds
from phaseline.wire.message import finish_at
from phaseline_server.jobs.turns import Turns
from phaseline_server.learning.learned_boxes import MOST_BOXES, BoxKey, LearnedBoxes

__all__ = ["BoxItem", "Boxes", "BoxesJobs"]

_ROUND_S: Final = 2.0
_NS_PER_MS: Final = 1_000_000
# A forecast is renewed after this share of its remaining time, or when the jobs of the box change.
_AGAIN: Final = 0.05
_UNKNOWN_AGAIN_MS: Final = 10_000.0
_UNKNOWN: Final = Estimate(0.0)


class BoxItem(msgspec.Struct, frozen=True, kw_only=True):
    """A host and one of its queues, "" for jobs without one. Times are null while those of a job are unknown.

    `slots` is the number of jobs that run at once, as far as has been seen. `free_seconds` is the likely time until all
    jobs have ended, between `free_low_seconds` and `free_high_seconds` in four of five cases. `batches` is the number
    of earlier batches that the forecast is based on.
    """

    host: str
    queue: str
    slots: int
    active: int
    queued: int
    free_seconds: float | None
    free_low_seconds: float | None
    free_high_seconds: float | None
    free_at: str | None
    free_low_at: str | None
    free_high_at: str | None
    batches: int


class BoxesJobs(Protocol):
    """The jobs, as `PublishedJobs` has them."""

    @property
    def clock(self) -> Callable[[], Moment]:
        """Returns the present."""
        ...

    def boxes(self) -> Mapping[BoxKey, Mapping[str, Job]]:
        """Return the unfinished jobs of each box."""
        ...

    def estimate(self, job: Job, moment: Moment) -> Estimate:
        """Return the estimate of an unfinished job."""
        ...

    def job(self, job_id: str) -> Job | None:
        """Return a job in memory, or None."""
        ...


class _Watched:
    """A box with jobs: the forecasts of its batch, when to renew, and the latest forecast, None if a job is unknown."""

    __slots__ = ("again_ms", "batch", "jobs", "look", "slots")

    def __init__(self) -> None:
        self.batch = Batch()
        self.jobs: frozenset[str] = frozenset()
        self.look: Look | None = None
        self.again_ms = 0.0
        self.slots = 1


class Boxes:
    """Forecasts of all boxes with jobs, at most a thousand."""

    def __init__(self, jobs: BoxesJobs, learned: LearnedBoxes) -> None:
        """Forecast with `learned`, which learns when a box is free."""
        self._jobs = jobs
        self._learned = learned
        self._watched: dict[BoxKey, _Watched] = {}

    async def run(self) -> None:
        """Renew the forecasts periodically, until canceled."""
        while True:
            await self.look()
            await trio.sleep(_ROUND_S)

    async def look(self) -> None:
        """Renew the forecasts that are due, and learn from the boxes that have become free."""
        turns = Turns()
        for key in list(self._watched):
            if key not in self._jobs.boxes():
                self._end(key, self._watched.pop(key))
        for key, jobs in list(self._jobs.boxes().items()):
            watched = self._watched.get(key)
            if watched is None and len(self._watched) < MOST_BOXES:
                watched = self._watched[key] = _Watched()
            if watched is not None:
                await self._renew(key, watched, list(jobs.values()), turns)
            await turns.offer()

    async def _renew(self, key: BoxKey, watched: _Watched, jobs: list[Job], turns: Turns) -> None:
        moment, ids = self._jobs.clock(), frozenset(job.job_id for job in jobs)
        at_ms = moment.mono_ns / _NS_PER_MS
        if ids == watched.jobs and at_ms < watched.again_ms:
            return
        ratios = self._learned.ratios(key)
        watched.jobs = ids
        watched.slots = max(watched.slots, ratios.slots, sum(job.state is not State.QUEUED for job in jobs))
        box = await self._box(jobs, watched.slots, moment, turns)
        if box is None:
            watched.look, watched.again_ms = None, at_ms + _UNKNOWN_AGAIN_MS
            return
        watched.look = ratios.look(at_ms, box)
        watched.again_ms = at_ms + _AGAIN * watched.look.free.point_ms
        watched.batch.add(watched.look, ids)

    async def _box(self, jobs: list[Job], slots: int, moment: Moment, turns: Turns) -> Box | None:
        active: list[tuple[int, Estimate]] = []
        queued: list[tuple[tuple[int, int], Estimate]] = []
        for job in jobs:
            if job.state is State.QUEUED:
                queued.append((_place(job), self._jobs.estimate(job, moment)))
            else:
                stands = job.state is not State.ACTIVE or job.orders.paused
                estimate = _UNKNOWN if stands else self._jobs.estimate(job, moment)
                active.append((job.elapsed_ns(moment), estimate))
            await turns.offer()
        queued.sort(key=lambda each: each[0])
        return box_of(slots, active, [estimate for _, estimate in queued])

    def _end(self, key: BoxKey, watched: _Watched) -> None:
        """Learn from a box that is free, if all jobs of its last batch ended well."""
        jobs = [self._jobs.job(job_id) for job_id in watched.batch.jobs]
        ends = [job.ended for job in jobs if job is not None and job.state is State.COMPLETED]
        if ends and len(ends) == len(jobs):
            free_ms = max(end.mono_ns for end in ends if end is not None) / _NS_PER_MS
            self._learned.learn(key, watched.batch.end(free_ms), free_ms)

    def items(self) -> list[BoxItem]:
        """Return all boxes with jobs, by host and queue."""
        moment, found = self._jobs.clock(), []
        for key, jobs in sorted(self._jobs.boxes().items()):
            watched = self._watched.get(key)
            if watched is None:
                continue
            queued = sum(job.state is State.QUEUED for job in jobs.values())
            point_ns, low_ns, high_ns = _left_ns(watched.look, moment)
            score = self._learned.ratios(key).score
            found.append(
                BoxItem(
                    host=key[0],
                    queue=key[1],
                    slots=watched.slots,
                    active=len(jobs) - queued,
                    queued=queued,
                    free_seconds=seconds(point_ns),
                    free_low_seconds=seconds(low_ns),
                    free_high_seconds=seconds(high_ns),
                    free_at=finish_at(moment.wall_ns, point_ns),
                    free_low_at=finish_at(moment.wall_ns, low_ns),
                    free_high_at=finish_at(moment.wall_ns, high_ns),
                    batches=score.batches if score is not None else 0,
                )
            )
        return found


def _place(job: Job) -> tuple[int, int]:
    """Return the place of a queued job: its position, or the time since which it waits."""
    position = job.waits.position if job.waits is not None else None
    return (2**62 if position is None else position, job.started.mono_ns)


def _left_ns(look: Look | None, moment: Moment) -> tuple[int | None, int | None, int | None]:
    """Return a forecast and its band, counted down to now; the box is not free, so at least 1 ms is left."""
    if look is None:
        return None, None, None
    point, low, high = (
        max(_NS_PER_MS, round(ms * _NS_PER_MS) - (moment.mono_ns - round(look.at_ms * _NS_PER_MS))) for ms in look.free
    )
    return point, low, high
