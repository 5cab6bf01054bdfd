"""Forecast when a box is free: the time until all active and queued jobs of one host and queue have ended.

List scheduling (see `slots`) gives the time until the slots have ended all jobs. It is computed for several exponents,
each a measure of how much active jobs slow one another. The exponent with the best earlier forecasts is used.

The listed time is multiplied by the ratio of the true to the listed time at earlier looks; the distribution of these
ratios gives the band. The errors of the looks at one batch are correlated, so each batch counts as one observation.
Older batches count less.
"""

from collections import deque
from collections.abc import Collection, Sequence
from math import exp, isfinite, log
from statistics import NormalDist, median
from typing import Final, NamedTuple, Self

import msgspec

from phaseline.eta.slots import Box, listed_ms

__all__ = ["Batch", "BoxScore", "Free", "Look", "Ratios", "box_free"]

_VERSION: Final = 1
_EXPONENTS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
# The exponent without any batches; another one must be better by a tenth of its distance.
_FIRST_EXPONENT: Final = 0.5
_EXPONENT_DOUBT: Final = 0.1
_LEVELS: Final = (0.1, 0.5, 0.9)
_HALF_LIFE: Final = 16  # batches
_MOST_BATCHES: Final = 64
_SLOTS_OF: Final = 4  # batches
_LOOKS: Final = 10  # moments of a batch, evenly spaced
_MOST_LOOKS: Final = 200
# The prior: two batches whose ratios are log-normal about 1 with this standard deviation of the log.
_PRIOR_BATCHES: Final = 2.0
_PRIOR_SD: Final = 0.6
_PRIOR: Final = tuple(NormalDist(0, _PRIOR_SD).inv_cdf((i + 0.5) / _LOOKS) for i in range(_LOOKS))
_LEAST_MS: Final = 1.0
# Maximum error of a single look, as a log ratio.
_MOST_OFF: Final = 5.0


class Free(NamedTuple):
    """The time in milliseconds until the box is free: the estimate, and the band around it (p10 and p90)."""

    point_ms: float
    low_ms: float
    high_ms: float


class Look(NamedTuple):
    """A forecast, to be compared with the truth.

    Attributes:
        at_ms: Its time, by any clock.
        active: Number of active jobs.
        listed_ms: The time until the box is free without the learned ratio, for each exponent.
        free: The forecast.
    """

    at_ms: float
    active: int
    listed_ms: tuple[float, ...]
    free: Free


class BoxScore(NamedTuple):
    """The accuracy of the forecasts of ended batches.

    Attributes:
        batches: Number of batches.
        error: Median absolute error of the remaining time, as a share of the batch's length.
        coverage: Share of looks with the truth inside the band.
    """

    batches: int
    error: float
    coverage: float


class _Ended(msgspec.Struct, frozen=True, array_like=True):
    """An ended batch.

    Attributes:
        slots: Maximum number of active jobs.
        crowd: Mean number of active jobs that a job met, itself included.
        logs: By look and exponent, the logs of the ratios.
        error: See `BoxScore`.
        coverage: See `BoxScore`.
    """

    slots: int
    crowd: float
    logs: tuple[tuple[float, ...], ...]
    error: float
    coverage: float

    @property
    def sound(self) -> bool:
        """Whether the values are plausible; those of a damaged record may not be."""
        whole = bool(self.logs) and all(len(row) == len(_EXPONENTS) for row in self.logs)
        numbers = (self.crowd, self.error, self.coverage, *(value for row in self.logs for value in row))
        return whole and all(map(isfinite, numbers)) and self.crowd >= 1 and self.error >= 0 and self.slots >= 1


class _StoredRatios(msgspec.Struct, frozen=True, array_like=True):
    version: int
    batches: tuple[_Ended, ...]


class Ratios:
    """The ratios of true to listed time in earlier batches of a host and queue."""

    def __init__(self) -> None:
        """Start without batches."""
        self._ended: deque[_Ended] = deque(maxlen=_MOST_BATCHES)
        self._settle()

    def look(self, at_ms: float, box: Box) -> Look:
        """Return the forecast for a box with at least one job."""
        weight, crowds = self._crowds
        crowd = (crowds + box.slots) / (weight + 1)  # the number of slots counts as one batch
        listed = tuple(max(_LEAST_MS, listed_ms(box, exponent, crowd)) for exponent in _EXPONENTS)
        low, point, high = (listed[self._chosen] * exp(value) for value in self._levels)
        return Look(at_ms, len(box.active), listed, Free(point, low, high))

    def learn(self, looks: Sequence[Look], free_ms: float) -> None:
        """Learn from a batch: the looks at one set of jobs, oldest first, and the time when the last job ended."""
        looks = _spread(looks, free_ms)
        active = [look.active for look in looks if look.active]
        if not active:
            return
        length_ms = free_ms - looks[0].at_ms
        logs = []
        errors, inside = [], []
        for look in looks:
            left_ms = max(_LEAST_MS, free_ms - look.at_ms)
            ratios = (log(left_ms / listed) for listed in look.listed_ms)
            logs.append(tuple(min(max(value, -_MOST_OFF), _MOST_OFF) for value in ratios))
            errors.append(abs(look.free.point_ms - left_ms) / length_ms)
            inside.append(look.free.low_ms <= left_ms <= look.free.high_ms)
        # The mean over jobs, not over looks: a crowd of two is met by two jobs.
        crowd = sum(count * count for count in active) / sum(active)
        self._ended.append(_Ended(max(active), crowd, tuple(logs), median(errors), sum(inside) / len(inside)))
        self._settle()

    @property
    def slots(self) -> int:
        """The number of slots, estimated as the maximum number of active jobs in the latest batches; at least 1."""
        return max([1, *(each.slots for each in list(self._ended)[-_SLOTS_OF:])])

    @property
    def score(self) -> BoxScore | None:
        """The accuracy of the forecasts so far, or None if no batch has ended."""
        ended = self._ended
        if not ended:
            return None
        return BoxScore(
            len(ended), median(each.error for each in ended), sum(each.coverage for each in ended) / len(ended)
        )

    @property
    def exponent(self) -> float:
        """The exponent a: how much active jobs slow one another, from 0 (not at all) to 1 (they share all)."""
        return _EXPONENTS[self._chosen]

    def _settle(self) -> None:
        """Compute the exponent, crowds and levels that forecasts use."""
        ages = range(len(self._ended) - 1, -1, -1)
        weighted = [(2.0 ** (-age / _HALF_LIFE), each) for age, each in zip(ages, self._ended, strict=True)]
        self._crowds = sum(weight for weight, _ in weighted), sum(weight * each.crowd for weight, each in weighted)
        costs = [_EXPONENT_DOUBT * abs(exponent - _FIRST_EXPONENT) for exponent in _EXPONENTS]
        for weight, each in weighted:
            for i in range(len(costs)):
                costs[i] += weight * sum(abs(row[i]) for row in each.logs) / len(each.logs)
        self._chosen = chosen = costs.index(min(costs))
        prior = _PRIOR_BATCHES * 2.0 ** (-len(weighted) / _HALF_LIFE) / len(_PRIOR)
        values = [(value, prior) for value in _PRIOR]
        for weight, each in weighted:
            values += [(row[chosen], weight / len(each.logs)) for row in each.logs]
        self._levels = _quantiles(sorted(values))

    def encode(self) -> bytes:
        """Return the state as bytes."""
        return msgspec.msgpack.encode(_StoredRatios(_VERSION, tuple(self._ended)))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the ratios that `encode` encoded.

        Raises:
            ValueError: `data` is damaged or from another version. Start without batches.
        """
        kept = msgspec.msgpack.decode(data, type=_StoredRatios)  # its errors are ValueErrors
        if kept.version != _VERSION or not all(each.sound for each in kept.batches):
            raise ValueError(f"the state of a box, version {kept.version}, is not valid; start without batches")
        ratios = cls()
        ratios._ended.extend(kept.batches)
        ratios._settle()
        return ratios


class Batch:
    """The looks at a box since its last job arrived, until it is free."""

    def __init__(self) -> None:
        """Start without looks."""
        self._jobs: frozenset[str] = frozenset()
        self._looks: list[Look] = []

    def add(self, look: Look, jobs: Collection[str]) -> None:
        """Add a look at a box with these active and queued jobs; a new job starts another batch."""
        if not self._jobs.issuperset(jobs):
            self._looks.clear()
            self._jobs = frozenset(jobs)
        self._looks.append(look)
        if len(self._looks) > _MOST_LOOKS:
            del self._looks[1::2]

    @property
    def jobs(self) -> frozenset[str]:
        """The jobs of the batch."""
        return self._jobs

    def end(self, free_ms: float) -> Sequence[Look]:
        """Return the looks of the batch whose last job ended at `free_ms`, and start another one."""
        looks = [look for look in self._looks if look.at_ms < free_ms]
        self._jobs, self._looks = frozenset(), []
        return looks


def box_free(box: Box | None, learned: Ratios) -> Free | None:
    """Return the time until a box is free; None if it is free, or if the remaining time of a job is unknown."""
    return learned.look(0.0, box).free if box is not None and (box.active or box.queued) else None


def _spread(looks: Sequence[Look], free_ms: float) -> list[Look]:
    """Return the latest looks before evenly spaced moments of a batch."""
    if not looks or looks[0].at_ms >= free_ms:
        return []
    began_ms, chosen = looks[0].at_ms, dict[float, Look]()
    moments = [began_ms + (free_ms - began_ms) * i / _LOOKS for i in range(_LOOKS)]
    for moment in moments:
        look = max((look for look in looks if look.at_ms <= moment), key=lambda each: each.at_ms, default=looks[0])
        chosen[look.at_ms] = look
    return list(chosen.values())


def _quantiles(values: Sequence[tuple[float, float]]) -> list[float]:
    """Return the values at the levels of the band, of values with weights in rising order."""
    total, below, levels = sum(weight for _, weight in values), 0.0, iter(_LEVELS)
    found: list[float] = []
    level = next(levels)
    before = (0.0, values[0][0])
    for value, weight in values:
        here = ((below + weight / 2) / total, value)
        while len(found) < len(_LEVELS) and here[0] >= level:
            share = (level - before[0]) / (here[0] - before[0])
            found.append(before[1] + share * (here[1] - before[1]))
            level = next(levels, 1.0)
        before = here
        below += weight
    return found + [before[1]] * (len(_LEVELS) - len(found))
