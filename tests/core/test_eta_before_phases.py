"""Estimates of a job without a phase so far, such as a command that has printed nothing."""

import pytest

from phaseline.eta.model import ModelEngine
from phaseline.model.events import JobCompleted, JobProgress, JobStarted
from phaseline.model.job import Job
from phaseline.model.snapshot import Estimate
from tests.support.core_events import SECOND, moment

LENGTH = 14.0


def started(job_id: str) -> Job:
    job = Job(job_id)
    job.apply(JobStarted(job_id=job_id, workflow="sleep", series="sleep"), moment(0))
    return job


def after_runs(*runs: tuple[str, ...]) -> ModelEngine:
    """Return an engine that has learned from runs with these phases of 14 s."""
    engine = ModelEngine()
    for number, phases in enumerate(runs):
        job = started(f"run-{number}")
        for place, phase in enumerate(phases):
            job.apply(JobProgress(job_id=job.job_id, phase=phase), moment(place * LENGTH))
        job.apply(JobCompleted(job_id=job.job_id), moment(len(phases) * LENGTH))
        engine.learn(job)
    return engine


def left(estimate: Estimate) -> float:
    assert estimate.remaining_ns is not None
    return estimate.remaining_ns / SECOND


@pytest.mark.parametrize("runs", [1, 2, 3, 5, 10])
@pytest.mark.parametrize("at", [0.0, 0.01, 0.6, 1.4, 3.0, 4.8])
def test_a_job_without_a_phase_yet_is_not_expected_to_end_at_once(runs: int, at: float) -> None:
    estimate = after_runs(*[("run",)] * runs).estimate(started("new"), moment(at))
    assert left(estimate) == pytest.approx(LENGTH - at, rel=0.25)
    assert estimate.low_ns is not None
    assert estimate.low_ns > (LENGTH - at) / 3 * SECOND


def test_the_estimate_stays_when_the_first_phase_is_reported_late() -> None:
    engine, job = after_runs(("run",)), started("new")
    before = engine.estimate(job, moment(4.8))
    job.apply(JobProgress(job_id="new", phase="run"), moment(0))
    assert left(engine.estimate(job, moment(4.8))) == left(before)


def test_a_first_phase_that_most_runs_skip_is_not_expected() -> None:
    engine = after_runs(("fetch", "run"), *[("run",)] * 7)
    assert left(engine.estimate(started("new"), moment(2.0))) == pytest.approx(LENGTH - 2, rel=0.25)
