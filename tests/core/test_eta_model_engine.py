"""The model behind the engine's protocol: jobs in, estimates out; whatever a reporter says does no harm."""

import math
import random
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phaseline.eta import Engine
from phaseline.eta.model import ModelEngine
from phaseline.eta.model.band import Band
from phaseline.eta.model.history import History
from phaseline.eta.model.predictor import Predictor
from phaseline.eta.model.store import Store
from phaseline.eta.observed import Observed, Run, Step, finished, observe
from phaseline.model.events import JobCompleted, JobFailed, JobProgress, JobStarted, PhaseCompleted, PhotoInfo
from phaseline.model.job import Job
from phaseline.model.snapshot import Estimate, Moment
from tests.support.core_events import SECOND, json_objects, moment
from tests.support.examples import examples

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


def test_a_similar_series_improves_a_new_one() -> None:
    estimate = taught().estimate(started(series="s2"), moment(0))
    assert (estimate.basis, estimate.runs) == ("similar", 20)
    assert estimate.remaining_ns is not None
    assert 20 * SECOND < estimate.remaining_ns < 180 * SECOND


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


def test_an_overrun_raises_the_end_and_never_sticks_at_zero() -> None:
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


def test_undeclared_phases_are_expected_from_history() -> None:
    engine = taught(phases=())
    job = started(phases=())
    enter(job, "a", 0)
    assert remaining(engine, job, 5) == pytest.approx(55, rel=0.2)
    enter(job, "c", 10)  # b was passed by
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


def test_a_state_survives_encoding_and_is_small() -> None:
    engine, again = taught(64), ModelEngine()
    again.decode(KEY, engine.encode(KEY))
    assert again.encode(KEY) == engine.encode(KEY)
    job = started()
    enter(job, "a", 0)
    assert remaining(again, job, 5) == pytest.approx(remaining(engine, job, 5), rel=0.05)
    assert len(engine.encode(KEY)) < 8192


@pytest.mark.parametrize("data", [b"", b"{}", b"\x93\x01\x02\x03", b"\xff" * 99])
def test_a_damaged_state_is_rejected_and_changes_nothing(data: bytes) -> None:
    engine = taught(5)
    before = engine.encode(KEY)
    with pytest.raises(ValueError):  # noqa: PT011 - msgspec's own text
        engine.decode(KEY, data)
    assert engine.encode(KEY) == before


def test_the_largest_state_has_64_kib_at_most() -> None:
    engine = ModelEngine()
    for number in range(80):
        steps = tuple(Step(f"{i:04d}" + "\N{ROSE}" * 90, 1000.0) for i in range(3000))
        covariates = {f"key {i}" + "x" * 900: f"{number}" + "\N{ROSE}" * 5000 for i in range(300)}
        engine.learn_run(Run("w", "s", steps, covariates))
        engine.learn_run(run_of(1000.0 + number, series="many", phases=3000))
    assert len(engine.encode(KEY)) <= 65_536
    assert len(engine.encode(("w", "many"))) <= 65_536


def test_the_least_recently_used_series_is_dropped() -> None:
    engine = ModelEngine(max_series=50)
    for number in range(120):
        engine.learn_run(run_of(1000.0, series=f"s{number}"))
        engine.estimate_observed(Observed("w", "s0", later=("p0", "p1", "p2")))
    kept = engine.keys()
    assert len(kept) == 50
    assert ("w", "s0") in kept
    assert ("w", "s1") not in kept


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
    """Return a run of which two phases take as long as it is large, and the third does not."""
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
