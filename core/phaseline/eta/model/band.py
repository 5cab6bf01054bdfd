"""The levels that stand for the band's p10 and p90: they move until the truth lies outside as often as it should.

Adaptive conformal inference (Gibbs and Candes 2021): after each run, an end's level moves by pace * (0.1 - share of the
looks at which the truth lay beyond that end). The upper end has a level of its own for a run's first moments, which
are asked about most and known of least.
"""

from functools import lru_cache
from math import sqrt
from typing import Final, NamedTuple

__all__ = ["EARLY", "Band", "Outside"]

_LEVEL: Final = 0.1
_LEAST: Final = 0.0005
_MOST: Final = 0.4
# The first steps are longer, and fall with the root of the number of runs.
_FIRST_PACE: Final = 0.2
# A run's first moments, as shares of its length; halfway to the rest of it at the share that is called `_PAST`.
EARLY: Final = (0.005, 0.01, 0.02)
_PAST: Final = 0.03


class Outside(NamedTuple):
    """The shares of the looks at a run at which the truth lay below the band, above it, and above it early."""

    below: float
    above: float
    early: float


class Band(NamedTuple):
    """Levels.

    Attributes:
        below: What stands for p10.
        above: How far under 1 the level is that stands for p90.
        early: The same in a run's first moments.
        runs: From how many runs.
    """

    below: float = _LEVEL
    above: float = _LEVEL
    early: float = _LEVEL
    runs: int = 0

    @property
    def sound(self) -> bool:
        """Whether all are levels; NaN is none."""
        return all(0 < level < 0.5 for level in self[:3]) and self.runs >= 0  # noqa: PLR2004

    def moved(self, outside: Outside, pace: float) -> "Band":
        """Return the levels after a run, by steps that fall to `pace`."""
        step = max(pace, _FIRST_PACE / sqrt(1 + self.runs))
        pairs = zip(self[:3], outside, strict=True)
        levels = [min(max(level + step * (_LEVEL - share), _LEAST), _MOST) for level, share in pairs]
        return Band(levels[0], levels[1], levels[2], self.runs + 1)

    def missed(self, count: int, pace: float) -> "Band":
        """Return the levels as if `count` more runs had lain above the band, and as often below it as they should."""
        return _missed(self, count, pace) if count else self

    def beside(self, other: "Band") -> "Band":
        """Return the means of both."""
        return Band((self.below + other.below) / 2, (self.above + other.above) / 2, (self.early + other.early) / 2)

    def top(self, share: float) -> float:
        """Return the level of the upper end when about this share of the run has gone by."""
        past = (share / _PAST) ** 2
        return (self.early + past * self.above) / (1 + past)


_MISSED: Final = Outside(_LEVEL, 1.0, 1.0)


@lru_cache(maxsize=256)
def _missed(band: Band, count: int, pace: float) -> Band:
    for _ in range(count):
        band = band.moved(_MISSED, pace)
    return band
