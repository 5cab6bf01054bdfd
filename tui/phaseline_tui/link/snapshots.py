"""Conversion of a snapshot to jobs, in steps in the links' thread, so that neither keys nor other links wait."""

from heapq import nsmallest
from typing import Final

import msgspec
import trio

from phaseline_tui.model.decoding import decode_batch, statuses
from phaseline_tui.model.frames import ConvertedSnapshot, Frame, Snapshot
from phaseline_tui.model.ingest import from_status
from phaseline_tui.model.jobs import JobView
from phaseline_tui.model.limits import (
    LONG_FRAME,
    LONG_MESSAGE,
    MAX_BYTES,
    MAX_JOBS,
    Place,
    bounded,
    places_of,
    size_of,
)

__all__ = ["convert", "received_frames"]

_STEP: Final = 50
_BRIEF_STEP: Final = 2_000


async def received_frames(data: str | bytes, received: float, origin: str) -> tuple[list[Frame], int]:
    """Return the messages of a WebSocket message within the view's limits, and the number of ignored parts.

    Args:
        data: The message; a binary one is ignored.
        received: Time of receipt, in monotonic seconds.
        origin: Label of the connection that received it.
    """
    frames, ignored = decode_batch(data) if isinstance(data, str) else ([], 1)
    if len(data) > LONG_FRAME and len(data) > LONG_MESSAGE * len(frames):
        for frame in frames:
            bounded(frame)
    del data
    for at, frame in enumerate(frames if Snapshot in map(type, frames) else ()):
        if isinstance(frame, Snapshot):
            frames[at], skipped = await convert(frame, received, origin)
            ignored += skipped
    return frames, ignored


async def convert(snapshot: Snapshot, received: float, origin: str) -> tuple[ConvertedSnapshot, int]:
    """Return a snapshot with the jobs that the view keeps, and the number of ignored parts.

    Args:
        snapshot: Snapshot as decoded; its jobs are taken from it.
        received: Time of receipt, in monotonic seconds.
        origin: Label of the connection that received it.
    """
    raws = await _kept(snapshot.jobs)
    left_out = len(snapshot.jobs) - len(raws)
    snapshot.jobs = []
    jobs: list[JobView] = []
    ignored = size = 0
    for start in range(0, len(raws), _STEP):
        part = raws[start : start + _STEP]
        for raw, (status, skipped) in zip(part, statuses(Snapshot(jobs=part)), strict=True):
            ignored += skipped
            if status is None:
                continue
            if len(bytes(raw)) > LONG_FRAME:
                bounded(status)
            job = from_status(status, received, snapshot.epoch or "", origin)
            job.size = size_of(job)
            size += job.size
            if size > MAX_BYTES:
                left_out += len(raws) - len(jobs)
                return _converted(snapshot, jobs, left_out), ignored
            jobs.append(job)
        await trio.lowlevel.checkpoint()
    return _converted(snapshot, jobs, left_out), ignored


def _converted(snapshot: Snapshot, jobs: list[JobView], left_out: int) -> ConvertedSnapshot:
    return ConvertedSnapshot(
        epoch=snapshot.epoch, seq=snapshot.seq, today=snapshot.today, views=jobs, left_out=left_out
    )


async def _kept(raws: list[msgspec.Raw]) -> list[msgspec.Raw]:
    """Return the jobs to keep."""
    if len(raws) <= MAX_JOBS:
        return raws
    best: list[Place] = []
    for start in range(0, len(raws), _BRIEF_STEP):
        best += places_of(raws[start : start + _BRIEF_STEP], start)
        if len(best) > 3 * MAX_JOBS:
            best = nsmallest(MAX_JOBS, best)
        await trio.lowlevel.checkpoint()
    # Copies, because each raw job keeps the whole message in memory.
    return [raws[number].copy() for number in sorted(place.number for place in nsmallest(MAX_JOBS, best))]
