"""The mixture that a run is taken to come from: what each component says of every phase.

A component says where each phase's log length lies (`centre`), how it scatters (`scatter`), how far the whole run may
be faster or slower (`speed`), how probably the phase is passed by (`skip`), and how far it is trusted (`log_weight`).
"""

from collections.abc import Iterable, Mapping, Sequence
from math import log, sqrt
from typing import Final, NamedTuple

import numpy as np

from phaseline.eta.model.covariates import Value
from phaseline.eta.model.fit import Fit
from phaseline.eta.model.normal import Bools, Floats

__all__ = ["IGNORANT", "OTHERS_WANTED_BELOW", "Donor", "Mixture", "Strangers", "mixture"]

OTHERS_WANTED_BELOW: Final = 12
_OTHERS: Final = 24
_OTHER_SD: Final = 0.45
_OTHER_SPEED: Final = 0.6
_ANALOGS: Final = 1.0
_ANALOGS_FROM: Final = 3
_ANALOGS_HALF: Final = 10
_ANALOG_SPEED: Final = 0.3
_ANALOG_SAME: Final = 0.95
_STRANGER_SD: Final = 2.0
_STRANGER_WEIGHT: Final = 0.02


class Strangers(NamedTuple):
    """What the series of a server have in common: the mean log milliseconds of a phase, and how they scatter."""

    level: float
    spread: float


# With nothing known at all, a phase takes a second, more or less: half of them between a fifth of one and five.
IGNORANT: Final = Strangers(log(1000.0), 2.5)

Donor = tuple[float, Fit]
"""How alike another series is, and what it says."""


class Mixture:
    """`k` components for a run with `p` phases.

    Attributes:
        centre: shape (k, p), as `scatter` and `skip`.
        speed: shape (k,), as `log_weight`.
        cap: Upper bounds of the log lengths; shape (p,).
        runs: Runs of its own series behind it.
        borrowed: Runs of other series behind it.
    """

    def __init__(self, names: Sequence[str], strangers: Strangers) -> None:
        """Begin with ignorance alone: phases that take what any phase on this server takes."""
        p = len(names)
        self.names = names
        self._centres = [np.full((1, p), strangers.level)]
        self._scatters = [np.full((1, p), _STRANGER_SD)]
        self._skips = [np.full((1, p), 0.02)]
        self._speeds = [np.array([strangers.spread])]
        self._weights = [np.array([_STRANGER_WEIGHT])]
        self.cap: Floats = np.full(p, strangers.level + 12.0)
        self.runs = self.borrowed = 0

    def add(self, weight: float, centre: Floats, scatter: Floats, speed: float, skip: Floats) -> None:
        """Add a component."""
        self.add_many(np.array([weight]), centre[None], scatter, speed, skip[None])

    def add_many(self, weights: Floats, centres: Floats, scatter: Floats, speed: float, skips: Floats) -> None:
        """Add as many components as there are `weights`; all scatter alike."""
        self._weights.append(weights)
        self._centres.append(centres)
        self._scatters.append(np.broadcast_to(scatter, centres.shape))
        self._skips.append(skips)
        self._speeds.append(np.full(len(weights), speed))

    def close(self) -> None:
        """Make the arrays."""
        self.centre: Floats = np.concatenate(self._centres)
        self.scatter: Floats = np.concatenate(self._scatters)
        self.variance: Floats = self.scatter**2
        self.log_scatter: Floats = np.log(self.scatter)
        self.skip: Floats = np.concatenate(self._skips)
        self.log_skip: Floats = np.log(np.clip(self.skip, 1e-6, 1.0))
        self.log_run: Floats = np.log(np.clip(1 - self.skip, 1e-6, 1.0))
        self.speed: Floats = np.concatenate(self._speeds)
        self.log_weight: Floats = np.log(np.concatenate(self._weights))


def mixture(
    names: Sequence[str], known: Mapping[str, Value], fit: Fit | None, donors: Iterable[Donor], strangers: Strangers
) -> Mixture:
    """Return the components of a run with the phases `names` and these covariates.

    Args:
        names: The phases, in order.
        known: Its covariates.
        fit: What its own series says.
        donors: Other series, the likest first; asked only while there are less than twelve runs.
        strangers: What any series takes.
    """
    made = Mixture(names, strangers)
    n = fit.n if fit else 0
    if fit:
        _own(made, fit, known, strangers.level)
    if n < OTHERS_WANTED_BELOW:
        _others(made, list(donors)[:_OTHERS], known, strangers.level, 0.6 / (1 + 0.5 * n))
    made.close()
    return made


def _own(made: Mixture, fit: Fit, known: Mapping[str, Value], level: float) -> None:
    pick = _Picked(made.names, fit, known)
    made.runs = n = fit.n
    wider = sqrt(1 + 1 / min(n, 8))
    mean, own, skip = pick.of(fit.mean, level, pick.shift), pick.of(fit.own, _STRANGER_SD), pick.of(fit.skip, 0.5)
    doubt = fit.doubt(known)
    speed = sqrt(fit.speed**2 + doubt)
    made.add(1.0, mean, own * wider, speed * wider, skip)
    if n >= 3:  # noqa: PLR2004 - fewer runs are all recent
        recent = pick.of(fit.recent, level, pick.shift)
        made.add(0.4, recent, 1.1 * own, 1.1 * speed, skip)
    made.add(0.03 / (1 + 0.02 * n), mean, 3 * own + 0.1, 3 * speed + 0.25, skip)
    if n >= _ANALOGS_FROM:
        _analogs(made, fit, pick, own, sqrt((_ANALOG_SPEED * fit.speed) ** 2 + doubt))
    made.cap = pick.of(fit.cap, level + 12.0, np.maximum(pick.shift, 0.0))


def _analogs(made: Mixture, fit: Fit, pick: "_Picked", own: Floats, speed: float) -> None:
    """Add each earlier run as a component of its own: which phases go together, and how, no mean can tell.

    A kernel density (Rosenblatt 1956) in the space of all phases; its width falls as n^(-1/5), Silverman's rule.
    """
    width = fit.n**-0.2
    weights = _ANALOGS * fit.n / (fit.n + _ANALOGS_HALF) * fit.weights / fit.weights.sum()
    same = np.where(pick.of(fit.passed.astype(float), 0.0) > 0, _ANALOG_SAME, 1 - _ANALOG_SAME)
    same = np.where(pick.missing, 0.5, same)
    made.add_many(weights, pick.of(fit.runs, 0.0, pick.shift), own * width + 0.02, speed, same)


def _others(made: Mixture, donors: Sequence[Donor], known: Mapping[str, Value], level: float, weight: float) -> None:
    total = sum(likeness for likeness, _ in donors)
    for likeness, fit in donors:
        pick = _Picked(made.names, fit, known)
        scatter = np.sqrt(_OTHER_SD**2 + pick.of(fit.own, _STRANGER_SD) ** 2)
        centre = pick.of(fit.mean, level, pick.shift)
        made.add(weight * likeness / total, centre, scatter, _OTHER_SPEED, pick.of(fit.skip, 0.5))
        made.borrowed += fit.n


class _Picked:
    """A fit's numbers in the order of a run's phases."""

    def __init__(self, names: Sequence[str], fit: Fit, known: Mapping[str, Value]) -> None:
        at = [fit.index.get(name, -1) for name in names]
        self._same = at == list(range(len(fit.mean)))
        self._at = np.array(at, dtype=int)
        self.missing: Bools = self._at < 0
        self.shift: Floats = fit.shift(known)

    def of(self, values: Floats, missing: float, shift: Floats | None = None) -> Floats:
        moved = values if shift is None else values + shift
        if self._same:
            return moved
        picked: Floats = np.where(self.missing, missing, moved[..., self._at])
        return picked
