"""A job after its start, and its snapshots."""

from typing import Any

from phaseline.model.events import JobStarted
from phaseline.model.job import Job
from phaseline.model.snapshot import Estimate, Snapshot
from tests.support.core_events import SECOND, example_of, moment

__all__ = ["reported", "started"]


def started(**fields: Any) -> Job:
    job = Job("job_1")
    job.apply(example_of(JobStarted, **fields), moment(0))
    return job


def reported(job: Job, at: float, percent: float = 0.0) -> Snapshot:
    return job.snapshot(moment(at), Estimate(percent, 5 * SECOND, 4 * SECOND, 6 * SECOND, "history", 3), {})
