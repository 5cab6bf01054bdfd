"""Priors for a series with few runs, from other series with the same phases: its values are shrunk towards them.

Empirical Bayes (Robbins 1956; Efron and Morris 1975): a prior is a weighted mean of the other series and of a constant.
A series weighs its similarity times its runs, and the constant weighs `_CONSTANT` runs.
"""

from collections.abc import Sequence
from math import exp, log
from typing import TYPE_CHECKING, Final

import numpy as np

from phaseline.eta.model.design import Design
from phaseline.eta.model.normal import Floats, Ints

if TYPE_CHECKING:
    from phaseline.eta.model.fit import Fit

__all__ = ["Lent"]

_CONSTANT: Final = 2.0
_SD: Final = 0.2
_SPEED: Final = 0.15
_SKIP: Final = 0.5
_SKIP_CONSTANT: Final = 0.5
# Share of the slopes' variance that is between series: it remains, however many runs the others have.
_OWN_SHARE: Final = 0.15
# Minimum number of runs from which scatter and slopes are used.
_SCATTER_FROM: Final = 3


class Lent:
    """Priors of one series.

    Attributes:
        slopes: Slopes of the log lengths on the covariates; shape (columns, p).
        slope_sd: Standard deviations of the slopes; shape (columns,).
        variance: Variance of the log lengths, which includes the run's speed; shape (p,), as all below.
        speed_variance: Variance of the whole run's speed; a number.
        skip: Probability that the phase is skipped.
        mean: Mean log length; NaN where no other series has the phase.
    """

    def __init__(self, design: Design, names: Sequence[str], donors: "Sequence[tuple[float, Fit]]") -> None:
        """Combine the fits of `donors`, each with its similarity, for a series with these phases."""
        p, columns = len(names), {key: c for c, key in enumerate(design.keys)}
        aligned = [(likeness * fit.n, fit, _where(names, fit)) for likeness, fit in donors]
        able = [each for each in aligned if each[1].n >= _SCATTER_FROM]
        weights, heavy = (np.array([weight for weight, *_ in some]) for some in (aligned, able))
        variance = [_picked(np.log(fit.own * fit.own + fit.speed**2), at) for _, fit, at in able]
        speeds = sum(weight * 2 * log(fit.speed) for weight, fit, _ in able)
        lent = np.full((len(able), len(columns), p), np.nan)
        for i, (_, fit, at) in enumerate(able):
            for theirs, key in enumerate(fit.design.keys):
                if key in columns:
                    lent[i, columns[key]] = _picked(fit.slopes[theirs], at)
        self.slopes, behind = _pool(heavy, lent, design.prior[:, None], _CONSTANT, (len(columns), p))
        others = behind.max(1, initial=0.0)
        self.slope_sd: Floats = design.sd * np.sqrt((_CONSTANT + _OWN_SHARE * others) / (_CONSTANT + others))
        self.variance: Floats = np.exp(_pool(heavy, np.array(variance), 2 * log(_SD), _CONSTANT, (p,))[0])
        self.speed_variance = exp((speeds + _CONSTANT * 2 * log(_SPEED)) / (float(heavy.sum()) + _CONSTANT))
        skip = np.array([_picked(fit.skip, at) for _, fit, at in aligned])
        mean = np.array([_picked(fit.mean, at) for _, fit, at in aligned])
        self.skip: Floats = _pool(weights, skip, _SKIP, _SKIP_CONSTANT, (p,))[0]
        self.mean, known = _pool(weights, mean, 0.0, 0.0, (p,))
        self.mean[known == 0] = np.nan

    def filled(self, mean: Floats, seen: Floats, share: Floats) -> Floats:
        """Return `mean` with the phases that never ran in the series (`seen` 0) filled in from the others.

        They are moved by the mean log ratio of the series to the others, over the phases of both, weighted by `share`.
        """
        known = np.isfinite(self.mean)
        both = np.where(known & (seen > 0), share, 0.0)
        lent = np.nan_to_num(self.mean)
        total = float(both.sum())
        moved = float(both @ (mean - lent)) / total if total > 0 else 0.0
        filled: Floats = np.where(known & (seen == 0), lent + moved, mean)
        return filled


def _where(names: Sequence[str], fit: "Fit") -> Ints | None:
    """Return the columns of the phases in a fit, -1 for a missing one; None if the fit has exactly these phases."""
    at = [fit.index.get(name, -1) for name in names]
    return None if at == list(range(len(fit.mean))) else np.array(at, dtype=np.intp)


def _picked(values: Floats, at: Ints | None) -> Floats:
    return values if at is None else np.where(at < 0, np.nan, values[at])


def _pool(
    weights: Floats, values: Floats, constant: Floats | float, counts: float, shape: tuple[int, ...]
) -> tuple[Floats, Floats]:
    """Return the weighted means of `values` over the first axis and of a constant with the weight `counts`; ignore NaN.

    The second result is the total weight of the values.
    """
    if not len(weights):
        return np.broadcast_to(constant, shape).copy(), np.zeros(shape)
    known = np.isfinite(values)
    weight = np.tensordot(weights, known, 1)
    total = np.tensordot(weights, np.where(known, values, 0.0), 1) + counts * constant
    return total / np.maximum(weight + counts, 1e-12), weight
