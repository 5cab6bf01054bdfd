"""The model on synthetic data: estimates are unbiased, and the band contains the truth in 80 % of cases."""

from collections.abc import Sequence
from functools import cache
from statistics import median

import msgspec
import pytest

from phaseline.eta.backtest import Ema, Estimates, Past, replay, score
from phaseline.eta.replay import Clock, Model
from tests.support.eta_worlds import MOMENTS, WORLDS, history, later_runs, sized

# Error as a share of the run's length, including randomness that no engine can know, such as the flip of a coin.
WORST = {
    "bimodal": 0.22,
    "drifting": 0.05,
    "growing": 0.05,
    "stepping": 0.09,
    "slow machine": 0.08,
    "skipping": 0.165,
    "sized": 0.08,
}


def bias(estimates: Sequence[Estimates]) -> float:
    """Return the median of the overestimate at half of a run, as a share of the run."""
    return median(one.points[len(one.points) // 2] - 0.5 for one in estimates)


def overconfident(one: Estimates) -> Estimates:
    """Return the same estimates with a band of a third of its width."""
    assert one.bands is not None
    bands = zip(one.points, one.bands, strict=True)
    narrow = tuple((point - (point - low) / 3, point + (high - point) / 3) for point, (low, high) in bands)
    return msgspec.structs.replace(one, bands=narrow)


class Forgetful(Model):
    """A model without covariates."""

    def learn(self, run: Past) -> None:
        run.cov = {}
        super().learn(run)


@cache
def estimates_in(name: str) -> Sequence[Estimates]:
    return later_runs(WORLDS[name], Model())


@pytest.fixture(params=list(WORLDS))
def world(request: pytest.FixtureRequest) -> tuple[str, Sequence[Estimates]]:
    return request.param, estimates_in(request.param)


@pytest.mark.slow
def test_the_band_holds_four_times_of_five(world: tuple[str, Sequence[Estimates]]) -> None:
    found = score(world[1])
    assert found is not None
    assert found.coverage is not None
    assert 0.70 <= found.coverage <= 0.92


def test_the_point_is_near_and_not_biased(world: tuple[str, Sequence[Estimates]]) -> None:
    name, estimates = world
    found = score(estimates)
    assert found is not None
    assert found.nae1 <= WORST[name]
    assert abs(bias(estimates)) <= 0.11
    assert found.back == 0
    assert found.stuck <= 0.01


class Frozen(Model):
    """A model that learns its first twenty runs only."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 20

    def learn(self, run: Past) -> None:
        self.left -= 1
        if self.left >= 0:
            super().learn(run)


@pytest.mark.slow
def test_an_estimator_must_adapt_to_drifting_runs() -> None:
    found = score(later_runs(WORLDS["drifting"], Frozen()))
    assert found is not None
    assert found.nae1 > 1.5 * WORST["drifting"]


# Where runs drift slowly and nothing else happens, an average of the latest is as good.
@pytest.mark.parametrize("name", sorted(set(WORLDS) - {"drifting"}))
def test_moving_averages_fail_these_bounds(name: str) -> None:
    found = score(later_runs(WORLDS[name], Ema()))
    assert found is not None
    assert found.nae1 > WORST[name]


@pytest.mark.slow
def test_a_narrow_band_fails_these_bounds() -> None:
    found = score([overconfident(one) for one in estimates_in("sized")])
    assert found is not None
    assert found.coverage is not None
    assert found.coverage < 0.6


@pytest.mark.slow
def test_a_model_without_covariates_fails_these_bounds() -> None:
    found = score(later_runs(sized, Forgetful()))
    assert found is not None
    assert found.nae1 > 2 * WORST["sized"]


@pytest.mark.slow
def test_estimates_between_events_are_as_accurate() -> None:
    found = score(later_runs(WORLDS["slow machine"], Clock()))
    assert found is not None
    assert found.nae1 <= WORST["slow machine"]


@pytest.mark.slow
def test_the_same_runs_get_the_same_answers() -> None:
    first, second = (replay(history(sized, 40), Model(), MOMENTS) for _ in range(2))
    assert first == second
