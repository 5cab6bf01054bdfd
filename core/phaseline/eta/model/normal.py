"""The normal distribution's tail, by table, and the fixed numbers that serve as random draws.

Estimates are deterministic, because all draws come from tables that are computed once. A look-up of a whole vector
takes a microsecond; numpy has no error function at all.
"""

from math import erfc, log, pi, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["DRAWS", "Bools", "Floats", "Ints", "draws", "log_tail", "tail_quantile"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]

DRAWS: Final = 48
_COLUMNS: Final = 512


def _log_tail(z: float) -> float:
    if z < 30:  # noqa: PLR2004 - erfc underflows further out
        return log(erfc(z / sqrt(2)) / 2)
    # Abramowitz and Stegun 26.2.12, first term.
    return -z * z / 2 - log(z * sqrt(2 * pi))


_Z: Final[Floats] = np.linspace(-8, 40, 1537)
_LOG_TAIL: Final[Floats] = np.array([_log_tail(float(z)) for z in _Z])
_RISING: Final[Floats] = _LOG_TAIL[::-1].copy()
_Z_RISING: Final[Floats] = _Z[::-1].copy()


def log_tail(z: Floats) -> Floats:
    """Return log P(N(0, 1) > z), by linear interpolation (error below 2e-4)."""
    return np.interp(z, _Z, _LOG_TAIL)


def tail_quantile(log_p: Floats) -> Floats:
    """Return the z with log P(N(0, 1) > z) = log_p."""
    return np.interp(log_p, _RISING, _Z_RISING)


class _Draws:
    """Latin hypercube draws (McKay, Beckman, Conover 1979): each column holds one draw of each of 48 equal strata.

    Attributes:
        strata: The middles of the strata, rising; shape (48,).
        log_tails: log of uniform draws for the current phase; shape (48,).
        factor: Normal draws for the unexplained part of the run's speed; shape (48,).
        normal: Normal draws of the phases; shape (48, 512).
        uniform: Uniform draws of whether a phase is skipped; shape (48, 512).
    """

    def __init__(self) -> None:
        generator = np.random.default_rng(20)
        self.strata: Floats = (np.arange(DRAWS) + 0.5) / DRAWS
        columns = np.array([generator.permutation(self.strata) for _ in range(2 * _COLUMNS + 2)]).T
        self.log_tails: Floats = np.log(columns[:, 0])
        self.factor: Floats = tail_quantile(np.log(columns[:, 1]))
        self.normal: Floats = np.ascontiguousarray(tail_quantile(np.log(columns[:, 2 : 2 + _COLUMNS])))
        self.uniform: Floats = np.ascontiguousarray(columns[:, 2 + _COLUMNS :])


draws: Final = _Draws()
