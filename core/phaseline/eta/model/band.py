"""The quantile levels used for the band's p10 and p90, adapted until the truth is outside as often as it should be.

Adaptive conformal inference (Gibbs and Candes 2021): after each run, an end's level moves by pace * (0.1 - share of the
looks at which the truth was beyond that end). The upper end has a separate level for a run's first moments, which are
queried most and hardest to predict.
"""

from functools import lru_cache
from math import sqrt
from typing import Final, NamedTuple

__all__ = ["EARLY", "Band", "Outside"]

_LEVEL: Final = 0.1
_LEAST: Final = 0.0005
_MOST: Final = 0.4
# The first steps are larger; they shrink with the square root of the number of runs.
_FIRST_PACE: Final = 0.2
# A run's first moments, as shares of its length. At the share `_PAST`, the levels of these and of the rest weigh the
# same.
EARLY: Final = (0.005, 0.01, 0.02)
_PAST: Final = 0.03


class Outside(NamedTuple):
    """The shares of looks at a run with the truth below the band, above it, and above it in the first moments."""

    below: float
    above: float
    early: float


class Band(NamedTuple):
    """Levels.

    Attributes:
        below: The level used for p10.
        above: 1 minus the level used for p90.
        early: Like `above`, in a run's first moments.
        runs: The number of runs that adapted the levels.
    """

    below: float = _LEVEL
    above: float = _LEVEL
    early: float = _LEVEL
    runs: int = 0

    @property
    def sound(self) -> bool:
        """Whether all are valid levels; NaN is not."""
        return all(0 < level < 0.5 for level in self[:3]) and self.runs >= 0  # noqa: PLR2004

    def moved(self, outside: Outside, pace: float) -> "Band":
        """Return the levels after a run; the size of the steps falls to `pace`."""
        step = max(pace, _FIRST_PACE / sqrt(1 + self.runs))
        pairs = zip(self[:3], outside, strict=True)
        levels = [min(max(level + step * (_LEVEL - share), _LEAST), _MOST) for level, share in pairs]
        return Band(levels[0], levels[1], levels[2], self.runs + 1)

    def missed(self, count: int, pace: float) -> "Band":
        """Return the levels as after `count` more runs above the band, with the expected share below it."""
        return _missed(self, count, pace) if count else self

    def beside(self, other: "Band") -> "Band":
        """Return the means of these levels and the other ones."""
        return Band((self.below + other.below) / 2, (self.above + other.above) / 2, (self.early + other.early) / 2)

    def top(self, share: float) -> float:
        """Return the level of the upper end after about this share of the run."""
        past = (share / _PAST) ** 2
        return (self.early + past * self.above) / (1 + past)


_MISSED: Final = Outside(_LEVEL, 1.0, 1.0)


@lru_cache(maxsize=256)
def _missed(band: Band, count: int, pace: float) -> Band:
    for _ in range(count):
        band = band.moved(_MISSED, pace)
    return band
