"""Shapes with smooth edges: drawn at a larger size with Pillow, then reduced."""

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from phaseline_server.pictures.painting.canvas import Canvas
from phaseline_server.pictures.painting.color import Color, Field

__all__ = ["Points", "Sheet", "Stencil", "bytes_of"]

Points: TypeAlias = npt.NDArray[np.floating]
"""Shape (n, 2): x and y, relative to the height of the picture."""


def bytes_of(color: Color) -> tuple[int, int, int, int]:
    """Return the color as Pillow's opaque RGBA."""
    # Many times faster than numpy, which takes as long for three numbers as for a hundred.
    red, green, blue = [round(min(1.0, max(0.0, v)) * 255) for v in color.tolist()]
    return red, green, blue, 255


_FINE: Final = 1.4


class _Drawing:
    """Pillow's drawing calls, with coordinates relative to the height of the picture."""

    def __init__(self, canvas: Canvas, mode: str) -> None:
        self._canvas = canvas
        # For smooth edges, each pixel of the picture needs about three samples per axis.
        self._oversample = 3 if canvas.fineness < _FINE else 2
        self._scale = self._oversample / canvas.pixel
        self._origin = np.array([canvas.x[0, 0], canvas.y[0, 0]]) - canvas.pixel / 2
        rows, columns = canvas.shape
        self._image = Image.new(mode, (columns * self._oversample, rows * self._oversample))
        self._draw = ImageDraw.Draw(self._image)

    def _at(self, points: Points | Sequence[Sequence[float]]) -> list[float]:
        scaled = (np.asarray(points) - self._origin) * self._scale
        return scaled.ravel().tolist()

    def _drawn(self) -> tuple[int, int, int, int] | None:
        """Return the box (left, top, right, bottom) of drawn canvas pixels, or None."""
        box = self._image.getbbox()
        if box is None:
            return None
        step = self._oversample
        return box[0] // step, box[1] // step, -(-box[2] // step), -(-box[3] // step)

    def _reduced(self, box: tuple[int, int, int, int]) -> Image.Image:
        step = self._oversample
        left, top, right, bottom = (edge * step for edge in box)
        return self._image.reduce(step, (left, top, right, bottom))


class Stencil(_Drawing):
    """A mask made of shapes; `value` 0..1 is the opacity of each."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas, "L")

    def polygon(self, points: Points, value: float = 1.0) -> None:
        """Fill a polygon of at least three points."""
        self._draw.polygon(self._at(points), fill=round(value * 255))

    def line(self, points: Points | Sequence[Sequence[float]], width: float, value: float = 1.0) -> None:
        """Draw a line of this width with round corners."""
        pixels = max(1, round(width * self._scale))
        self._draw.line(self._at(points), fill=round(value * 255), width=pixels, joint="curve")

    def disc(self, x: float, y: float, radius: float, value: float = 1.0) -> None:
        """Fill a circle."""
        box = self._at([(x - radius, y - radius), (x + radius, y + radius)])
        self._draw.ellipse(box, fill=round(value * 255))

    def mask(self) -> Field:
        """Return the drawing as a mask of the canvas' size."""
        mask = np.zeros(self._canvas.shape, np.float32)
        box = self._drawn()
        if box is not None:
            left, top, right, bottom = box
            mask[top:bottom, left:right] = np.asarray(self._reduced(box), dtype=np.float32) / np.float32(255)
        return mask


class Sheet(_Drawing):
    """Colored shapes, applied to the canvas together."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas, "RGBA")

    def polygon(self, points: Points, color: Color) -> None:
        """Fill a polygon."""
        self._draw.polygon(self._at(points), fill=bytes_of(color))

    def polygons(self, outlines: Iterable[Points], colors: Iterable[tuple[int, int, int, int]]) -> None:
        """Fill polygons, later ones over earlier ones."""
        draw = self._draw.polygon
        for points, color in zip(outlines, colors, strict=True):
            draw(self._at(points), fill=color)

    def line(self, points: Points | Sequence[Sequence[float]], width: float, color: Color) -> None:
        """Draw a line of this width with round corners."""
        pixels = max(1, round(width * self._scale))
        self._draw.line(self._at(points), fill=bytes_of(color), width=pixels, joint="curve")

    def disc(self, x: float, y: float, radius: float, color: Color) -> None:
        """Fill a circle."""
        box = self._at([(x - radius, y - radius), (x + radius, y + radius)])
        self._draw.ellipse(box, fill=bytes_of(color))

    def lay(self, opacity: Field | float = 1.0, shade: Field | float = 0.0) -> None:
        """Apply the drawing to the canvas; `shade` (0..1, a field of the canvas' size) darkens it."""
        box = self._drawn()
        if box is None:
            return
        left, top, right, bottom = box
        here = np.s_[top:bottom, left:right]
        pixels = np.asarray(self._reduced(box), dtype=np.float32) / np.float32(255)
        planes = np.ascontiguousarray(np.moveaxis(pixels, 2, 0))
        strength = opacity if isinstance(opacity, float) else opacity[here]
        dark = shade if isinstance(shade, float) else shade[here]
        part = self._canvas.rgb[:, top:bottom, left:right]
        mask = planes[3] * strength
        part *= 1 - mask
        part += planes[:3] * (1 - dark) * mask

    def mask(self) -> Field:
        """Return the drawn area as a mask of the canvas' size."""
        mask = np.zeros(self._canvas.shape, np.float32)
        box = self._drawn()
        if box is not None:
            left, top, right, bottom = box
            mask[top:bottom, left:right] = np.asarray(self._reduced(box), dtype=np.float32)[..., 3] / np.float32(255)
        return mask
