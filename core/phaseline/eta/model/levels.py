"""The trend of a series: experts forecast the speed of its next run, each weighted by its accuracy in earlier runs.

Dynamic model averaging (Raftery, Karny, Ettler 2010) of exponential smoothing (Brown 1956), whose half-lives differ,
and of a local linear trend. Each forecast is linear in the runs before it, so all of them are one product with a matrix
that is computed once.
"""

from typing import Final

import numpy as np

from phaseline.eta.model.history import MAX_RUNS
from phaseline.eta.model.normal import Floats

__all__ = ["Levels"]

# Half-lives, in runs.
_HALF_LIVES: Final = (48.0, 12.0, 3.0)
_TRENDS: Final = (24.0, 8.0)
# Prior: the noise of a run is ten times the drift of the series from one run to the next. This is the square of ten.
_SLOPE_RIDGE: Final = 100.0
# Log of the experts' weights before they have made a forecast.
_PRIOR: Final = np.log(np.array([0.9, 0.04, 0.03, 0.02, 0.01]))
# The half-life of their errors, in runs.
_MEMORY: Final = 24.0
_SD_WEIGHT: Final = 2.0
# Maximum log ratio that is forecast.
_MOST: Final = 1.0


def _smoothing(half_life: float) -> Floats:
    made = np.zeros((MAX_RUNS + 1, MAX_RUNS))
    for n in range(1, MAX_RUNS + 1):
        weights = 2.0 ** (-np.arange(n, 0, -1.0) / half_life)
        made[n, :n] = weights / weights.sum()
    return made


def _trend(half_life: float) -> Floats:
    made = np.zeros((MAX_RUNS + 1, MAX_RUNS))
    for n in range(1, MAX_RUNS + 1):
        age = np.arange(n, 0, -1.0)
        weighted = np.stack((np.ones(n), -age)) * 2.0 ** (-age / half_life)
        gram = weighted @ np.stack((np.ones(n), -age)).T + np.diag((0.0, _SLOPE_RIDGE))
        made[n, :n] = np.linalg.solve(gram, weighted)[0]
    return made


_EXPERTS: Final = np.stack([*map(_smoothing, _HALF_LIVES), *map(_trend, _TRENDS)])


class Levels:
    """The experts' forecasts of the next run's speed.

    Attributes:
        shift: Log ratio of the run's length to the mean; shape (experts,), as all below.
        spread: Standard deviation of their errors.
        trust: The experts' weights, which sum to 1.
    """

    def __init__(self, y: Floats, sd: float) -> None:
        """Forecast the run after those with log ratios `y` to the mean, oldest first; `sd` is their usual deviation."""
        n = len(y)
        y = np.clip(y, -3 * sd, 3 * sd)
        predicted = _EXPERTS[:, : n + 1, :n] @ y
        self.shift: Floats = np.clip(predicted[:, n], -_MOST, _MOST)
        errors = y[1:] - predicted[:, 1:n]
        weights = 2.0 ** (-np.arange(n - 2, -1, -1.0) / _MEMORY)
        total = weights.sum()
        variance = (errors**2 @ weights + _SD_WEIGHT * sd * sd) / (total + _SD_WEIGHT)
        self.spread: Floats = np.sqrt(variance)
        log_trust = _PRIOR - total * np.log(variance) / 2
        trust = np.exp(log_trust - log_trust.max())
        self.trust: Floats = trust / trust.sum()
