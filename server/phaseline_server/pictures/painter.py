"""The embedded painter: a brief in, a picture out. Pure: no clock, no files, no threads."""

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
"""How much finer than the picture its canvas is, for each detail."""
_HEAVY: Final = {"oil": 0.25, "dots": 0.25}
"""Media that lay many strokes need less."""
_MOST_PIXELS: Final = 7_000_000
_LAST: Final = 120
"""Cost of reducing the canvas to the picture, as a layer's."""


def _canvas_for(brief: Brief, medium: str) -> Canvas:
    """Return an empty canvas, finer than the picture by what its detail asks for."""
    factor = max(1.0, _FACTORS[brief.detail - 1] - _HEAVY.get(medium, 0.0))
    while factor > 1 and brief.width * brief.height * factor**2 > _MOST_PIXELS:
        factor = max(1.0, factor - 0.25)
    return Canvas.blank(brief.width, brief.height, factor)


def paint(brief: Brief, progress: Callable[[float], None]) -> Image.Image:
    """Paint.

    Args:
        brief: what to paint; the same brief gives the same pixels.
        progress: called with rising fractions from 0 to 1, at least twenty times, evenly over the time it takes.

    Returns:
        An RGB picture of the brief's width and height.
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
