"""Estimates of what remains: engines behind one small protocol."""

from typing import Protocol

from phaseline.eta.ema import EmaEngine
from phaseline.model.job import Job
from phaseline.model.snapshot import Estimate, Moment

__all__ = ["EmaEngine", "Engine"]


class Engine(Protocol):
    """What estimates a job's remaining time. It is asked for snapshots, never while a report is taken in."""

    def estimate(self, job: Job, now: Moment) -> Estimate:
        """Say how far the job is and what remains of it; costs no I/O, and changes nothing."""
        ...
