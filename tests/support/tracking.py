"""A tracker on a clock that tests move by hand, or on Trio's, and messages made by hand."""

from collections.abc import Callable
from typing import Any

import msgspec
import trio

from phaseline.eta import EmaEngine
from phaseline.events import JobCompleted, JobProgress, JobStarted
from phaseline.snapshot import Moment
from phaseline.statistics import Statistics
from phaseline.stream import JOBS, Message, job_channel
from phaseline_server.log import MemoryLog
from phaseline_server.tracker import Tracker

WALL_NS = 1_730_000_000_000_000_000


class HandClock:
    """Both clocks, which stand still until a test moves them."""

    def __init__(self) -> None:
        self.mono_ns = 0

    def __call__(self) -> Moment:
        return Moment(WALL_NS + self.mono_ns, self.mono_ns)

    def advance(self, seconds: float) -> None:
        self.mono_ns += round(seconds * 1e9)


def trio_clock() -> Moment:
    """Return the moment on Trio's clock, which may jump by itself in tests."""
    mono_ns = round(trio.current_time() * 1e9)
    return Moment(WALL_NS + mono_ns, mono_ns)


def make_tracker(
    clock: Callable[[], Moment] | None = None,
    *,
    statistics: Statistics | None = None,
    history: int = 1000,
    queue: int = 1000,
    max_jobs: int = 100,
) -> Tracker:
    """Return a tracker with a log in memory and the engine of moving averages."""
    known = statistics or Statistics()
    return Tracker(MemoryLog(history, queue), EmaEngine(known), known, max_jobs=max_jobs, clock=clock or HandClock())


async def run_job(tracker: Tracker, job_id: str, **started: Any) -> None:
    """Report a job that has one phase and ends well."""
    await tracker.report(JobStarted(job_id=job_id, **started))
    await tracker.report(JobProgress(job_id=job_id, phase="importing"))
    await tracker.report(JobCompleted(job_id=job_id))


def messages_of(tracker: Tracker) -> list[dict[str, Any]]:
    """Return every message that the log still has, decoded, oldest first."""
    top = tracker.log.top
    for first in range(top.seq + 1):
        try:
            kept = tracker.log.since(msgspec.structs.replace(top, seq=first))
        except Exception:  # noqa: BLE001, S112 - discarded already
            continue
        return [msgspec.json.decode(message.payload) for message in kept]
    return []


def message(seq: int, job_id: str = "a", kind: str = "job_progress", channel: str = JOBS) -> Message:
    """Return a message that carries nothing but its number."""
    return Message(seq, kind, job_id, frozenset({channel, job_channel(job_id)}), b'{"seq":%d}' % seq)
