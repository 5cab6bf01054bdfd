"""The tracker: the one writer. Every report, by whatever transport, enters here and nowhere else."""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from typing import Final

import trio

from phaseline.errors import TooMany, UnknownJob
from phaseline.eta import Engine
from phaseline.events import Event, JobStarted
from phaseline.job import Job
from phaseline.snapshot import Moment, Snapshot, State
from phaseline.statistics import Statistics
from phaseline.stream import Message, Position
from phaseline.wire import channels_of, encode_message
from phaseline_server.log import Log

__all__ = ["Clock", "Tracker", "now"]

Clock = Callable[[], Moment]
_MAX_PRODUCERS: Final = 10_000
_SHORTEST_ROUND_S, _LONGEST_ROUND_S = 0.5, 10.0  # between two looks for jobs to forget


def now() -> Moment:
    """Return the present moment on both clocks."""
    return Moment(time.time_ns(), time.monotonic_ns())


class _Producers:
    """The latest report of each producer that counts them; the one silent for longest is forgotten first."""

    def __init__(self) -> None:
        self._latest: OrderedDict[str, tuple[int, Position]] = OrderedDict()

    def seen(self, event: Event) -> Position | None:
        """Return the producer's latest position if `event` was taken in already."""
        if event.producer is None or event.producer_seq is None:
            return None
        number, position = self._latest.get(event.producer, (-1, None))
        return position if event.producer_seq <= number else None

    def remember(self, event: Event, position: Position) -> None:
        """Note that `event` is taken in."""
        if event.producer is not None and event.producer_seq is not None:
            self._latest[event.producer] = (event.producer_seq, position)
            self._latest.move_to_end(event.producer)
            if len(self._latest) > _MAX_PRODUCERS:
                self._latest.popitem(last=False)


class Tracker:
    """All jobs in memory.

    Attributes:
        statistics: What ended jobs taught.
        learned: Set whenever the statistics have changed; whoever saves them puts a new event in its place.
        ended: How many jobs ended, by state, since the start.
    """

    def __init__(self, log: Log, engine: Engine, statistics: Statistics, *, max_jobs: int, clock: Clock = now) -> None:
        """Track at most `max_jobs` jobs, tell `log` of their events, and ask `engine` for estimates."""
        self.log = log
        self.statistics = statistics
        self.learned = trio.Event()
        self.ended: Counter[str] = Counter()
        self.reports = 0
        self._engine = engine
        self._max_jobs = max_jobs
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._producers = _Producers()

    async def report(self, event: Event) -> Position:
        """Take in one event, and return its position once it is kept.

        A producer that counts its reports may send them again after a lost answer: what was taken in already is
        not taken in twice.

        Raises:
            UnknownJob: It is about a job that never began.
            IllegalEvent: The job's state does not take it.
            InvalidField: One of its values is not allowed.
            TooMany: It would begin one job too many.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        position = self._producers.seen(event) or self._take(event)
        await trio.lowlevel.cancel_shielded_checkpoint()
        return position

    def _take(self, event: Event) -> Position:
        job = self._jobs.get(event.job_id)
        if job is None:
            if not isinstance(event, JobStarted):
                raise UnknownJob(event.job_id)
            job = Job(event.job_id)
        present = self._clock()
        lessons = job.apply(event, present.before(event.age_seconds))
        if event.job_id not in self._jobs:
            # After `apply`, so that a start that is refused costs no other job its place.
            self._make_room()
            self._jobs[event.job_id] = job
        self.reports += 1

        def encode(position: Position) -> Message:
            job.seq = position.seq
            snapshot = self._snapshot(job, present)
            payload = encode_message(event, snapshot, position.seq, position.epoch, job.latest.wall_ns)
            return Message(position.seq, event.type, event.job_id, channels_of(event), payload)

        position = self.log.append(encode)
        self._producers.remember(event, position)
        if job.state.ended:
            self.ended[job.state] += 1
            self.statistics.learn(lessons)
            self.statistics.count(job.workflow.name, completed=job.state is State.COMPLETED, cache_hit=job.cache_hit)
            self.learned.set()
        return position

    def _make_room(self) -> None:
        """Let the job that ended first go when memory holds as many as it may."""
        if len(self._jobs) < self._max_jobs:
            return
        over = [job for job in self._jobs.values() if job.ended]
        if not over:
            text = f"{len(self._jobs)} jobs are active; allowed: at most {self._max_jobs}; end some, or raise max_jobs"
            raise TooMany(text)
        del self._jobs[min(over, key=lambda job: job.ended or Moment(0, 0)).job_id]

    def _snapshot(self, job: Job, moment: Moment) -> Snapshot:
        averages = self.statistics.of_workflow(job.workflow.name, (phase.name for phase in job.phases))
        return job.snapshot(moment, self._engine.estimate(job, moment), averages)

    def snapshot(self, job_id: str) -> Snapshot:
        """Return a job's full state.

        Raises:
            UnknownJob: No such job is in memory.
        """
        job = self._jobs.get(job_id)
        if job is None:
            raise UnknownJob(job_id)
        return self._snapshot(job, self._clock())

    def snapshots(self) -> Iterator[Snapshot]:
        """Yield the full state of every job in memory, in the order in which they were first seen."""
        moment = self._clock()
        return (self._snapshot(job, moment) for job in tuple(self._jobs.values()))

    def counts(self) -> Counter[str]:
        """Return how many jobs in memory are in each state."""
        return Counter(str(job.state) for job in self._jobs.values())

    def ended_s(self, job_id: str) -> float | None:
        """Return for how many seconds a job has been over; None for one that is active or not in memory."""
        job = self._jobs.get(job_id)
        if job is None or job.ended is None:
            return None
        return (self._clock().mono_ns - job.ended.mono_ns) / 1e9

    def forget(self, job_id: str) -> None:
        """Drop an ended job from memory; what is active stays."""
        job = self._jobs.get(job_id)
        if job is not None and job.state.ended:
            del self._jobs[job_id]

    async def run_retention(self, retention_s: float) -> None:
        """Forget each ended job once it has been over for `retention_s` seconds; runs until cancelled."""
        while True:
            await trio.sleep(min(max(retention_s, _SHORTEST_ROUND_S), _LONGEST_ROUND_S))
            moment = self._clock()
            for job in tuple(self._jobs.values()):
                if job.ended and moment.mono_ns - job.ended.mono_ns > retention_s * 1e9:
                    self.forget(job.job_id)
