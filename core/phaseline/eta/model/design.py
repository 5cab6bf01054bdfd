"""The regression's columns: a series' covariates as numbers, and the slopes of its phases on them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isnan, nan
from typing import Final

import numpy as np

from phaseline.eta.model.covariates import Value
from phaseline.eta.model.normal import Bools, Floats

__all__ = ["Column", "Design", "slopes"]

_LEVELS_MAX: Final = 8
_NUMBER_SLOPE: Final = 0.3
_NUMBER_SD: Final = 0.5
_TEXT_SD: Final = 0.3
_DEVIATION: Final = 0.7
_NOISE_VARIANCE: Final = 0.0625
# With n runs, 1 + this / n times the noise is assumed: slopes of few runs easily follow chance.
_NOISE_RUNS: Final = 4.0
_INTERCEPT_SD: Final = 10.0


Column = tuple[str, str | None]
"""A covariate's name and, for a text, its value."""


class Design:
    """The columns of a series: one for each number that varies, and one for each of 2 to 8 texts that occurred twice.

    Attributes:
        keys: The columns.
        prior: Prior means of the slopes, shape (columns,): 0.3 shared among the numbers, 0 for texts.
        sd: Their standard deviations.
        rows: The columns of the runs, centered; shape (runs, columns).
    """

    def __init__(self, known: Sequence[Mapping[str, Value]], weights: Floats) -> None:
        """Choose the columns for runs with these covariates."""
        self.keys: list[Column] = []
        columns: list[list[float]] = []
        for key in dict.fromkeys(key for row in known for key in row):
            values = [row.get(key) for row in known]
            for level in _levels(values):
                self.keys.append((key, level))
                columns.append([_number(value, level) for value in values])
        numbers = sum(level is None for _, level in self.keys)
        self.prior: Floats = np.array([_NUMBER_SLOPE / numbers if level is None else 0.0 for _, level in self.keys])
        self.sd: Floats = np.array([_NUMBER_SD if level is None else _TEXT_SD for _, level in self.keys])
        raw = np.array(columns).reshape(len(columns), len(known)).T
        given = np.isfinite(raw)
        total = (weights[:, None] * given).sum(0)
        self._centre: Floats = (weights[:, None] * np.where(given, raw, 0.0)).sum(0) / np.maximum(total, 1e-9)
        self._means: list[float] = self._centre.tolist()
        self.rows: Floats = np.where(given, raw - self._centre, 0.0)

    def row(self, known: Mapping[str, Value]) -> Floats:
        """Return a run's columns, centered; a missing number is replaced by the mean."""
        raw = [_number(known.get(key), level) for key, level in self.keys]
        row = [0.0 if isnan(value) else value - mean for value, mean in zip(raw, self._means, strict=True)]
        return np.array(row)


def _number(value: Value | None, level: str | None) -> float:
    """Return a covariate's value in the column of the text `level`, or in its number column if `level` is None."""
    if level is not None:
        return float(value == level)
    return value if isinstance(value, float) else nan


def _levels(values: Sequence[Value | None]) -> list[str | None]:
    """Return the columns of a covariate: None for its number column, a text for the column of that text."""
    levels: list[str | None] = []
    if len({value for value in values if isinstance(value, float)}) > 1:
        levels.append(None)
    texts = Counter(value for value in values if isinstance(value, str))
    often = [text for text, count in texts.items() if count > 1]
    if len(texts) > 1 and 1 <= len(often) <= _LEVELS_MAX:
        levels += often
    return levels


def slopes(
    design: Design, x: Floats, ran: Bools, share: Floats, weights: Floats, prior: Floats, sd: Floats
) -> tuple[Floats, Floats]:
    """Return the slopes B of log durations `x`, shape (columns, phases), and the shared ones' covariance.

    Ridge regression (Hoerl and Kennard 1970), which is the mean of a Bayesian linear model with normal priors: first
    slopes shared by all phases, on each run's residual weighted by the phases' shares; then each phase's deviation.

    Args:
        design: The columns.
        x: Log durations less their phase's mean, 0 where unknown; shape (runs, phases).
        ran: Whether they are known; shape (runs, phases).
        share: Share of a run that each phase takes; shape (phases,).
        weights: Weights of the runs; shape (runs,).
        prior: Prior means of the slopes; shape (columns, phases).
        sd: Their standard deviations; shape (columns,).
    """
    z, columns = design.rows, len(design.keys)
    x = np.where(ran, x - z @ prior, 0.0)
    parts = np.where(ran, share, 0.0)
    held = parts.sum(1)
    y = (parts * x).sum(1) / np.maximum(held, 1e-9)
    wide = np.column_stack((z, np.ones(len(z))))
    precision = np.diag(np.append(sd, _INTERCEPT_SD) ** -2.0)
    noise = _NOISE_VARIANCE * (1 + _NOISE_RUNS / len(z))
    w = weights * (held > 0) / noise
    covariance = np.linalg.inv((wide.T * w) @ wide + precision)
    shared = (covariance @ (wide.T @ (w * y)))[:columns]
    left = np.where(ran, x - (z @ shared)[:, None], 0.0)
    masks = ran * (weights / noise)[:, None]
    narrow = np.diag(np.append(_DEVIATION * sd, _INTERCEPT_SD) ** -2.0)
    outer = (wide[:, :, None] * wide[:, None, :]).reshape(len(z), -1)
    gram = (masks.T @ outer).reshape(-1, columns + 1, columns + 1) + narrow
    own = np.linalg.solve(gram, ((masks * left).T @ wide)[:, :, None])[:, :columns, 0]
    slope: Floats = prior + shared[:, None] + own.T
    return slope, covariance[:columns, :columns]
