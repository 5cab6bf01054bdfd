"""A head seen from the side, as outlines. Unit: the height of the head; the face looks toward +x; y grows downward."""

from typing import NamedTuple

import numpy as np

from phaseline_server.pictures.painting.canvas import Canvas
from phaseline_server.pictures.painting.color import Field
from phaseline_server.pictures.painting.sketch import Points, Stencil

__all__ = ["HeadShape", "Pose", "head", "masked", "spline"]

_FACE = (
    (-0.07, 0.000), (0.09, 0.020), (0.205, 0.100), (0.262, 0.215), (0.278, 0.310), (0.258, 0.372),
    (0.290, 0.440), (0.346, 0.524), (0.334, 0.556), (0.282, 0.574), (0.284, 0.602), (0.310, 0.630),
    (0.290, 0.650), (0.302, 0.680), (0.262, 0.718), (0.276, 0.775), (0.235, 0.828), (0.130, 0.842),
    (0.062, 0.875), (0.036, 0.985), (0.062, 1.100), (0.205, 1.195), (0.430, 1.330), (0.560, 1.620),
)  # fmt: skip
_BACK = (
    (-0.900, 1.620), (-0.740, 1.320), (-0.470, 1.180), (-0.290, 1.060), (-0.262, 0.880),
    (-0.330, 0.710), (-0.425, 0.500), (-0.430, 0.290), (-0.340, 0.110), (-0.200, 0.020),
)  # fmt: skip
_HAIRLINE = (
    (0.190, 0.085), (0.165, 0.190), (0.075, 0.270), (0.040, 0.380), (-0.010, 0.460), (-0.075, 0.470),
    (-0.105, 0.600), (-0.150, 0.720), (-0.250, 0.840),
)  # fmt: skip
_NOSE, _LIPS, _CHIN = (6, 7, 8), (10, 11, 12, 13), (15, 16)


class HeadShape(NamedTuple):
    """Outlines, each (n, 2)."""

    whole: Points
    crown: Points
    """From the forehead over the top to the nape: the outer border of the hair."""
    hairline: Points
    """From the forehead past the ear to the nape: its inner border."""
    lips: Points
    lid: Points
    brow: Points
    jaw: Points


class Pose(NamedTuple):
    """The position of a head: the upper left corner of its box, its height, and its direction (1 right, -1 left)."""

    x: float
    y: float
    size: float
    looks: int

    def place(self, points: Points) -> Points:
        """Return an outline of the head in coordinates of the canvas."""
        return np.asarray(points * [self.size * self.looks, self.size] + [self.x, self.y])


def spline(points: Points, per: int = 10) -> Points:
    """Return a smooth curve through points (Catmull-Rom)."""
    padded = np.concatenate([points[:1] * 2 - points[1:2], points, points[-1:] * 2 - points[-2:-1]])
    t = np.linspace(0, 1, per, endpoint=False)[:, None]
    pieces = []
    for i in range(len(points) - 1):
        a, b, c, d = padded[i : i + 4]
        pieces.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.concatenate([*pieces, points[-1:]])


def head(random: np.random.Generator) -> HeadShape:
    """Return a random head, with moderate variations of nose, lips, chin and neck."""
    face, back = np.array(_FACE), np.array(_BACK)
    hairline = np.array(_HAIRLINE)
    for rows, spread in ((_NOSE, 0.009), (_LIPS, 0.007), (_CHIN, 0.012)):
        face[list(rows), 0] += float(random.normal(0, spread))
    face[6:9, 1] += float(random.normal(0, 0.008))
    neck = float(random.normal(0, 0.018))
    face[18:21, 0] += neck
    back[3:5, 0] -= neck
    # Overlap the ends of the outline, to avoid a corner where it closes.
    around = np.concatenate([back[-2:], face, back, face[:3]])
    whole = spline(around, 9)[2 * 9 : -2 * 9]
    crown = np.concatenate([spline(face[:3], 9)[::-1], spline(back[::-1][:6], 9)])
    lips = np.array([(0.218, 0.652), (0.255, 0.630), (0.312, 0.626), (0.300, 0.648), (0.303, 0.682), (0.262, 0.690)])
    lid = np.array([(0.118, 0.392), (0.150, 0.410), (0.190, 0.412), (0.222, 0.394)])
    brow = np.array([(0.105, 0.328), (0.160, 0.300), (0.215, 0.300), (0.252, 0.318)])
    jaw = np.array([(0.235, 0.828), (0.120, 0.800), (0.020, 0.735), (-0.050, 0.640), (-0.075, 0.520)])
    return HeadShape(whole, crown, spline(hairline), spline(lips, 6), spline(lid), spline(brow), spline(jaw))


def masked(canvas: Canvas, outline: Points) -> Field:
    """Return the inside of an outline as a mask."""
    stencil = Stencil(canvas)
    stencil.polygon(outline)
    return stencil.mask()
