"""Color in OKLab (Björn Ottosson, "A perceptual color space for image processing", 2020).

All other modules use gamma-encoded sRGB as float32 in 0..1. Colors are mixed in OKLab, so that a gradient from blue to
yellow has clean intermediate colors, and lightness matches perception.
"""

import math
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Color", "Field", "lab_from_rgb", "mix", "polar", "ramp", "rgb_from_hex", "rgb_from_lab", "rgb_from_polar"]

Field: TypeAlias = npt.NDArray[np.float32]
Color: TypeAlias = npt.NDArray[np.float64]
"""Three floats: red, green, blue in 0..1."""

RAMP_STEPS: Final = 1024

_LMS_FROM_LINEAR: Final = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB_FROM_ROOTS: Final = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_DARKEST_CURVED: Final = 0.04045
_DARKEST_CURVED_LINEAR: Final = 0.0031308
"""sRGB (IEC 61966-2-1) is linear below these values."""
_TOLERANCE: Final = 1e-4

_LINEAR_FROM_LMS: Final = np.linalg.inv(_LMS_FROM_LINEAR)
_ROOTS_FROM_LAB: Final = np.linalg.inv(_LAB_FROM_ROOTS)

_Rows: TypeAlias = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
_LMS_ROWS: Final[_Rows] = _LMS_FROM_LINEAR.tolist()
_LAB_ROWS: Final[_Rows] = _LAB_FROM_ROOTS.tolist()
_LINEAR_ROWS: Final[_Rows] = _LINEAR_FROM_LMS.tolist()
_ROOT_ROWS: Final[_Rows] = _ROOTS_FROM_LAB.tolist()


def _mixed(matrix: npt.NDArray[np.float64], color: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Multiply without BLAS, whose sums can depend on its number of threads."""
    return np.stack([(row * color).sum(axis=-1) for row in matrix], axis=-1)


def rgb_from_hex(text: str) -> Color:
    """Return the color of `#rrggbb`."""
    return np.array([int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)])


def lab_from_rgb(rgb: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return OKLab (lightness 0..1, a, b) of sRGB; shape (..., 3)."""
    linear = np.where(rgb <= _DARKEST_CURVED, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return _mixed(_LAB_FROM_ROOTS, np.cbrt(_mixed(_LMS_FROM_LINEAR, linear)))


def rgb_from_lab(lab: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return sRGB of OKLab, clipped to the gamut; shape (..., 3)."""
    linear = _mixed(_LINEAR_FROM_LMS, _mixed(_ROOTS_FROM_LAB, lab) ** 3)
    linear = np.clip(linear, 0.0, 1.0)
    return np.where(linear <= _DARKEST_CURVED_LINEAR, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def _lab(rgb: Color) -> tuple[float, float, float]:
    """Return `lab_from_rgb` of one color, 30 times faster than numpy; it is called for every leaf and window."""
    red, green, blue = [v / 12.92 if v <= _DARKEST_CURVED else ((v + 0.055) / 1.055) ** 2.4 for v in rgb.tolist()]
    one, two, three = [math.cbrt(x * red + y * green + z * blue) for x, y, z in _LMS_ROWS]
    lightness, a, b = [x * one + y * two + z * three for x, y, z in _LAB_ROWS]
    return lightness, a, b


def _linear(lightness: float, a: float, b: float) -> tuple[float, float, float]:
    """Return linear red, green and blue, possibly outside the sRGB gamut."""
    long, medium, short = [(x * lightness + y * a + z * b) ** 3 for x, y, z in _ROOT_ROWS]
    red, green, blue = [x * long + y * medium + z * short for x, y, z in _LINEAR_ROWS]
    return red, green, blue


def _rgb(lightness: float, a: float, b: float) -> Color:
    line = [min(1.0, max(0.0, v)) for v in _linear(lightness, a, b)]
    return np.array([v * 12.92 if v <= _DARKEST_CURVED_LINEAR else 1.055 * v ** (1 / 2.4) - 0.055 for v in line])


def polar(rgb: Color) -> tuple[float, float, float]:
    """Return (lightness, chroma, hue in radians)."""
    lightness, a, b = _lab(rgb)
    return lightness, math.hypot(a, b), math.atan2(b, a)


def rgb_from_polar(lightness: float, chroma: float, hue: float) -> Color:
    """Return the color; outside the sRGB gamut, its chroma is reduced and lightness and hue are kept."""
    low, high = 0.0, chroma
    if _showable(lightness, chroma, hue):
        low = chroma
    else:
        for _ in range(16):
            middle = (low + high) / 2
            low, high = (middle, high) if _showable(lightness, middle, hue) else (low, middle)
    return _rgb(lightness, low * math.cos(hue), low * math.sin(hue))


def _showable(lightness: float, chroma: float, hue: float) -> bool:
    linear = _linear(lightness, chroma * math.cos(hue), chroma * math.sin(hue))
    return min(linear) > -_TOLERANCE and max(linear) < 1 + _TOLERANCE


def mix(first: Color, second: Color, share: float) -> Color:
    """Return `first` with `share` (0..1) of `second`, mixed in OKLab."""
    one, two = _lab(first), _lab(second)
    lightness, a, b = [x + (y - x) * share for x, y in zip(one, two, strict=True)]
    return _rgb(lightness, a, b)


def ramp(stops: list[tuple[float, Color]]) -> Field:
    """Return a smooth table of 1024 colors (planar, shape (3, 1024)) through `stops` (position 0..1, color)."""
    positions = np.array([position for position, _ in stops])
    labs = lab_from_rgb(np.stack([color for _, color in stops]))
    at = np.linspace(0.0, 1.0, RAMP_STEPS)
    lab = np.stack([np.interp(at, positions, labs[:, i]) for i in range(3)], axis=-1)
    return np.ascontiguousarray(rgb_from_lab(lab).T, dtype=np.float32)
