"""The length that a worker's progress implies for its phase, and how far to trust it.

The worker's pace is measured from where it began. A phase usually begins with nothing done; one that is resumed begins
with its first report, and the time before that is unrelated to the pace. The stretch before the first report shows
which case applies: it counts fully if it was as fast as the rest, and hardly if it was several times faster or slower.

Progress is modeled as Brownian motion with drift: after a share g of the work, of which 1 - f remains, the log of the
remaining time has the variance c (1/g + 1/(1 - f)), one term for the pace so far and one for the rest; c is learned.
The log of the length has r^2 times that, where r is the remaining time's share of it.

Many workers are faster at one end of a phase than at the other, in every run. The remaining time that their pace
implies is multiplied by exp(b), where the bias b is learned for each series.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import exp, isfinite, log, sqrt
from typing import Final, NamedTuple

import numpy as np

from phaseline.eta.model.normal import Floats
from phaseline.eta.observed import MAX_MS, Mark

__all__ = ["WEIGHTS", "Noise", "Pace", "Trust", "bias_of", "noise_of", "pace"]

# Prior of log c for an unknown worker: mean, weight in runs, standard deviation.
_PRIOR: Final = log(0.02)
_PRIOR_RUNS: Final = 2.0
_PRIOR_SPREAD: Final = 1.0
# Maximum weight, in runs, of the noise that an active run shows.
_SHOWN_MOST: Final = 2.0
_NOISE_LEAST: Final = 2e-5
# Percentages are whole numbers: the square of half a percent.
_ROUNDED: Final = 2.5e-5
# Standard deviation of the log ratio of two paces: a factor of two is an ordinary change of pace.
_SAME_PACE: Final = log(2)
# Possible delay of a first report, in milliseconds; a pace over a shorter time is too uncertain to use.
_LATE_MS: Final = 1000.0
_LEAST_MS: Final = 0.5
_LEAST_SHARE: Final = 1e-9
# Prior of a bias: this many runs with bias 0, and their standard deviation.
_BIAS_RUNS: Final = 6.0
_BIAS_SPREAD: Final = 0.3
# Maximum bias that a single report can show.
_BIAS_MOST: Final = 2.0
# Progress outside these shares of a phase is not used to learn its noise and bias.
_ENDS: Final = (0.02, 0.98)
# Maximum doubt about the start, as a variance of the log; progress with more doubt is not used to learn.
_DOUBT_MOST: Final = 0.5
# Nodes and weights for a standard normal (Abramowitz and Stegun 25.4.46).
_SQRT_3: Final = sqrt(3)
_NODES: Final[Floats] = _SQRT_3 * np.array([0.0, -1.0, 1.0])
WEIGHTS: Final[Floats] = np.array([4.0, 1.0, 1.0]) / 6


class Pace(NamedTuple):
    """The length of a phase by extrapolation.

    Attributes:
        log_ms: Log of the phase's whole length in milliseconds.
        spread: Factor from the worker's noise c to the variance of `log_ms`.
        doubt: Added to that variance, for doubt about the start and for an overrun.
        log_c: Log of the noise c measured in its reports so far; 0 if there is no measurement.
        shown: Weight of `log_c`, in runs.
        single: Whether it is based on one report, which may be the start of a resumed phase.
    """

    log_ms: float
    spread: float
    doubt: float
    log_c: float = 0.0
    shown: float = 0.0
    single: bool = False

    @property
    def sure(self) -> bool:
        """Whether the start is known well enough to use the pace."""
        return self.doubt <= _DOUBT_MOST

    def rest(self, phase_ms: float) -> float:
        """Return the milliseconds that remain of a phase by its progress alone; 0 if the pace is not `sure`."""
        return max(0.0, exp(self.log_ms) - phase_ms) if self.sure else 0.0

    def variances(self, trust: "Trust") -> Floats:
        """Return the variance of `log_ms` for each of the trust's three noises."""
        return trust.noises() * self.spread + (self.doubt + _ROUNDED)

    def most(self, trust: "Trust") -> float:
        """Return a log length that is hardly exceeded: three standard deviations, with the largest of the noises."""
        noise = exp(trust.log_c + _SQRT_3 * trust.spread)
        return self.log_ms + 3 * sqrt(noise * self.spread + self.doubt + _ROUNDED)


class Noise(NamedTuple):
    """The accuracy of workers' progress: decaying sums of log c, or of the bias, over runs.

    Attributes:
        runs: Sum of the runs' weights.
        logs: Sum of the logs.
        squares: Sum of their squares.
    """

    runs: float = 0.0
    logs: float = 0.0
    squares: float = 0.0

    @property
    def sound(self) -> bool:
        """Whether the values are plausible; those of a damaged record may not be."""
        return all(map(isfinite, self)) and self.runs >= 0 and self.squares >= 0

    def after(self, log_c: float, kept: float = 1.0, runs: float = 1.0) -> "Noise":
        """Return the sums after `runs` more runs with this log c; the previous sums are multiplied by `kept`."""
        logs = runs * log_c
        return Noise(kept * self.runs + runs, kept * self.logs + logs, kept * self.squares + logs * log_c)

    def bias(self) -> float:
        """Return the next run's bias, if these are sums of biases: the mean, shrunk to 0 as far as it may be chance."""
        weight = self.runs + _BIAS_RUNS
        mean = self.logs / weight
        apart = self.squares - self.logs**2 / self.runs if self.runs > 0 else 0.0
        variance = (max(apart, 0.0) + _BIAS_RUNS * _BIAS_SPREAD**2) / weight
        return mean**3 / (mean**2 + variance / (self.runs + 1))

    def trust(self, server: "Noise") -> "Trust":
        """Return a series' trust: shrunk to the server's, which is shrunk to the prior."""
        return _drawn(self, _drawn(server, Trust(_PRIOR, _PRIOR_SPREAD)))


class Trust(NamedTuple):
    """The distribution of the noise c of a worker's progress, which differs from run to run: log c is normal.

    Attributes:
        log_c: Its mean.
        spread: Its standard deviation.
    """

    log_c: float
    spread: float

    def noises(self) -> Floats:
        """Return three values of c that represent the distribution, to weight by `WEIGHTS` (Gauss-Hermite)."""
        return np.exp(self.log_c + self.spread * _NODES)


def _drawn(known: Noise, towards: Trust) -> Trust:
    """Return the runs' estimate, shrunk to the prior `towards` (empirical Bayes)."""
    weight = known.runs + _PRIOR_RUNS
    mean = (known.logs + _PRIOR_RUNS * towards.log_c) / weight
    apart = known.squares - known.logs**2 / known.runs if known.runs > 0 else 0.0
    return Trust(mean, sqrt((max(apart, 0.0) + _PRIOR_RUNS * towards.spread**2) / weight))


def pace(mark: Mark | None, marks: Sequence[Mark], phase_ms: float, bias: float = 0.0) -> Pace | None:
    """Return the length that progress implies, or None if it implies none.

    Args:
        mark: The latest report.
        marks: Some of the reports since the phase, or its progress, last started again; the first of them is included.
        phase_ms: Time in the phase by now, which may exceed the length that was expected.
        bias: Added to the log of the remaining time.
    """
    if mark is None or mark[1] <= 0:
        return None
    at, done = mark[0], max(min(mark[1], 1.0), _LEAST_SHARE)
    if marks and marks[0][1] > 0 and mark[1] <= marks[0][1]:
        return _first(at, done, phase_ms, bias)
    began, had = _start(at, done, marks[0] if marks else None)
    gained, spent = max(done - had, _LEAST_SHARE), max(at - began, _LEAST_MS)
    rest = min((1 - done) * spent / gained * exp(bias), MAX_MS)
    length = max(at + rest, _LEAST_MS)
    # Shares of the work that this run does.
    own, left = gained / (1 - had), max(1 - done, _LEAST_SHARE) / (1 - had)
    share = rest / length
    spread = (own + left) * share * share / (own * left)
    log_c, shown = _shown((*marks, mark), spent / gained)
    return Pace(log(length), spread, _overrun(phase_ms, length), log_c, shown)


def _shown(marks: Sequence[Mark], speed: float) -> tuple[float, float]:
    """Return log c, measured in the stretches between reports at a mean pace of `speed`, and its weight in runs.

    A stretch of the work d takes speed * d, with the variance speed^2 c d.
    """
    stretches = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(marks) if b[1] - a[1] > _LEAST_SHARE]
    free = len(stretches) - 1
    if free < 1:
        return 0.0, 0.0
    squares = sum((ms - speed * work) ** 2 / work for ms, work in stretches)
    return log(max(squares / (speed * speed * free), _NOISE_LEAST)), min(float(free), _SHOWN_MOST)


def _first(at: float, done: float, phase_ms: float, bias: float) -> Pace | None:
    """Return the pace of a single report; the earlier it came and the longer no other follows, the less certain."""
    if at <= 0:
        return None
    length = min(max(at + at * (1 - done) / done * exp(bias), _LEAST_MS), max(at, MAX_MS))
    waited = max(0.0, log(max(phase_ms, at) / (2 * at)))
    doubt = (_LATE_MS / at) ** 2 + waited * waited + _overrun(phase_ms, length)
    return Pace(log(length), (1 - done) / done, doubt, single=True)


def _start(at: float, done: float, origin: Mark | None) -> Mark:
    """Return the origin of the pace: time 0 with nothing done, the first report, or a point between them."""
    if origin is None:
        return 0.0, 0.0
    began, had = origin
    if had <= 0:
        return min(began, at), 0.0
    before = max(began, _LEAST_MS) / had
    since = max(at - began, _LEAST_MS) / (done - had)
    apart = log(before / since) / _SAME_PACE
    offset = 1 - exp(-apart * apart / 2)
    return offset * began, min(offset * had, 1 - _LEAST_SHARE)


def _overrun(phase_ms: float, length: float) -> float:
    """Return the minimum variance of a phase that exceeds the length its progress implied; 0 for others."""
    over = log(phase_ms / length) if phase_ms > length else 0.0
    return over * over


def bias_of(marks: Sequence[Mark], ms: float, most: int) -> float | None:
    """Return the mean log ratio of the true to the implied remaining time in a phase that took `ms`, or None.

    Args:
        marks: Reports, the first of which is the origin.
        ms: Duration of the phase.
        most: Approximate maximum number of reports to use.
    """
    total = weights = 0.0
    for mark, implied in _implied(marks, most, 0.0):
        miss = log(max(ms - mark[0], _LEAST_MS) / max(implied.rest(mark[0]), _LEAST_MS))
        # The inverse of its variance, which is proportional to 1/f + 1/(1 - f).
        weight = mark[1] * (1 - mark[1])
        total += weight * min(max(miss, -_BIAS_MOST), _BIAS_MOST)
        weights += weight
    return total / weights if weights else None


def noise_of(marks: Sequence[Mark], ms: float, most: int, bias: float = 0.0) -> float | None:
    """Return log c for a phase that took `ms`, or None; see `bias_of`."""
    found = []
    for _, implied in _implied(marks, most, bias):
        miss = log(max(ms, _LEAST_MS)) - implied.log_ms
        found.append(min(1.0, miss * miss / implied.spread))
    return log(max(sum(found) / len(found), _NOISE_LEAST)) if found else None


def _implied(marks: Sequence[Mark], most: int, bias: float) -> Iterator[tuple[Mark, Pace]]:
    """Yield some of the reports, without those near the ends, and the pace that each implied."""
    seen = [mark for mark in marks if _ENDS[0] <= mark[1] <= _ENDS[1] and mark[0] > 0]
    for mark in seen[:: max(1, len(seen) // most)]:
        implied = pace(mark, marks[:1], mark[0], bias)
        if implied is not None and implied.spread > 0 and implied.sure:
            yield mark, implied
