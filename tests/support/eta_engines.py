"""Jobs and runs for the engine `model`."""

import random
from typing import Any

from phaseline.eta.model import ModelEngine
from phaseline.eta.observed import Run, Step
from phaseline.model.events import JobCompleted, JobProgress, JobStarted
from phaseline.model.job import Job
from tests.support.core_events import SECOND, moment

__all__ = ["KEY", "LENGTHS", "ended", "enter", "remaining", "run_of", "started", "taught"]

LENGTHS = {"a": 10.0, "b": 30.0, "c": 20.0}
KEY = ("w", "s")


def started(job_id: str = "j", phases: tuple[str, ...] = tuple(LENGTHS), series: str = "s", **more: Any) -> Job:
    job = Job(job_id)
    job.apply(JobStarted(job_id=job_id, workflow="w", phases=phases, series=series, **more), moment(0))
    return job


def enter(job: Job, phase: str, at: float, progress: float | None = None) -> None:
    job.apply(JobProgress(job_id=job.job_id, phase=phase, progress=progress), moment(at))


def ended(scale: float = 1.0, phases: tuple[str, ...] = tuple(LENGTHS), **more: Any) -> Job:
    job, at = started(phases=phases, **more), 0.0
    for name, length in LENGTHS.items():
        enter(job, name, at)
        at += length * scale
    job.apply(JobCompleted(job_id=job.job_id), moment(at))
    return job


def taught(runs: int = 20, **more: Any) -> ModelEngine:
    engine, rng = ModelEngine(), random.Random(3)
    for _ in range(runs):
        engine.learn(ended(rng.lognormvariate(0, 0.1), **more))
    return engine


def run_of(ms: float, *, series: str = "s", phases: int = 3, covariates: dict[str, Any] | None = None) -> Run:
    return Run("w", series, tuple(Step(f"p{i}", ms) for i in range(phases)), covariates or {})


def remaining(engine: ModelEngine, job: Job, at: float) -> float:
    estimate = engine.estimate(job, moment(at))
    assert estimate.remaining_ns is not None
    return estimate.remaining_ns / SECOND
