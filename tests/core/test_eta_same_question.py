"""An estimate depends on the job, the time and the learned state, never on earlier queries."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phaseline.errors import PhaselineError
from phaseline.eta.model import ModelEngine
from phaseline.eta.observed import Run, Step
from phaseline.model.events import Event, JobCompleted, JobProgress, JobStarted, PhaseCompleted, PhotoInfo
from phaseline.model.job import Job
from tests.support.core_events import SECOND, moment
from tests.support.examples import examples

PHASES = ("a", "b", "c")
SERIES = ("s1", "s2", "s3")

percents = st.none() | st.floats(0, 100)
reports = st.one_of(
    st.builds(JobProgress, job_id=st.just("j"), phase=st.sampled_from("abcd"), progress=percents),
    st.builds(PhaseCompleted, job_id=st.just("j"), phase=st.sampled_from("abcd"), skipped=st.booleans()),
    st.builds(PhotoInfo, job_id=st.just("j"), data=st.fixed_dictionaries({"size": st.integers(1, 10**6)})),
    st.builds(JobCompleted, job_id=st.just("j")),
    st.builds(
        JobStarted,
        job_id=st.just("j"),
        workflow=st.just("w"),
        series=st.sampled_from(SERIES),
        phases=st.sampled_from([(), PHASES, ("a", "b")]),
    ),
)
lengths = st.none() | st.floats(100, 100_000)
runs = st.builds(
    lambda series, ms, size: Run(
        "w", series, tuple(Step(name, one, one is None) for name, one in zip(PHASES, ms, strict=True)), {"size": size}
    ),
    st.sampled_from(SERIES),
    st.tuples(lengths, lengths, lengths),
    st.integers(1, 10**6),
)
# Seconds that pass, the event after them, and whether the estimate is queried before and after it.
stories = st.lists(st.tuples(st.floats(0, 50), reports | runs, st.booleans(), st.booleans()), min_size=1, max_size=12)


def estimates_of(story: list[tuple[float, Event | Run, bool, bool]], past: list[Run], *, asked: bool) -> Any:
    """Return the last estimate of a story in which earlier ones are queried at each chance, or never."""
    engine, job, at = ModelEngine(), Job("j"), 0.0
    for run in past:
        engine.learn_run(run)
        if asked:
            engine.estimate(job, moment(at))
    job.apply(JobStarted(job_id="j", workflow="w", series="s1", phases=PHASES), moment(0))
    for seconds, happens, before, after in story:
        at += seconds
        if asked and before:
            engine.estimate(job, moment(at))
        try:
            if isinstance(happens, Run):
                engine.learn_run(happens)
            else:
                job.apply(happens, moment(at))
        except PhaselineError:
            continue
        if asked and after:
            engine.estimate(job, moment(at))
            engine.estimate(job, moment(at + 0.5))
    return engine.estimate(job, moment(at + 1))


@pytest.mark.slow
@given(stories, st.lists(runs, max_size=6))
@settings(max_examples=examples(60))
def test_an_estimate_does_not_depend_on_earlier_requests(
    story: list[tuple[float, Event | Run, bool, bool]], past: list[Run]
) -> None:
    assert estimates_of(story, past, asked=True) == estimates_of(story, past, asked=False)


def plain(engine: ModelEngine, number: int, *, declared: bool, asked: bool) -> list[float]:
    """Run a job of one phase of 8 s with linear progress; return the errors of its estimates, one every half second.

    Args:
        engine: What estimates, and learns from it.
        number: Of the job.
        declared: Whether its phase is known from its start.
        asked: Whether an estimate is asked for at the job's start, before it reports anything.
    """
    job, errors = Job(f"j{number}"), []
    phases = ("work",) if declared else ()
    job.apply(JobStarted(job_id=job.job_id, workflow="plain", series="s", phases=phases), moment(0))
    if asked:
        engine.estimate(job, moment(0))
    for half in range(16):
        job.apply(JobProgress(job_id=job.job_id, phase="work", progress=100 * half / 16), moment(half / 2))
        remaining_ns = engine.estimate(job, moment(half / 2)).remaining_ns
        errors.append(1.0 if remaining_ns is None else abs(remaining_ns / SECOND - (8 - half / 2)) / 8)
    job.apply(JobCompleted(job_id=job.job_id), moment(8))
    engine.learn(job)
    return errors


@pytest.mark.parametrize("declared", [False, True])
def test_a_plain_job_is_estimated_within_a_twentieth_in_its_fourth_run(declared: bool) -> None:
    engine = ModelEngine()
    for number in range(3):
        plain(engine, number, declared=declared, asked=True)
    errors = plain(engine, 3, declared=declared, asked=True)
    assert sum(errors) / len(errors) <= 0.05
