"""The estimates of the engine `model`, which no report can harm."""

import math
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phaseline.eta import Engine
from phaseline.eta.model import ModelEngine
from phaseline.eta.observed import Observed, observe
from phaseline.model.events import PhaseCompleted, PhotoInfo
from phaseline.model.snapshot import Estimate, Moment
from tests.support.core_events import SECOND, json_objects, moment
from tests.support.eta_engines import LENGTHS, ended, enter, remaining, run_of, started, taught
from tests.support.examples import examples


def sound(estimate: Estimate) -> None:
    assert 0 <= estimate.percent <= 99
    assert math.isfinite(estimate.percent)
    if estimate.remaining_ns is not None:
        assert estimate.low_ns is not None
        assert estimate.high_ns is not None
        assert 0 <= estimate.low_ns <= estimate.remaining_ns <= estimate.high_ns
        assert estimate.remaining_ns > 0


def test_without_history_the_estimate_is_unknown() -> None:
    engine: Engine = ModelEngine()
    assert engine.estimate(started(), moment(5)) == Estimate(percent=0.0)


def test_history_gives_an_estimate_a_band_and_a_count() -> None:
    engine = taught()
    job = started()
    enter(job, "a", 0)
    estimate = engine.estimate(job, moment(5))
    assert (estimate.basis, estimate.runs) == ("history", 20)
    assert remaining(engine, job, 5) == pytest.approx(55, rel=0.15)
    sound(estimate)


def test_reported_progress_is_only_sufficient_for_the_last_phase() -> None:
    job = started(phases=("x", "y"))
    enter(job, "x", 0, 50)
    assert ModelEngine().estimate(job, moment(10)).basis == "none"
    enter(job, "y", 10)
    enter(job, "y", 20, 50)
    estimate = ModelEngine().estimate(job, moment(20))
    assert estimate.basis == "progress"
    assert estimate.remaining_ns == pytest.approx(10 * SECOND, rel=0.5)


def test_progress_moves_the_estimate() -> None:
    engine = taught()
    slow, quick = started("slow"), started("quick")
    for job, progress in ((slow, 10), (quick, 90)):
        enter(job, "a", 0)
        enter(job, "b", 10)
        enter(job, "b", 25, progress)
    assert remaining(engine, slow, 25) > 1.15 * remaining(engine, quick, 25)


def test_the_age_of_progress_is_that_of_its_report() -> None:
    job = started()
    enter(job, "a", 0)
    enter(job, "a", 4, 50)
    job.apply(PhotoInfo(job_id="j", photo_id="p", data={"size": 3}), moment(8))
    assert observe(job, moment(9)).mark == (4000, 0.5)


def test_an_overrun_moves_the_end_and_never_stays_at_zero() -> None:
    engine, job = taught(), started()
    for name, at in (("a", 0), ("b", 10), ("c", 40)):
        enter(job, name, at)
    ends = [at + remaining(engine, job, at) for at in (60, 90, 150, 600, 6000)]
    assert ends == sorted(ends)
    assert all(end > at * 1.005 for end, at in zip(ends, (60, 90, 150, 600, 6000), strict=True))


def test_a_job_is_not_done_before_its_end_even_after_its_last_phase() -> None:
    engine, job = taught(), started()
    for name, at in (("a", 0), ("b", 10), ("c", 40)):
        enter(job, name, at)
    job.apply(PhaseCompleted(job_id="j", phase="c"), moment(60))
    estimate = engine.estimate(job, moment(60))
    assert estimate.basis == "history"
    sound(estimate)


def test_percent_is_smooth_over_the_border_of_phases_and_never_reaches_a_hundred() -> None:
    engine, job = taught(), started()
    percents = []
    for second in range(600):
        for name, at in (("a", 0), ("b", 10), ("c", 40)):
            if second == at:
                enter(job, name, at)
        percents.append(job.shown_percent(engine.estimate(job, moment(second)).percent))
    assert percents == sorted(percents)
    assert max(after - before for before, after in pairwise(percents[:60])) < 6
    assert 80 < percents[60] < percents[-1] < 100


@given(st.lists(json_objects, min_size=1, max_size=6), json_objects)
@settings(max_examples=examples(40), deadline=None)
def test_covariates_may_be_any_json(past: list[dict[str, Any]], now: dict[str, Any]) -> None:
    engine = ModelEngine()
    for number, covariates in enumerate(past):
        engine.learn_run(run_of(1000.0 + number, covariates=covariates))
    sound(engine.estimate_observed(Observed("w", "s", later=("p0", "p1", "p2"), covariates=now)))


def test_a_job_without_phases_is_estimated_from_its_series() -> None:
    engine = ModelEngine()
    seen = Observed("w", "s", elapsed_ms=50.0, declared=False)
    assert engine.estimate_observed(seen).remaining_ns is None
    for _ in range(3):
        engine.learn_run(run_of(1000.0))
    sound(engine.estimate_observed(seen))
    assert engine.estimate_observed(seen).basis == "history"


def test_tiny_progress_gives_a_sound_estimate() -> None:
    engine = ModelEngine()
    seen = Observed("w", "s", current="p0", later=("p1",), elapsed_ms=1e11, phase_ms=1e11)
    engine.learn_run(run_of(1000.0))
    sound(engine.estimate_observed(msgspec.structs.replace(seen, mark=(1e11, 1e-298))))


@given(
    st.lists(st.floats(0, 1e300), min_size=1, max_size=5),
    st.floats(0, 1e15),
    st.floats(0, 1e15),
    st.floats(0, 1),
)
@settings(max_examples=examples(60), deadline=None)
def test_the_estimate_is_sound_for_any_history(
    past: list[float], elapsed_ms: float, phase_ms: float, fraction: float
) -> None:
    engine = ModelEngine()
    for ms in past:
        engine.learn_run(run_of(ms))
    seen = Observed(
        "w", "s", current="p0", later=("p1", "p2"), elapsed_ms=elapsed_ms, phase_ms=phase_ms, mark=(phase_ms, fraction)
    )
    sound(engine.estimate_observed(seen))


def test_clock_jumps_are_harmless() -> None:
    engine, job = taught(), started()
    enter(job, "a", 0)
    for now in (Moment(0, 0), Moment(2**62, moment(5).mono_ns), Moment(-5, -(2**60)), Moment(0, 2**61)):
        sound(engine.estimate(job, now))


def test_thousands_of_phases_are_estimated() -> None:
    engine = ModelEngine()
    for _ in range(3):
        engine.learn_run(run_of(100.0, phases=3000))
    names = tuple(f"p{i}" for i in range(3000))
    sound(engine.estimate_observed(Observed("w", "s", current=names[0], later=names[1:], phase_ms=50, elapsed_ms=50)))


@pytest.mark.slow
def test_the_estimate_does_not_depend_on_how_often_it_was_asked_for() -> None:
    asked_often, job, at = taught(), started(), 0.0
    for name, length in LENGTHS.items():
        enter(job, name, at)
        asked_often.estimate(job, moment(at + 1))
        at += length
        assert asked_often.estimate(job, moment(at - 1)) == taught().estimate(job, moment(at - 1))
    enter(job, "a", at)  # a second time
    assert asked_often.estimate(job, moment(at + 1)) == taught().estimate(job, moment(at + 1))
    asked_often.learn(ended())
    again = taught()
    again.learn(ended())
    assert asked_often.estimate(job, moment(at + 2)) == again.estimate(job, moment(at + 2))
