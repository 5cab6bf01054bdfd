"""The canvas: a picture of floats, with operations to apply color."""

import numpy as np
import numpy.typing as npt

from phaseline_server.pictures.painting.color import RAMP_STEPS, Color, Field

__all__ = ["Canvas", "looked_up", "smooth"]


def smooth(low: float, high: float, value: Field) -> Field:
    """Return 0 below `low`, 1 above `high`, and a smooth step between; `low` > `high` inverts it."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def looked_up(table: Field, value: Field) -> Field:
    """Return the colors (3, h, w) of a `ramp` table at `value` (h, w), clipped to 0..1."""
    index = np.clip(value * np.float32(RAMP_STEPS - 1), 0, RAMP_STEPS - 1).astype(np.int32)
    return np.asarray(np.take(table, index, axis=1), dtype=np.float32)


class Canvas:
    """Planar picture `rgb` (3, height, width), gamma-encoded 0..1, with coordinates.

    Lengths are in heights of the picture: `y` runs from 0 (top) to 1, `x` from 0 to `aspect`; `pixel` is one row.
    A mask is a (height, width) field of 0..1, or anything that broadcasts to it.
    """

    def __init__(self, rgb: Field, x: Field, y: Field, pixel: float, fineness: float) -> None:
        """Create a canvas from planes and coordinates; see `blank`."""
        self.rgb = rgb
        self.x = x
        self.y = y
        self.pixel = pixel
        self.fineness = fineness

    @classmethod
    def blank(cls, width: int, height: int, fineness: float = 1.0) -> "Canvas":
        """Return a black canvas with `fineness` times the width and height of the picture."""
        columns, rows = round(width * fineness), round(height * fineness)
        x = ((np.arange(columns) + 0.5) / rows).astype(np.float32)[None, :]
        y = ((np.arange(rows) + 0.5) / rows).astype(np.float32)[:, None]
        return cls(np.zeros((3, rows, columns), np.float32), x, y, 1 / rows, fineness)

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of rows and columns."""
        return self.rgb.shape[1], self.rgb.shape[2]

    @property
    def aspect(self) -> float:
        """The ratio of width to height."""
        rows, columns = self.shape
        return columns / rows

    def window(self, left: float, top: float, right: float, bottom: float) -> "Canvas":
        """Return the part of this canvas inside the box, sharing its memory, with the same coordinates.

        It is empty (0 rows or columns) if the box is outside the canvas.
        """
        rows, columns = self.shape
        x0, x1 = (min(max(round((v - float(self.x[0, 0])) / self.pixel + 0.5), 0), columns) for v in (left, right))
        y0, y1 = (min(max(round((v - float(self.y[0, 0])) / self.pixel + 0.5), 0), rows) for v in (top, bottom))
        x1, y1 = max(x0, x1), max(y0, y1)
        return Canvas(self.rgb[:, y0:y1, x0:x1], self.x[:, x0:x1], self.y[y0:y1], self.pixel, self.fineness)

    def around(self, x: float, y: float, reach: float) -> "Canvas":
        """Return the square window within `reach` of a point, which has at least one row and column on the canvas."""
        return self.window(x - reach, y - reach, x + reach, y + reach)

    @property
    def empty(self) -> bool:
        """Whether a window has no pixel."""
        return self.rgb.size == 0

    def fill(self, color: Color | Field) -> None:
        """Fill the whole canvas with opaque paint."""
        self.rgb[...] = _planes(color)

    def cover(self, color: Color | Field, mask: Field | float) -> None:
        """Apply opaque paint where `mask` is 1, and none where it is 0."""
        self.rgb += (_planes(color) - self.rgb) * np.float32(1) * mask

    def light(self, color: Color | Field, mask: Field | float) -> None:
        """Add light without clipping (blend mode screen)."""
        self.rgb += (1 - self.rgb) * (_planes(color) * mask)

    def shade(self, color: Color | Field, mask: Field | float) -> None:
        """Apply transparent paint (blend mode multiply)."""
        self.rgb *= 1 - (1 - _planes(color)) * mask


def _planes(color: Color | Field) -> npt.NDArray[np.float32]:
    array = np.asarray(color, dtype=np.float32)
    return array.reshape(3, 1, 1) if array.ndim == 1 else array
