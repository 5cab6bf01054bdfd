"""An active run: the weights of its components after its finished phases, and the remaining time.

With x_p the log length of phase p, component c says x_p ~ N(C_cp + s, H_cp^2) with s ~ N(0, T_c^2), the same for the
whole run. After finished phases, s has the precision a + 1/T^2 and the mean b / (a + 1/T^2), where a and b sum up 1/H^2
and (x - C)/H^2 (conjugate normal updating), both faded a little with each phase because the speed changes.
"""

from bisect import bisect
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from phaseline.eta.model.band import Band
from phaseline.eta.model.components import Mixture
from phaseline.eta.model.history import log_ms
from phaseline.eta.model.normal import DRAWS, Floats, Ints, draws, log_tail, tail_quantile
from phaseline.eta.model.pace import WEIGHTS, Pace, Trust

__all__ = ["Answer", "Progress", "Question"]

_FADE: Final = 0.85
_MARK_TEMPER: Final = 0.4
_TEMPER: Final = 0.7
_SURPRISE_MAX: Final = 3.0
# Maximum upper end of a band, as a multiple of the longest draw; an adaptive level can move the end up to it.
_TOP: Final = 2.0
# Extra weight of the looks at a run's first moments: almost none for the point; for the band, the real one.
_AT_ONCE: Final = 0.001
_SOON: Final = 0.05
# Minimum length of a moment, as a share of the run; it gives the very beginning a finite weight.
_INSTANT: Final = 1e-6
# Index of the sorted draw that represents a long remaining time.
_LONG: Final = -5
# Maximum log of a length in milliseconds; it prevents an overflow.
_LOG_MOST: Final = 60.0
_JENSEN_MOST: Final = 1.0
# Percent never falls, so one that is too high stays. It is therefore based on a remaining time above the point: on this
# level of the draws, or on the second one in a first run, whose estimates change most.
_CAUTIOUS: Final = 0.6
_FIRST_CAUTIOUS: Final = 0.75
_LOG_WEIGHTS: Final[Floats] = np.log(WEIGHTS)[:, None]


class Answer(NamedTuple):
    """The remaining time, in milliseconds.

    Attributes:
        point: The estimate.
        low: The lower end of the band.
        high: The upper end of the band.
        cautious: The estimate that percent is based on, which never falls; see `_CAUTIOUS`.
        phase: The estimate for the current phase alone.
    """

    point: float
    low: float
    high: float
    cautious: float
    phase: float


class Question(NamedTuple):
    """The position of a run, and what its estimate is based on.

    Attributes:
        current: Index of the current phase, or None.
        later: Indices of the phases that may follow.
        elapsed_ms: Time in the run.
        phase_ms: Time in the current phase.
        pace: The length of the current phase that the worker's progress implies.
        trust: The distribution of that progress's noise.
        band: The levels of the band.
        by_length: Whether draws are weighted by 1/length; see `Progress.ask`.
        alone: Whether the worker's progress is the only data.
    """

    current: int | None
    later: Sequence[int]
    elapsed_ms: float
    phase_ms: float
    pace: Pace | None
    trust: Trust
    band: Band
    by_length: bool = True
    alone: bool = False


class Progress:
    """The posterior of one run's components after its finished phases."""

    def __init__(self, mixture: Mixture) -> None:
        """Start without finished phases."""
        self.mixture = mixture
        k = len(mixture.speed)
        self._a: Floats = np.zeros(k)
        self._b: Floats = np.zeros(k)
        self._log_likelihood: Floats = np.zeros(k)
        self._settled = False
        self._informed_by: tuple[int, Pace | None, Trust] | None = None

    def finish(self, p: int, ms: float | None, *, skipped: bool) -> None:
        """Record the end of phase `p`; `ms` is None if its duration is unknown."""
        m = self.mixture
        self._settled = False
        if skipped:
            self._log_likelihood += m.blend.log_skip[:, p]
        elif ms is not None:
            scatter = m.blend.scatter[:, p]
            surprise = (log_ms(ms) - m.centre[:, p]) / scatter
            if m.blend.known:
                surprise = np.clip(surprise, -_SURPRISE_MAX, _SURPRISE_MAX)
            self._a = _FADE * self._a + 1 / m.blend.variance[:, p]
            self._b = _FADE * self._b + surprise / scatter
            self._log_likelihood += m.blend.log_run[:, p] - surprise * surprise / 2 - m.blend.log_scatter[:, p]

    def _settle(self) -> None:
        """Compute the posteriors of the components and of their speeds."""
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
        """Return the remaining time, from 48 draws of the rest of the run, given its position.

        The objective, which the benchmark scores, too, is the mean of min(|point - R| / L, 1) over looks that are
        spread evenly over each run. This is the error as a share of the run's length L = t + R. A look at time t meets
        runs of length L with a weight of 1/L (short and long runs are looked at equally often). The more frequent looks
        in the first moments add k/t, the same for all lengths. So draws have the weights 1/L + k/t. With `by_length`
        false, all draws have the same weight, as if runs were looked at in regular intervals.

        The point is the draw with the least expected loss (the Bayes estimator of a bounded loss). If the distribution
        has two modes, the point is in one of them, not between them. If progress is the only data, the point is the
        plain median of the draws, which is the extrapolation itself.
        """
        if not self._settled:
            self._settle()
        current, later, t = question.current, question.later, question.elapsed_ms
        log_weight, mean, spread, tail = self._current(question)
        weight = np.exp(log_weight - log_weight.max()).cumsum()
        chosen = weight.searchsorted(draws.strata * weight[-1])
        # The component of each draw; `mean`, `spread` and `tail` may contain each component several times.
        drawn, chosen = chosen, chosen % len(self._v)
        if current is None:
            remaining, phase = np.zeros(DRAWS), 0.0
            speed = self._s.take(chosen) + np.sqrt(self._v.take(chosen)) * draws.factor
        else:
            log_length = self._draw_current(question, mean.take(drawn), spread.take(drawn), tail.take(drawn))
            remaining = np.maximum(np.exp(log_length) - question.phase_ms, 0.0)
            phase = float(np.sort(remaining)[DRAWS // 2])
            tilt, shift, wobble = self._given.take(chosen, axis=1)
            speed = shift + tilt * log_length + wobble * draws.factor
        if later:
            remaining = remaining + self._draw_later(later, chosen, speed)
        return _summary(np.sort(remaining), t, phase, question)

    def _current(self, q: Question) -> tuple[Floats, Floats, Floats, Floats]:
        """Return each component's log weight, and its mean, spread and log probability for the current phase."""
        if q.current is None:
            return self._lw, self._s, self._s, self._s
        known = (q.current, q.pace, q.trust)
        if known != self._informed_by:
            # Usually only time has passed since the last question.
            self._informed, self._informed_by = self._inform(*known), known
            self._given = self._speed_given(q.current)
        lw, mean, spread = self._informed
        tail = log_tail((log_ms(q.phase_ms) - mean) / spread) if q.phase_ms > 0 else np.zeros(len(mean))
        return lw + tail, mean, spread, tail

    def _inform(self, current: int, pace: Pace | None, trust: Trust) -> tuple[Floats, Floats, Floats]:
        """Return the components' log weights, and the phase's means and spreads, updated by the worker's progress.

        Each component's normal for the log length is multiplied by the progress's, for each of three noises, so with
        progress there are three times as many. The first component, ignorance, has a flat prior for the length:
        progress alone decides if nothing else is probable. The pace so far is right in the mean, so its log is too low
        by half its variance (Jensen). This is corrected, by 0.5 at most, unless progress is the only data: users expect
        to see the plain extrapolation then.
        """
        m, lw = self.mixture, self._lw
        mean = m.centre[:, current] + self._s
        variance = m.blend.variance[:, current] + self._v
        if pace is None:
            return lw, mean, np.sqrt(variance)
        doubt = pace.variances(trust)[:, None]
        late = np.minimum(doubt - pace.doubt, _JENSEN_MOST) / 2 if m.blend.known else np.zeros_like(doubt)
        implied = pace.log_ms + late
        total = variance + doubt
        lw = lw - _MARK_TEMPER * ((implied - mean) ** 2 / total + np.log(total)) / 2 + _LOG_WEIGHTS
        gain = variance / total
        mean = mean + gain * (implied - mean)
        variance = variance * (1 - gain)
        mean[:, 0], variance[:, 0] = implied[:, 0], doubt[:, 0]
        return lw.ravel(), mean.ravel(), np.sqrt(variance.ravel())

    def _speed_given(self, current: int) -> Floats:
        """Return the components' distributions of the run's speed, given the current phase's log length x: normal ones.

        Its mean is `tilt * x + shift`, its standard deviation `wobble`; shape (3, k), in that order.
        """
        m, v, s = self.mixture, self._v, self._s
        own = m.blend.variance[:, current]
        tilt = v / (v + own)
        return np.array((tilt, s - tilt * (m.centre[:, current] + s), np.sqrt(tilt * own)))

    def _draw_current(self, q: Question, mean: Floats, spread: Floats, tail: Floats) -> Floats:
        """Draw the log of the current phase's length, given that it still lasts."""
        log_elapsed = log_ms(q.phase_ms)
        cap = max(float(self.mixture.cap[q.current]), log_elapsed + 1)
        if q.pace is not None:
            cap = max(cap, q.pace.most(q.trust))
        x = mean + spread * tail_quantile(tail + draws.log_tails)
        drawn: Floats = np.minimum(np.maximum(x, log_elapsed), min(cap, _LOG_MOST))
        return drawn

    def _draw_later(self, later: Sequence[int], chosen: Ints, speed: Floats) -> Floats:
        """Draw the sum of the phases that follow."""
        m = self.mixture
        first, end = later[0], later[-1] + 1
        at = slice(first, end) if end - first == len(later) else list(later)
        x = m.blend.scatter[:, at].take(chosen, axis=0)
        x *= draws.normal[:, at]
        x += m.centre[:, at].take(chosen, axis=0)
        x += speed[:, None]
        lengths = np.exp(np.minimum(x, m.cap[at], out=x), out=x)
        lengths *= draws.uniform[:, at] >= m.blend.skip[:, at].take(chosen, axis=0)
        total: Floats = np.add.reduce(lengths, axis=1)
        return total


def _summary(r: Floats, t: float, phase: float, q: Question) -> Answer:
    middle = float(r[DRAWS // 2])
    length = t + r + (0.1 * middle + 1e-9)
    if q.by_length:
        moment = t + _INSTANT * float(length[DRAWS // 2])
        for_point, for_band = 1 / length + _AT_ONCE / moment, 1 / length + _SOON / moment
    else:
        for_point = for_band = np.ones(DRAWS)
    total = for_band.cumsum()
    levels = [0.0, *((total - for_band / 2) / total[-1]).tolist(), 1.0]
    ends = [0.0, *r.tolist(), _TOP * float(r[-1])]
    top = q.band.top(t / (t + float(r[_LONG]) + 1e-9))
    low, late, high = (_at(level, levels, ends) for level in (q.band.below, _CAUTIOUS, 1 - top))
    if q.alone:
        return Answer(middle, low, high, float(r[int(_FIRST_CAUTIOUS * DRAWS)]), phase)
    # The loss is the error as a share of the run's length; an error that exceeds the length is no worse.
    miss = np.subtract.outer(r, r)
    np.abs(miss, out=miss)
    miss *= 1 / (t + r + 1e-9)
    loss = np.minimum(miss, 1.0, out=miss).dot(for_point)
    point = float(r[loss.argmin()])
    return Answer(point, low, high, max(point, late), phase)


def _at(level: float, levels: Sequence[float], ends: Sequence[float]) -> float:
    """Return the value of `ends` at a level between 0 and 1, by linear interpolation; numpy is slower at one."""
    i = bisect(levels, level, 1, len(levels) - 1)
    return ends[i - 1] + (ends[i] - ends[i - 1]) * (level - levels[i - 1]) / (levels[i] - levels[i - 1])
