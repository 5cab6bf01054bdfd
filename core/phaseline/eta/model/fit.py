"""The prediction of a series' next run from its history: mean and standard deviation of each phase's log length."""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Final

import numpy as np

from phaseline.eta.model.covariates import Value
from phaseline.eta.model.design import Design, slopes
from phaseline.eta.model.history import SKIPPED, History
from phaseline.eta.model.lent import Lent
from phaseline.eta.model.levels import Levels
from phaseline.eta.model.normal import Bools, Floats

__all__ = ["Fit"]

# Half-lives, in runs.
_SLOPES: Final = 40.0
_LONG: Final = 48.0
_SHORT: Final = 3.0
_SD_WEIGHT: Final = 2.0
_SPEED_WEIGHT: Final = 2.0
_SKIP_WEIGHT: Final = 0.5
_SD_LEAST: Final = 0.012
_SPEED_LEAST: Final = 0.0004
# Minimum share of a phase's variance that is independent of the run's speed.
_OWN_LEAST: Final = 0.15
_HUBER: Final = 1.5
_TAMED_FROM: Final = 3
_LONER: Final = 3.0
# Log of the factor from a phase's longest duration to its cap.
_CAP: Final = 2.0


class Fit:
    """The fit of one series, with `n` runs (1 or more) of `p` phases.

    Attributes:
        n: Number of runs that it is based on.
        index: The phases' columns, by name.
        mean: Mean log milliseconds of each phase, with a half-life of 48 runs; shape (p,), as all below.
        recent: The same with a half-life of 3 runs.
        own: Standard deviation of each phase apart from the whole run's speed.
        speed: Standard deviation of the log of the whole run's speed.
        skip: Probability that the phase is skipped.
        runs: Log lengths of the phases of each run, without what the covariates explain; shape (n, p).
        passed: Whether they were skipped; shape (n, p).
        weights: Weights of the runs, by their age; shape (n,).
        cap: Maximum log milliseconds that are expected of each phase.
    """

    def __init__(self, history: History, donors: "Sequence[tuple[float, Fit]]" = ()) -> None:
        """Fit `history`, which has at least one run, with priors from other series, each with its similarity."""
        x = np.array(history.rows, dtype=float)
        self.n, self.index = len(x), dict(history.index)
        ran: Bools = np.isfinite(x)
        skipped = x == SKIPPED
        x = np.where(ran, _tamed(x, ran), 0.0)
        age = np.arange(self.n - 1, -1, -1.0)
        long, slow = 2.0 ** (-age / _LONG), 2.0 ** (-age / _SLOPES)
        level = _fallback(x, ran)
        mean, _ = _means(x, ran, long, level)
        seen = long @ ran
        share = np.exp(mean - mean.max()) * (seen + 0.01)
        share /= share.sum()
        self.design = Design(history.known, slow)
        lent = Lent(self.design, history.names, donors)
        self.slopes: Floats = lent.slopes
        self._covariance: Floats = np.diag(lent.slope_sd**2)
        if self.design.keys and self.n > 1:
            apart = np.where(ran, x - mean, 0.0)
            self.slopes, self._covariance = slopes(self.design, apart, ran, share, slow, lent.slopes, lent.slope_sd)
            x = np.where(ran, x - self.design.rows @ self.slopes, 0.0)
        mean, squares = _means(x, ran, long, level)
        # One step of Huber's M-estimator (1964): it limits the influence of outliers.
        spread = np.sqrt((squares + _SD_WEIGHT * lent.variance) / (seen + _SD_WEIGHT))
        distance = np.where(ran, np.abs(x - mean), 0.0)
        calm = np.minimum(1.0, _HUBER * spread / np.maximum(distance, 1e-9))
        mean, _ = _means(x, ran, calm * long[:, None], level)
        recent, _ = _means(x, ran, calm * (2.0 ** (-age / _SHORT))[:, None], level)
        self.recent: Floats = lent.filled(recent, seen, share)
        self.mean: Floats = lent.filled(mean, seen, share)
        d = np.where(ran, x - mean, 0.0)
        dof = np.maximum(0.0, seen - 1)
        variance = (long @ (d * d) + _SD_WEIGHT * lent.variance) / (dof + _SD_WEIGHT)
        self.speed: float = sqrt(_speed_variance(d, np.where(ran, share, 0.0), long, lent.speed_variance))
        parts = np.where(ran, share, 0.0)
        y = (parts * d).sum(1) / np.maximum(parts.sum(1), 1e-9)
        apart = np.maximum(variance - self.speed**2, _SD_LEAST**2)
        alone = float(share * share @ apart)
        self.levels = Levels(y, sqrt(self.speed**2 + alone))
        self.speeds: Floats = np.sqrt(np.maximum(self.levels.spread**2 - alone, _SPEED_LEAST))
        # The predicted part of the trend does not count as scatter.
        foreseen = max(0.0, self.speed**2 - float(self.levels.trust @ self.speeds**2))
        self.own: Floats = np.sqrt(np.maximum(apart, _OWN_LEAST * (variance - foreseen)))
        self.skip: Floats = (long @ skipped + _SKIP_WEIGHT * lent.skip) / (long @ (ran | skipped) + _SKIP_WEIGHT)
        longest = np.where(ran, x, -np.inf).max(0)
        longest = np.where(np.isfinite(longest), longest, level + 2.0)
        self.runs: Floats = np.where(ran, x, self.mean)
        self.passed: Bools = skipped
        self.weights: Floats = long
        self.cap: Floats = longest + np.sqrt(variance / np.maximum(seen, 1)) + _CAP

    def shift(self, known: Mapping[str, Value]) -> Floats:
        """Return the log ratio of a run with these covariates to the mean run; shape (p,)."""
        moved: Floats = self.design.row(known) @ self.slopes if self.design.keys else np.zeros(len(self.mean))
        return np.clip(moved, -5.0, 5.0)

    def doubt(self, known: Mapping[str, Value]) -> float:
        """Return the variance of the whole run's `shift`; it grows with the covariates' distance from their means."""
        if not self.design.keys:
            return 0.0
        z = self.design.row(known)
        return min(4.0, float(z @ self._covariance @ z))


def _tamed(x: Floats, ran: Bools) -> Floats:
    """Return `x` with each phase's longest and shortest time clipped to a factor of e^3 from the next one.

    One absurd run then has a bounded effect; a value that occurs twice is kept.
    """
    if len(x) < _TAMED_FROM:
        return x
    high = np.partition(np.where(ran, x, -np.inf), -2, axis=0)[-2] + _LONER
    low = np.partition(np.where(ran, x, np.inf), 1, axis=0)[1] - _LONER
    several = ran.sum(0) >= _TAMED_FROM
    tamed: Floats = np.clip(x, np.where(several, low, -np.inf), np.where(several, high, np.inf))
    return tamed


def _fallback(x: Floats, ran: Bools) -> float:
    """Return the level of a phase that never ran: the mean of all that did."""
    return float(x.sum() / max(1, int(ran.sum())))


def _means(x: Floats, ran: Bools, weights: Floats, level: float) -> tuple[Floats, Floats]:
    """Return each phase's weighted mean, and the weighted sum of squares about it."""
    w = ran * (weights if weights.ndim > 1 else weights[:, None])
    total = w.sum(0)
    mean = np.where(total > 0, (w * x).sum(0) / np.maximum(total, 1e-12), level)
    return mean, (w * (x - mean) ** 2).sum(0)


def _speed_variance(d: Floats, parts: Floats, weights: Floats, prior: float) -> float:
    """Return the variance of the whole run's speed: the mean covariance of two of its phases.

    With s_p the share of phase p in the run, E[(sum s_p d_p)^2 - sum s_p^2 d_p^2] = tau^2 (1 - sum s_p^2) where d_p is
    the run's speed plus the phase's own noise; the method of moments with a prior that weighs two runs.
    """
    parts = parts / np.maximum(parts.sum(1, keepdims=True), 1e-9)
    weighted = parts * d
    together = weighted.sum(1) ** 2 - (weighted * weighted).sum(1)
    room = 1 - (parts * parts).sum(1)
    raised = float(weights @ together) + _SPEED_WEIGHT * prior
    return max(raised / (float(weights @ room) + _SPEED_WEIGHT), _SPEED_LEAST)
