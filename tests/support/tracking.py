"""A tracker on a clock that tests move by hand, or on Trio's, and messages made by hand."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import msgspec
import trio

from phaseline.eta import EmaEngine
from phaseline.model.events import JobCompleted, JobProgress, JobStarted
from phaseline.model.snapshot import Moment
from phaseline.model.statistics import Statistics
from phaseline.stream import JOBS, Message, job_channel
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.log.engines import open_store
from phaseline_server.log.stream import Log

WALL_NS = 1_730_000_000_000_000_000


class HandClock:
    """Both clocks, which only move when a test moves them."""

    def __init__(self) -> None:
        self.mono_ns = 0
        self.wall_ns = WALL_NS

    def __call__(self) -> Moment:
        return Moment(self.wall_ns, self.mono_ns)

    def advance(self, seconds: float) -> None:
        """Advance both clocks."""
        self.mono_ns += round(seconds * 1e9)
        self.wall_ns += round(seconds * 1e9)

    def jump(self, seconds: float) -> None:
        """Set the wall clock, as a user may at any time."""
        self.wall_ns += round(seconds * 1e9)

    def restart(self) -> None:
        """Reset the monotonic clock, as a reboot does."""
        self.mono_ns = 10**9


def trio_clock() -> Moment:
    """Return the moment on Trio's clock, which may jump by itself in tests."""
    mono_ns = round(trio.current_time() * 1e9)
    return Moment(WALL_NS + mono_ns, mono_ns)


@asynccontextmanager
async def open_tracker(
    data_dir: Path,
    clock: Callable[[], Moment] | None = None,
    *,
    statistics: Statistics | None = None,
    history: int = 1000,
    queue: int = 1000,
    max_jobs: int = 100,
) -> AsyncIterator[Tracker]:
    """Yield a tracker with a journal in `data_dir`, with all events in memory, that estimates by moving averages."""
    known = statistics or Statistics()
    async with open_store(data_dir) as store:
        log = Log(store, history, queue)
        tracker = Tracker(log, EmaEngine(known), known, max_jobs=max_jobs, clock=clock or HandClock())
        async with tracker.keeping():
            yield tracker


class MakeTracker(Protocol):
    """The type of the fixture `make_tracker`: `open_tracker` in a separate directory."""

    async def __call__(self, clock: Callable[[], Moment] | None = None, **options: Any) -> Tracker: ...


async def run_job(tracker: Tracker, job_id: str, **started: Any) -> None:
    """Report a job that has one phase and ends well."""
    await tracker.report(JobStarted(job_id=job_id, **started))
    await tracker.report(JobProgress(job_id=job_id, phase="importing"))
    await tracker.report(JobCompleted(job_id=job_id))


def messages_of(tracker: Tracker) -> list[dict[str, Any]]:
    """Return every message of this run of the server, decoded, oldest first."""
    start = msgspec.structs.replace(tracker.log.top, seq=0)
    return [msgspec.json.decode(message.payload) for message in tracker.log.recent(start)]


def message(seq: int, job_id: str = "a", kind: str = "job_progress", channel: str = JOBS) -> Message:
    """Return a message that only carries its number."""
    return Message(seq, kind, job_id, frozenset({channel, job_channel(job_id)}), b'{"seq":%d}' % seq)
