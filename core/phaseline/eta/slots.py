"""Simulate how the slots of a machine take jobs, and how long this lasts.

The slots take the jobs in order, each as soon as it is free (list scheduling: Graham 1966). Jobs on one machine slow
one another: of m active jobs, each proceeds at the rate m^-a. The exponent a is 0 if each has separate hardware, and 1
if all share it (processor sharing: Kleinrock 1967).
"""

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

import msgspec

from phaseline.model.snapshot import Estimate

__all__ = ["Active", "Box", "box_of", "listed_ms"]

_NS_PER_MS: Final = 1e6
_LEAST_MS: Final = 1.0
# In a longer queue, the first jobs are assumed to be spread evenly over the slots; the error is less than one job.
_MOST_LISTED: Final = 200


class Active(NamedTuple):
    """An active job: the time since its start, and its estimated remaining time."""

    elapsed_ms: float
    remaining_ms: float


class Box(msgspec.Struct, frozen=True):
    """The jobs of one host and queue.

    Attributes:
        slots: Number of jobs that run at once, 1 or more.
        active: The active jobs.
        queued: The estimated lengths of the queued jobs in milliseconds, in the order in which they will start.
    """

    slots: int
    active: tuple[Active, ...] = ()
    queued: tuple[float, ...] = ()


def box_of(slots: int, active: Iterable[tuple[int, Estimate]], queued: Iterable[Estimate]) -> Box | None:
    """Return the box with these jobs, or None if the remaining time of one is unknown.

    Args:
        slots: Number of jobs that run at once; with fewer than are active, it is the number of active ones.
        active: Of each active job, the nanoseconds since its start, and its estimate.
        queued: The estimates of the queued jobs, in the order in which they will start.
    """
    known, waiting = list(active), [estimate.remaining_ns for estimate in queued]
    jobs = [
        Active(elapsed_ns / _NS_PER_MS, estimate.remaining_ns / _NS_PER_MS)
        for elapsed_ns, estimate in known
        if estimate.remaining_ns is not None
    ]
    lengths = [ns / _NS_PER_MS for ns in waiting if ns is not None]
    if len(jobs) < len(known) or len(lengths) < len(waiting):
        return None
    return Box(max(1, slots, len(jobs)), tuple(jobs), tuple(lengths))


def listed_ms(box: Box, exponent: float, crowd: float) -> float:
    """Return the time in milliseconds until all jobs have ended when the slots take them in order.

    Each job's time is converted to work: the time that it takes alone. A new job's estimate is based on earlier runs,
    which met `crowd` jobs. As the job proceeds, it is based more and more on the job's own pace, beside the jobs that
    are active now.

    Args:
        box: The jobs.
        exponent: Measure of how much active jobs slow one another, 0 to 1.
        crowd: The number of active jobs that a job usually meets, itself included.
    """
    now = max(1, len(box.active))
    ends = []  # by the work that each active job has done since now
    for elapsed_ms, remaining_ms in box.active:
        share = elapsed_ms / (elapsed_ms + remaining_ms + _LEAST_MS)
        ends.append(remaining_ms * (crowd ** (1 - share) * now**share) ** -exponent)
    alone = crowd**-exponent
    queued = [length * alone for length in _shortened(box)]
    heapify(ends)
    left, done, passed_ms = len(queued), 0.0, 0.0
    waiting = iter(queued)
    while ends or left:
        while left and len(ends) < box.slots:
            heappush(ends, done + next(waiting))
            left -= 1
        end = heappop(ends)
        passed_ms += (end - done) * (len(ends) + 1) ** exponent
        done = end
    return passed_ms


def _shortened(box: Box) -> Sequence[float]:
    """Return the queue, in which all but the last jobs are replaced by equal ones, one for each slot."""
    if len(box.queued) <= max(_MOST_LISTED, box.slots):
        return box.queued
    first, last = box.queued[:-_MOST_LISTED], box.queued[-_MOST_LISTED:]
    return (*[sum(first) / box.slots] * box.slots, *last)
