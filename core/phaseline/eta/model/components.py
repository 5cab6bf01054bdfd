"""The mixture model of a run: each component's distribution of every phase.

For each phase, a component has a mean log length (`centre`), its standard deviation (`scatter`) and the probability of
a skip (`skip`). For the whole run, it has the deviation of the run's speed (`speed`) and a weight (`log_weight`). All
of this but the effect of the covariates is the same for all runs of a series: a `Blend`, which `Mixture`s share.
"""

from collections.abc import Mapping, Sequence
from math import log, sqrt
from typing import Final, NamedTuple

import numpy as np

from phaseline.eta.model.covariates import Value
from phaseline.eta.model.fit import Fit
from phaseline.eta.model.normal import Bools, Floats

__all__ = ["IGNORANT", "OTHERS_WANTED_BELOW", "Blend", "Donor", "Mixture", "Strangers"]

OTHERS_WANTED_BELOW: Final = 12
_OTHERS: Final = 0.6
_OTHER_SD: Final = 0.45
_OTHER_SPEED: Final = 0.6
_RECENT_FROM: Final = 3
_LEVELS_FROM: Final = 4
_ANALOGS: Final = 1.0
_ANALOGS_FROM: Final = 3
_ANALOGS_HALF: Final = 10
_ANALOG_SPEED: Final = 0.3
_ANALOG_SAME: Final = 0.95
# Trust in the expert without a trend at which earlier runs, as components, get their full weight.
_ANALOG_TRUST: Final = 0.75
_STRANGER_SD: Final = 2.0
_STRANGER_WEIGHT: Final = 0.02
# Without earlier runs and other series, phases are assumed to be alike, and the run's length almost arbitrary.
_ALONE_SD: Final = 0.7
_ALONE_SPREAD: Final = 6.0


class Strangers(NamedTuple):
    """The distribution of phases over a workflow's series.

    Attributes:
        level: Mean log milliseconds of a phase.
        spread: Standard deviation of the series' means.
        series: Number of series.
    """

    level: float
    spread: float
    series: int = 0


# Prior of a phase without any data: about 1 s, with half the probability between 0.2 s and 5 s.
IGNORANT: Final = Strangers(log(1000.0), 2.5)

Donor = tuple[float, Fit]
"""The similarity of another series, and its fit."""


class _Moved(NamedTuple):
    """The components whose centres depend on a fit's covariates, and the columns of its phases."""

    rows: slice
    fit: Fit
    pick: "_Picked"


class Blend:
    """`k` components for the runs of a series with the same `p` phases, without the effect of their covariates.

    Attributes:
        centre: shape (k, p), as `scatter` and `skip`.
        usual_skip: Probability that each phase is skipped; shape (p,).
        speed: Variance of the whole run's speed; shape (k,), as `log_weight`.
        doubted: Factor by which the uncertainty of the covariates' effect is added to that variance; shape (k,).
        cap: Upper bounds of the log lengths; shape (p,).
        own: The fit of the series itself, or None.
        moved: The fits whose covariates move components.
        known: Whether there are earlier runs or other series to learn from.
        runs: Number of runs of the series itself.
        borrowed: Number of runs of similar series that it is based on; without any, one for each series of the
            workflow.
    """

    def __init__(self, names: Sequence[str], fit: Fit | None, donors: Sequence[Donor], strangers: Strangers) -> None:
        """Blend all that is known.

        Args:
            names: The phases, in order.
            fit: The fit of the series itself, or None.
            donors: Other series, the most similar first; none once the series has twelve runs.
            strangers: The distribution of phases over the workflow's series.
        """
        p, level, alone = len(names), strangers.level, not (fit or donors or strangers.series)
        self.names = names
        self.own, self.moved = fit, list[_Moved]()
        self._centres = [np.full((1, p), level)]
        self._scatters = [np.full((1, p), _ALONE_SD if alone else _STRANGER_SD)]
        self._skips = [np.full((1, p), 0.02)]
        self._speeds = [(_ALONE_SPREAD if alone else strangers.spread) ** 2]
        self._doubted = [0.0]
        self._weights = [_STRANGER_WEIGHT]
        self.cap: Floats = np.full(p, level + 12.0)
        self.runs, self.borrowed, self.known = 0, strangers.series, not alone
        if fit is not None:
            self._add_own(fit, level)
        if donors:
            self._add_others(donors, level, _OTHERS / (1 + 0.5 * self.runs))
        self._close()

    def _add(self, weight: float, centre: Floats, scatter: Floats, speed: float, skip: Floats, doubted: float) -> None:
        self._centres.append(centre[None])
        self._scatters.append(scatter[None])
        self._skips.append(skip[None])
        self._speeds.append(speed * speed)
        self._doubted.append(doubted)
        self._weights.append(weight)

    def _close(self) -> None:
        self.centre: Floats = np.concatenate(self._centres)
        self.scatter: Floats = np.concatenate(self._scatters)
        self.variance: Floats = self.scatter**2
        self.log_scatter: Floats = np.log(self.scatter)
        self.skip: Floats = np.concatenate(self._skips)
        self.log_skip: Floats = np.log(np.clip(self.skip, 1e-6, 1.0))
        self.log_run: Floats = np.log(np.clip(1 - self.skip, 1e-6, 1.0))
        self.speed: Floats = np.array(self._speeds)
        self.doubted: Floats = np.array(self._doubted)
        weights = np.array(self._weights)
        self.log_weight: Floats = np.log(weights)
        self.usual_skip: Floats = weights @ self.skip / weights.sum()
        del self._centres, self._scatters, self._skips, self._speeds, self._doubted, self._weights

    def _add_own(self, fit: Fit, level: float) -> None:
        pick = _Picked(self.names, fit)
        self.runs = n = fit.n
        wider = 1 + 1 / min(n, 8)
        mean, own, skip = pick.of(fit.mean, level), pick.of(fit.own, _STRANGER_SD), pick.of(fit.skip, 0.5)
        trust = 1.0
        if n < _LEVELS_FROM:
            self._add(1.0, mean, own * sqrt(wider), fit.speed * sqrt(wider), skip, wider)
        else:
            levels = fit.levels
            trust = min(1.0, float(levels.trust[0]) / _ANALOG_TRUST)
            for weight, moved, speed in zip(levels.trust, levels.shift, fit.speeds, strict=True):
                self._add(weight + 1e-9, mean + moved, own * sqrt(wider), speed * sqrt(wider), skip, wider)
        if n >= _RECENT_FROM:
            self._add(0.4, pick.of(fit.recent, level), 1.1 * own, 1.1 * fit.speed, skip, 1.1**2)
        self._add(0.03 / (1 + 0.02 * n), mean, 3 * own + 0.1, 3 * fit.speed + 0.25, skip, 9.0)
        if n >= _ANALOGS_FROM:
            self._add_analogs(fit, pick, own, trust)
        self.moved.append(_Moved(slice(1, len(self._weights)), fit, pick))
        self.cap = pick.of(fit.cap, level + 12.0)

    def _add_analogs(self, fit: Fit, pick: "_Picked", own: Floats, trust: float) -> None:
        """Add each earlier run as a component, because means do not show which phases vary together.

        A kernel density (Rosenblatt 1956) in the space of all phases; its width falls as n^(-1/5), Silverman's rule.
        """
        weights = trust * _ANALOGS * fit.n / (fit.n + _ANALOGS_HALF) * fit.weights / fit.weights.sum()
        same = np.where(pick.of(fit.passed.astype(float), 0.0) > 0, _ANALOG_SAME, 1 - _ANALOG_SAME)
        centres = pick.of(fit.runs, 0.0)
        self._centres.append(centres)
        self._scatters.append(np.broadcast_to(own * fit.n**-0.2 + 0.02, centres.shape))
        self._skips.append(np.where(pick.missing, 0.5, same))
        self._speeds += [(_ANALOG_SPEED * fit.speed) ** 2] * fit.n
        self._doubted += [1.0] * fit.n
        self._weights += weights.tolist()

    def _add_others(self, donors: Sequence[Donor], level: float, weight: float) -> None:
        total = sum(likeness for likeness, _ in donors)
        first = len(self._weights)
        picks = [_Picked(self.names, fit) for _, fit in donors]
        pairs = [(pick, fit) for pick, (_, fit) in zip(picks, donors, strict=True)]
        own = np.array([pick.of(fit.own, _STRANGER_SD) for pick, fit in pairs])
        self._centres.append(np.array([pick.of(fit.mean, level) for pick, fit in pairs]))
        self._scatters.append(np.sqrt(_OTHER_SD**2 + own * own))
        self._skips.append(np.array([pick.of(fit.skip, 0.5) for pick, fit in pairs]))
        self._speeds += [_OTHER_SPEED**2] * len(donors)
        self._doubted += [0.0] * len(donors)
        self._weights += [weight * likeness / total for likeness, _ in donors]
        self.moved += [_Moved(slice(first + i, first + i + 1), fit, pick) for i, (pick, fit) in enumerate(pairs)]
        self.borrowed = sum(fit.n for _, fit in donors)


class Mixture:
    """A blend, moved by a run's covariates. Attributes are those of `Blend`, but `speed` is a standard deviation."""

    def __init__(self, blend: Blend, known: Mapping[str, Value]) -> None:
        """Move `blend` to a run with these covariates."""
        self.blend = blend
        self.centre, self.cap, speed = blend.centre, blend.cap, blend.speed
        shifts = [(moved, moved.fit.shift(known)) for moved in blend.moved if moved.fit.design.keys]
        if shifts:
            self.centre = self.centre.copy()
        for moved, shift in shifts:
            by = moved.pick.of(shift, 0.0)
            self.centre[moved.rows] += by
            if moved.fit is blend.own:
                self.cap = blend.cap + np.maximum(by, 0.0)
                speed = speed + blend.doubted * moved.fit.doubt(known)
        self.speed: Floats = np.sqrt(speed)


class _Picked:
    """A fit's numbers in the order of a run's phases."""

    def __init__(self, names: Sequence[str], fit: Fit) -> None:
        at = [fit.index.get(name, -1) for name in names]
        self._same = at == list(range(len(fit.mean)))
        self._at = np.array(at, dtype=int)
        self.missing: Bools = self._at < 0

    def of(self, values: Floats, missing: float) -> Floats:
        if self._same:
            return values
        picked: Floats = np.where(self.missing, missing, values[..., self._at])
        return picked
