"""The stored state of the engine `model`."""

import pytest

from phaseline.eta.model import ModelEngine
from phaseline.eta.observed import Observed, Run, Step
from tests.support.eta_engines import KEY, enter, remaining, run_of, started, taught


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


@pytest.mark.slow
def test_the_largest_state_has_64_kib_at_most() -> None:
    engine = ModelEngine()
    for number in range(40):
        steps = tuple(Step(f"{i:04d}" + "\N{ROSE}" * 90, 1000.0) for i in range(3000))
        covariates = {f"key {i}" + "x" * 900: f"{number}" + "\N{ROSE}" * 5000 for i in range(300)}
        engine.learn_run(Run("w", "s", steps, covariates))
        engine.learn_run(run_of(1000.0 + number, series="many", phases=3000))
    assert len(engine.encode(KEY)) <= 65_536
    assert len(engine.encode(("w", "many"))) <= 65_536


@pytest.mark.slow
def test_the_least_recently_used_series_is_dropped() -> None:
    engine = ModelEngine(max_series=50)
    for number in range(120):
        engine.learn_run(run_of(1000.0, series=f"s{number}"))
        engine.estimate_observed(Observed("w", "s0", later=("p0", "p1", "p2")))
    kept = engine.keys()
    assert len(kept) == 50
    assert ("w", "s0") in kept
    assert ("w", "s1") not in kept
