"""The regression's columns: a series' covariates as numbers, and the slopes of its phases on them."""

from collections import Counter
from collections.abc import Mapping, Sequence
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
# So many runs' worth of more noise is taken for there when runs are few, and slopes easily follow chance.
_NOISE_RUNS: Final = 4.0
_INTERCEPT_SD: Final = 10.0


Column = tuple[str, str | None]
"""A covariate's name and, for a text, its value."""


class Design:
    """Which columns a series has: one for each number that varies, one for each of 2 to 8 texts that came twice.

    Attributes:
        keys: The columns.
        prior: Prior means of the slopes, shape (columns,): 0.3 shared among the numbers, 0 for texts.
        sd: Their standard deviations.
        rows: The columns of the runs, centred; shape (runs, columns).
    """

    def __init__(self, known: Sequence[Mapping[str, Value]], weights: Floats) -> None:
        """Choose the columns for runs with these covariates."""
        self.keys = _columns(known)
        numbers = sum(value is None for _, value in self.keys)
        self.prior: Floats = np.array([_NUMBER_SLOPE / numbers if value is None else 0.0 for _, value in self.keys])
        self.sd: Floats = np.array([_NUMBER_SD if value is None else _TEXT_SD for _, value in self.keys])
        raw = np.array([self._raw(row) for row in known]).reshape(len(known), len(self.keys))
        given = np.isfinite(raw)
        total = (weights[:, None] * given).sum(0)
        self._centre: Floats = (weights[:, None] * np.where(given, raw, 0.0)).sum(0) / np.maximum(total, 1e-9)
        self.rows: Floats = np.where(given, raw - self._centre, 0.0)

    def _raw(self, known: Mapping[str, Value]) -> list[float]:
        row = []
        for key, level in self.keys:
            value = known.get(key)
            if level is None:
                row.append(value if isinstance(value, float) else np.nan)
            else:
                row.append(float(value == level))
        return row

    def row(self, known: Mapping[str, Value]) -> Floats:
        """Return a run's columns, centred; a number that is missing is taken for the mean."""
        return np.nan_to_num(np.array(self._raw(known)) - self._centre)


def _columns(known: Sequence[Mapping[str, Value]]) -> list[Column]:
    columns: list[Column] = []
    for key in dict.fromkeys(key for row in known for key in row):
        values = [row[key] for row in known if key in row]
        numbers = {value for value in values if isinstance(value, float)}
        if len(numbers) > 1:
            columns.append((key, None))
        texts = Counter(value for value in values if isinstance(value, str))
        levels = [text for text, count in texts.items() if count > 1]
        if len(texts) > 1 and 1 <= len(levels) <= _LEVELS_MAX:
            columns += [(key, level) for level in levels]
    return columns


def slopes(
    design: Design, x: Floats, ran: Bools, share: Floats, weights: Floats, prior: Floats, sd: Floats
) -> tuple[Floats, Floats]:
    """Return the slopes B of log durations `x`, shape (columns, phases), and the shared ones' covariance.

    Ridge regression (Hoerl and Kennard 1970), which is the mean of a Bayesian linear model with normal priors: first
    slopes shared by all phases, on each run's residual weighted by the phases' shares; then each phase's deviation.

    Args:
        design: The columns.
        x: Log durations less their phase's mean, 0 where unknown; shape (runs, phases).
        ran: Where they are known.
        share: Which share of a run the phases take; shape (phases,).
        weights: Of the runs.
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
