"""Estimates of the remaining time: engines that implement one small protocol."""

from typing import Protocol

from phaseline.eta.ema import EmaEngine
from phaseline.model.job import Job
from phaseline.model.snapshot import Estimate, Moment

__all__ = ["EmaEngine", "Engine"]


class Engine(Protocol):
    """An estimator of a job's remaining time. Snapshots call it; the handling of a report never does."""

    def estimate(self, job: Job, now: Moment) -> Estimate:
        """Return the job's progress and remaining time, without I/O and side effects."""
        ...
