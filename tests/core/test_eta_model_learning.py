"""Runs that the engine `model` learns from, and runs that it ignores."""

import math
import random

import pytest

from phaseline.eta.model import ModelEngine
from phaseline.eta.model.band import Band
from phaseline.eta.model.history import History
from phaseline.eta.model.predictor import Predictor
from phaseline.eta.model.store import Store
from phaseline.eta.observed import Observed, Run, Step, finished
from phaseline.model.events import JobCompleted, JobFailed
from tests.support.core_events import SECOND, moment
from tests.support.eta_engines import KEY, ended, enter, remaining, run_of, started, taught


def test_a_similar_series_improves_a_new_one() -> None:
    estimate = taught().estimate(started(series="s2"), moment(0))
    assert (estimate.basis, estimate.runs) == ("similar", 20)
    assert estimate.remaining_ns is not None
    assert 20 * SECOND < estimate.remaining_ns < 180 * SECOND


def test_undeclared_phases_are_expected_from_history() -> None:
    engine = taught(phases=())
    job = started(phases=())
    enter(job, "a", 0)
    assert remaining(engine, job, 5) == pytest.approx(55, rel=0.2)
    enter(job, "c", 10)  # b was skipped
    assert remaining(engine, job, 15) < 30


def test_only_measured_phases_of_completed_jobs_are_learned() -> None:
    failed = started()
    enter(failed, "a", 0)
    failed.apply(JobFailed(job_id="j", result={}), moment(9))
    assert finished(failed) is None
    assert finished(ended(cache_hit=True)) is None
    job = started()
    for name, at in (("a", 0), ("b", 10), ("a", 20), ("c", 30)):
        enter(job, name, at)
    job.apply(JobCompleted(job_id="j"), moment(40))
    run = finished(job)
    assert run is not None
    assert {step.name: step.ms for step in run.steps} == {"a": None, "b": 10_000, "c": 10_000}


@pytest.mark.parametrize("absurd", [math.nan, math.inf, -5.0, 0.0, 1e300])
def test_invalid_durations_are_not_learned(absurd: float) -> None:
    engine = ModelEngine()
    for _ in range(5):
        engine.learn_run(run_of(1000.0))
    before = engine.encode(KEY)
    engine.learn_run(run_of(absurd))
    assert engine.encode(KEY) == before


@pytest.mark.parametrize("factor", [1e-6, 1e8])
def test_one_absurd_run_moves_an_estimate_by_a_bounded_amount(factor: float) -> None:
    engine, rng = ModelEngine(), random.Random(5)
    for _ in range(20):
        engine.learn_run(run_of(10_000 * rng.lognormvariate(0, 0.1)))
    seen = Observed("w", "s", later=("p0", "p1", "p2"))
    before = engine.estimate_observed(seen).remaining_ns
    engine.learn_run(run_of(10_000 * factor))
    after = engine.estimate_observed(seen).remaining_ns
    assert before is not None
    assert after is not None
    assert 0.7 < after / before < 1.4


def test_the_first_estimate_of_a_run_has_the_frequency_of_long_runs() -> None:
    engine = ModelEngine()
    for number in range(40):
        engine.learn_run(run_of(100_000.0 if number % 2 else 1000.0, phases=1))
    estimate = engine.estimate_observed(Observed("w", "s", current="p0"))
    assert estimate.high_ns is not None
    assert estimate.high_ns > 90 * SECOND


def test_an_adapted_level_can_widen_the_band_beyond_all_draws() -> None:
    store = Store()
    history = History()
    store.put(KEY, history)
    for _ in range(20):
        history.add(run_of(1000.0))
    predictor = Predictor(store)
    outlook = predictor.begin(KEY, ("p0", "p1", "p2"), {})
    usual = predictor.ask(outlook, 0, (1, 2), 500, 500, None)
    history.band = store.band = Band(0.0005, 0.0005, 0.0005)
    wide = predictor.ask(outlook, 0, (1, 2), 500, 500, None)
    assert wide.low < 0.2 * usual.low
    assert wide.high > 1.5 * usual.high
    assert wide.point == usual.point


def sized_run(series: str, size: float, speed: float, rng: random.Random) -> Run:
    """Return a run with two phases in proportion to its size, and a third one of another length."""
    steps = [Step(f"p{i}", 50 * size * speed * rng.lognormvariate(0, 0.03)) for i in range(2)]
    return Run("w", series, (*steps, Step("p2", 500 * speed)), {"size": size})


def test_a_series_with_two_runs_uses_the_slopes_of_others() -> None:
    store, rng = Store(), random.Random(11)
    many = [2.0**i for i in range(10)]
    sizes = {"machine-1": many, "machine-2": many, "machine-3": [10.0, 12.0]}
    for series, given_sizes in sizes.items():
        history = History()
        store.put(("w", series), history)
        for size in given_sizes:
            history.add(sized_run(series, size, 3.0, rng))
    fit = store.fit(("w", "machine-3"))
    assert fit is not None
    assert fit.slopes[0].tolist() == pytest.approx([1, 1, 0], abs=0.15)


def test_a_phase_new_to_a_series_is_estimated_from_other_series() -> None:
    engine = ModelEngine()
    for _ in range(6):
        engine.learn_run(Run("w", "old", (Step("a", 1000.0), Step("b", 60_000.0))))
    for _ in range(2):
        engine.learn_run(Run("w", "new", (Step("a", 2000.0), Step("b", skipped=True))))
    seen = Observed("w", "new", done=(Step("a", 2000.0),), current="b", elapsed_ms=2010.0, phase_ms=10.0)
    estimate = engine.estimate_observed(seen).remaining_ns
    assert estimate is not None
    assert 60_000 < estimate / 1e6 < 200_000
