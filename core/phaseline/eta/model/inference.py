"""A run under way: what its finished phases say of its components, and from there what remains.

With x_p the log length of phase p, component c says x_p ~ N(C_cp + s, H_cp^2) with s ~ N(0, T_c^2), the same for the
whole run. After finished phases, s has the precision a + 1/T^2 and the mean b / (a + 1/T^2), where a and b sum up
1/H^2 and (x - C)/H^2 (conjugate normal updating), both faded a little with each phase, for speed changes on the way.
"""

from collections.abc import Sequence
from math import log
from typing import Final, NamedTuple

import numpy as np

from phaseline.eta.model.components import Mixture
from phaseline.eta.model.history import log_ms
from phaseline.eta.model.normal import DRAWS, Floats, draws, log_tail, tail_quantile
from phaseline.eta.observed import Mark

__all__ = ["Answer", "Progress", "Question"]

_FADE: Final = 0.85
_MARK_TEMPER: Final = 0.4
_TEMPER: Final = 0.7
_SURPRISE_MAX: Final = 3.0
_MARK_LEAST: Final = 0.0004
# The top of a band, as the longest draw: so far it can be moved by a level that adapts.
_TOP: Final = 2.0
# The first thousandth of a run counts as its beginning, and that is one of twenty looks at it.
_FIRST: Final = 0.001
_AT_START: Final = 0.05
# What is said to be done less than that says nothing, and must not overflow.
_FRACTION_LEAST: Final = 1e-9


class Answer(NamedTuple):
    """What remains, in milliseconds: the point, the two ends of the band, the median, and of the current phase."""

    point: float
    low: float
    high: float
    median: float
    phase: float


class Question(NamedTuple):
    """Where a run is.

    Attributes:
        current: Index of the current phase, or None.
        later: Indices of those that may still come.
        elapsed_ms: Time in the run.
        phase_ms: Time in the current phase.
        mark: The worker's last word on it.
        mark_noise: See `History`.
        below: The level that stands for p10.
        above: How far under 1 the level for p90 is.
        by_length: Whether draws count by 1/length: see `Progress.ask`.
    """

    current: int | None
    later: Sequence[int]
    elapsed_ms: float
    phase_ms: float
    mark: Mark | None
    mark_noise: float
    below: float
    above: float
    by_length: bool = True


class Progress:
    """What the finished phases of one run say of its components."""

    def __init__(self, mixture: Mixture) -> None:
        """Begin with no phase finished."""
        self.mixture = mixture
        k = len(mixture.speed)
        self._a: Floats = np.zeros(k)
        self._b: Floats = np.zeros(k)
        self._log_likelihood: Floats = np.zeros(k)
        self._settled = False
        self._informed_by: tuple[int, Mark | None, float] | None = None

    def finish(self, p: int, ms: float | None, *, skipped: bool) -> None:
        """Take in that phase `p` is over; of one with `ms` None nobody knows what it took."""
        m = self.mixture
        self._settled = False
        if skipped:
            self._log_likelihood += m.blend.log_skip[:, p]
        elif ms is not None:
            scatter = m.blend.scatter[:, p]
            surprise = np.clip((log_ms(ms) - m.centre[:, p]) / scatter, -_SURPRISE_MAX, _SURPRISE_MAX)
            self._a = _FADE * self._a + 1 / m.blend.variance[:, p]
            self._b = _FADE * self._b + surprise / scatter
            self._log_likelihood += m.blend.log_run[:, p] - surprise * surprise / 2 - m.blend.log_scatter[:, p]

    def _settle(self) -> None:
        """Work out the posteriors of the components and of their speeds."""
        m = self.mixture
        prior = m.speed * m.speed
        self._v: Floats = 1 / (self._a + 1 / prior)
        self._s: Floats = self._b * self._v
        evidence = self._log_likelihood + self._b * self._s / 2 + np.log(self._v / prior) / 2
        # Tempered (a "power posterior"): phases are not as independent as the components believe.
        self._lw: Floats = m.blend.log_weight + _TEMPER * evidence
        self._settled = True
        self._informed_by = None

    def ask(self, question: Question) -> Answer:
        """Return what remains: 48 draws of the rest of the run, given that it has come so far.

        Each draw counts by 1/(t + R + a tenth of the median), its length: someone who asks at a given share of a run's
        length meets short and long runs equally often, while the draws stand for one moment on the clock. Only the look
        at its very beginning meets each run once, however long, so there draws count alike. With
        `by_length` false, all draws count alike: the question of someone who watches the clock. The point is the draw
        with the least expected loss min(|point - R| / (t + R), 1), the miss as a share of the run's length (Bayes
        estimator of a bounded loss): with two modes it stands in one of them, not between.
        """
        if not self._settled:
            self._settle()
        current, later, t = question.current, question.later, question.elapsed_ms
        log_weight, mean, spread, tail = self._current(question)
        weight = np.exp(log_weight - log_weight.max()).cumsum()
        chosen = weight.searchsorted(draws.strata * weight[-1])
        v, s = self._v[chosen], self._s[chosen]
        if current is None:
            lengths = None
            speed = s + np.sqrt(v) * draws.factor
        else:
            lengths, speed = self._draw_current(question, chosen, mean, spread, tail, v, s)
        remaining = np.zeros(DRAWS) if lengths is None else lengths - question.phase_ms
        phase = 0.0 if lengths is None else float(np.sort(remaining)[DRAWS // 2])
        if later:
            remaining = remaining + self._draw_later(later, chosen, speed)
        return _summary(remaining, t, phase, question)

    def _current(self, q: Question) -> tuple[Floats, Floats, Floats, Floats]:
        """Return the weights of the components, and for each the current phase's mean, spread and chance to last."""
        if q.current is None:
            return self._lw, self._s, self._s, self._s
        known = (q.current, q.mark, q.mark_noise)
        if known != self._informed_by:
            # Mostly only time has passed since the last question.
            self._informed, self._informed_by = self._inform(*known), known
        lw, mean, spread = self._informed
        tail = log_tail((log_ms(q.phase_ms) - mean) / spread) if q.phase_ms > 0 else np.zeros(len(mean))
        return lw + tail, mean, spread, tail

    def _inform(self, current: int, mark: Mark | None, mark_noise: float) -> tuple[Floats, Floats, Floats]:
        """Return what the worker's last word leaves of the components' weights, and of the phase's mean and spread."""
        m, lw = self.mixture, self._lw
        mean = m.centre[:, current] + self._s
        variance = m.blend.variance[:, current] + self._v
        if mark and mark[1] > 0:
            ms, fraction = mark[0], max(mark[1], _FRACTION_LEAST)
            said = log(max(ms, 0.5) / fraction)
            noise = mark_noise * (1 - fraction) / fraction + _MARK_LEAST
            total = variance + noise
            lw = lw - _MARK_TEMPER * ((said - mean) ** 2 / total + np.log(total)) / 2
            gain = variance / total
            mean = mean + gain * (said - mean)
            variance = variance * (1 - gain)
        return lw, mean, np.sqrt(variance)

    def _draw_current(
        self, q: Question, chosen: Floats, mean: Floats, spread: Floats, tail: Floats, v: Floats, s: Floats
    ) -> tuple[Floats, Floats]:
        """Draw the current phase's length, given that it lasts still, and the run's speed given that."""
        m, k = self.mixture, q.current
        log_elapsed = log_ms(q.phase_ms)
        x = mean[chosen] + spread[chosen] * tail_quantile(tail[chosen] + draws.log_tails)
        x = np.minimum(np.maximum(x, log_elapsed), max(float(m.cap[k]), log_elapsed + 1))
        own = m.blend.variance[chosen, k]
        both = v + own
        speed = s + v / both * (x - m.centre[chosen, k] - s) + np.sqrt(v * own / both) * draws.factor
        lengths: Floats = np.maximum(np.exp(x), q.phase_ms)
        return lengths, speed

    def _draw_later(self, later: Sequence[int], chosen: Floats, speed: Floats) -> Floats:
        """Draw the sum of the phases that are to come."""
        m = self.mixture
        first, end = later[0], later[-1] + 1
        at = slice(first, end) if end - first == len(later) else list(later)
        x = m.centre[:, at][chosen] + speed[:, None] + m.blend.scatter[:, at][chosen] * draws.normal[:, at]
        lengths = np.exp(np.minimum(x, m.cap[at]))
        runs = draws.uniform[:, at] >= m.blend.skip[:, at][chosen]
        total: Floats = (lengths * runs).sum(axis=1)
        return total


def _summary(remaining: Floats, t: float, phase: float, q: Question) -> Answer:
    r = np.sort(remaining)
    if q.by_length:
        length = t + r + (0.1 * float(r[DRAWS // 2]) + 1e-9)
        weight = 1 / length
        moment = _FIRST * float(length[DRAWS // 2])
        if t < moment:
            weight += _AT_START / moment
    else:
        weight = np.ones(DRAWS)
    total = weight.cumsum()
    levels = np.concatenate(([0.0], (total - weight / 2) / total[-1], [1.0]))
    ends = np.concatenate(([0.0], r, [_TOP * r[-1]]))
    low, median, high = np.interp((q.below, 0.5, 1 - q.above), levels, ends).tolist()
    # Whoever is told so much is wrong by a share of the run's length, and a miss by more than that length is no worse.
    miss = np.abs(r[:, None] - r)
    miss *= 1 / (t + r + 1e-9)
    loss = np.minimum(miss, 1.0, out=miss) @ weight
    point = float(r[loss.argmin()])
    return Answer(point, low, high, median, phase)
