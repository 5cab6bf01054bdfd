"""The embedded painter: a pure function from a brief to a picture, without clock, files or threads."""

from collections.abc import Callable
from typing import Final

from PIL import Image

from phaseline_server.pictures.painting.brief import Brief
from phaseline_server.pictures.painting.canvas import Canvas
from phaseline_server.pictures.painting.color import Field
from phaseline_server.pictures.painting.composition import compose
from phaseline_server.pictures.painting.finish import as_image, reduced
from phaseline_server.pictures.painting.scene import Layer, chance

__all__ = ["Brief", "paint"]

_FACTORS: Final = (1.0, 1.75, 1.9, 2.2, 2.5)
"""Resolution of the canvas relative to the picture, for each level of detail."""
_HEAVY: Final = {"oil": 0.25, "dots": 0.25}
"""Reduction of this factor for media with many strokes, which need less resolution."""
_MOST_PIXELS: Final = 7_000_000
_LAST: Final = 120
"""Cost of reducing the canvas to the picture, in the unit of the layers' costs."""


def _canvas_for(brief: Brief, medium: str) -> Canvas:
    """Return an empty canvas with the resolution for the brief's level of detail."""
    factor = max(1.0, _FACTORS[brief.detail - 1] - _HEAVY.get(medium, 0.0))
    while factor > 1 and brief.width * brief.height * factor**2 > _MOST_PIXELS:
        factor = max(1.0, factor - 0.25)
    return Canvas.blank(brief.width, brief.height, factor)


def paint(brief: Brief, progress: Callable[[float], None]) -> Image.Image:
    """Return an RGB picture with the brief's width and height.

    Args:
        brief: The description of the picture. The same brief gives the same pixels.
        progress: Called at least 20 times with rising fractions from 0 to 1, at even intervals.
    """
    composition = compose(brief)
    canvas = _canvas_for(brief, composition.medium)
    planes: list[Field] = []
    size = (brief.width, brief.height)
    layers = [*composition.layers, Layer(_LAST, lambda canvas: reduced(canvas, size, planes))]
    whole = sum(layer.cost for layer in layers)
    done = 0.0
    progress(0.0)
    for layer in layers:
        for share in layer.paint(canvas) or ():
            progress((done + layer.cost * share) / whole)
        done += layer.cost
        progress(done / whole)
    return as_image(planes, chance(brief, "dither"))
