"""What other series of the same phases lend to one that has few runs: where its own numbers are drawn to.

Empirical Bayes (Robbins 1956; Efron and Morris 1975): a prior is a mean over other series, each weighing its
likeness times its runs, and over the constants that hold where there is none, weighing `_CONSTANT` runs.
"""

from collections.abc import Sequence
from math import exp, log
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from phaseline.eta.model.design import Design
from phaseline.eta.model.normal import Floats

if TYPE_CHECKING:
    from phaseline.eta.model.fit import Fit

__all__ = ["Lent"]

Ints = npt.NDArray[np.intp]

_CONSTANT: Final = 2.0
_SD: Final = 0.2
_SPEED: Final = 0.15
_SKIP: Final = 0.5
_SKIP_CONSTANT: Final = 0.5
# However many runs others have: so much of the slopes' variance is from series to series.
_OWN_SHARE: Final = 0.15
# Fewer runs say nothing of scatter and slopes.
_SCATTER_FROM: Final = 3


class Lent:
    """Priors of one series.

    Attributes:
        slopes: Of log lengths on the covariates; shape (columns, p).
        slope_sd: Their standard deviations; shape (columns,).
        variance: Of the log lengths, the run's speed in it; shape (p,), as all below.
        speed_variance: Of the whole run's speed; a number.
        skip: Probability that the phase is passed by.
        mean: Mean log length; NaN where no other series has the phase.
    """

    def __init__(self, design: Design, names: Sequence[str], donors: "Sequence[tuple[float, Fit]]") -> None:
        """Take up what `donors` lend to a series with these phases; each comes with its likeness."""
        p, columns = len(names), {key: c for c, key in enumerate(design.keys)}
        slopes = _Pool((len(columns), p), _CONSTANT, np.repeat(design.prior[:, None], p, axis=1))
        variance = _Pool((p,), _CONSTANT, np.full(p, 2 * log(_SD)))
        skip = _Pool((p,), _SKIP_CONSTANT, np.full(p, _SKIP))
        mean = _Pool((p,), 0.0, np.zeros(p))
        speed, behind = 2 * log(_SPEED) * _CONSTANT, _CONSTANT
        for likeness, fit in donors:
            weight = likeness * fit.n
            at = np.array([fit.index.get(name, -1) for name in names])
            here = np.flatnonzero(at >= 0)
            there = at[here]
            skip.add(here, weight, fit.skip[there])
            mean.add(here, weight, fit.mean[there])
            if fit.n < _SCATTER_FROM:
                continue
            variance.add(here, weight, np.log(fit.own[there] ** 2 + fit.speed**2))
            speed, behind = speed + weight * 2 * log(fit.speed), behind + weight
            for theirs, key in enumerate(fit.design.keys):
                if key in columns:
                    slopes.add((columns[key], here), weight, fit.slopes[theirs, there])
        self.slopes: Floats = slopes.mean()
        others = slopes.weight.max(1, initial=_CONSTANT) - _CONSTANT
        self.slope_sd: Floats = design.sd * np.sqrt((_CONSTANT + _OWN_SHARE * others) / (_CONSTANT + others))
        self.variance: Floats = np.exp(variance.mean())
        self.speed_variance = exp(speed / behind)
        self.skip: Floats = skip.mean()
        self.mean: Floats = mean.mean()

    def filled(self, mean: Floats, seen: Floats, share: Floats) -> Floats:
        """Return `mean` with the phases that never ran in the series (`seen` 0) filled in from the others.

        They are moved by how much longer the series takes than the others where both are known, weighted by `share`.
        """
        known = np.isfinite(self.mean)
        both = np.where(known & (seen > 0), share, 0.0)
        lent = np.nan_to_num(self.mean)
        total = float(both.sum())
        moved = float(both @ (mean - lent)) / total if total > 0 else 0.0
        filled: Floats = np.where(known & (seen == 0), lent + moved, mean)
        return filled


class _Pool:
    """A weighted mean."""

    def __init__(self, shape: tuple[int, ...], weight: float, value: Floats) -> None:
        self.weight: Floats = np.full(shape, weight)
        self._sum: Floats = weight * value

    def add(self, at: Ints | tuple[int, Ints], weight: float, values: Floats) -> None:
        """Take in `values` at the indices `at`."""
        self.weight[at] += weight
        self._sum[at] += weight * values

    def mean(self) -> Floats:
        """Return the mean; NaN where nothing was added."""
        return np.where(self.weight > 0, self._sum / np.maximum(self.weight, 1e-12), np.nan)
