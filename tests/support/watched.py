"""A tracker with a watchdog, by a clock that tests move."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from phaseline.eta import EmaEngine
from phaseline.model.events import Event, JobProgress, JobStarted
from phaseline.model.states import State
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.jobs.watchdog import Patience, Watchdog
from phaseline_server.jobs.workers import WorkerConnection
from phaseline_server.learning.learner import Learning
from phaseline_server.learning.metrics_file import MetricsFile
from phaseline_server.log.engines import open_store
from phaseline_server.log.stream import Log
from phaseline_server.runtime.restore import restore
from tests.support.tracking import HandClock, messages_of

__all__ = ["LEASE_S", "Box", "looked_after"]

LEASE_S = 3600


class Box:
    """A tracker with a watchdog that runs once per second, on a clock that tests move."""

    def __init__(self, tracker: Tracker, life: Watchdog, clock: HandClock) -> None:
        self.tracker = tracker
        self._life = life
        self._clock = clock

    async def wait(self, seconds: float) -> None:
        """Advance the clock, and run the watchdog each second."""
        for _ in range(round(seconds)):
            self._clock.advance(1)
            await self._life.look()
            # Its findings are stored before the next second.
            intake = self.tracker._intake
            while not (intake.gathering.empty and intake.committing.empty):
                await (intake.gathering if intake.committing.empty else intake.committing).over.wait()

    async def start(self, job_id: str = "a") -> None:
        await self.tracker.report(JobStarted(job_id=job_id))

    async def progress(self, job_id: str = "a", phase: str = "importing") -> None:
        await self.tracker.report(JobProgress(job_id=job_id, phase=phase))

    async def connect(self, *events: Event, producer: str | None = None, client: str = "c1") -> WorkerConnection:
        """Return a connection that has reported `events`."""
        connection = self.tracker.workers.connect(client, lambda _: None)
        connection.register(producer)
        await (await self.tracker.take_all(events, connection.worker_of)).wait()
        return connection

    def reasons(self, kind: str) -> list[tuple[str, str]]:
        """Return the job and the reason of each message of a kind."""
        return [(each["job_id"], each.get("reason", "")) for each in messages_of(self.tracker) if each["type"] == kind]

    async def away(self, seconds: float) -> None:
        """Advance the clock as if the server was stopped for this time."""
        self._clock.advance(seconds)
        await self.wait(1)

    async def report_every(self, gap_s: float, count: int, job_id: str = "a") -> None:
        """Report a job at such intervals."""
        await self.start(job_id)
        await self.progress(job_id)
        for _ in range(count):
            await self.wait(gap_s)
            await self.progress(job_id)

    async def silence(self, job_id: str = "a") -> int:
        """Return after how many seconds of silence a job's state has changed by itself."""
        before, seconds = self.state(job_id), 0
        while self.state(job_id) is before and seconds < 10 * LEASE_S:
            await self.wait(1)
            seconds += 1
        return seconds

    def state(self, job_id: str = "a") -> State:
        return self.tracker.snapshot(job_id).state

    def found(self) -> list[str]:
        """Return the server's own findings, in their order."""
        return [
            message["type"] for message in messages_of(self.tracker) if message["type"] in {"job_stalled", "job_lost"}
        ]


@asynccontextmanager
async def looked_after(
    data_dir: Path, clock: HandClock, stall_after_s: float = 30, max_jobs: int = 100
) -> AsyncIterator[Box]:
    """Yield a tracker that is restored from `data_dir`."""
    async with open_store(data_dir) as store:
        known = await restore(store, MetricsFile(data_dir), clock(), retention_s=LEASE_S, max_jobs=100)
        learning = Learning(store, known.statistics)
        tracker = Tracker(
            Log(store, 1000, 1000),
            EmaEngine(known.statistics),
            known.statistics,
            max_jobs=max_jobs,
            clock=clock,
            jobs=known.jobs,
            listener=learning,
        )
        limits = Patience(
            retention_s=LEASE_S, stall_after_s=stall_after_s, lease_s=LEASE_S, gone_after_s=15, lost_after_s=600
        )
        life = Watchdog(tracker, learning.habits, limits)
        async with tracker.keeping():
            yield Box(tracker, life, clock)
