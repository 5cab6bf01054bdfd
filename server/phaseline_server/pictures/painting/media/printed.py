"""Print: a few stippled tones, slightly out of register, on paper with a clean margin."""

from collections.abc import Iterator

import numpy as np

from phaseline_server.pictures.painting.canvas import Canvas, smooth
from phaseline_server.pictures.painting.finish import luma
from phaseline_server.pictures.painting.noise import fbm, lattice, sampled
from phaseline_server.pictures.painting.scene import Layer, Plan, Scene

__all__ = ["plan"]


def plan(scene: Scene) -> Plan:
    """Return the layers that turn the canvas into a print."""
    return [
        Layer(85, lambda canvas: _tones(canvas, scene)),
        Layer(255, lambda canvas: _register(canvas, scene)),
        Layer(140, lambda canvas: _ink(canvas, scene)),
        Layer(50, lambda canvas: _margin(canvas, scene)),
    ]


def _tones(canvas: Canvas, scene: Scene) -> Iterator[float]:
    """Reduce the lightness to seven tones whose borders dissolve into grains."""
    random = scene.random("print tones")
    steps = np.float32(7)
    grains = random.standard_normal(canvas.shape, dtype=np.float32)
    grains += lattice(random, canvas.shape, 480 * canvas.aspect, 480) * np.float32(0.7)
    yield 0.5
    light = np.maximum(luma(canvas.rgb), np.float32(0.01))
    stepped = np.floor((light + grains * np.float32(0.030)) * steps + np.float32(0.5)) / steps
    factor = (np.float32(0.25) * light + np.float32(0.75) * np.clip(stepped, 0.02, 1)) / light
    canvas.rgb[...] = np.clip(canvas.rgb * np.clip(factor, 0.55, 1.6), 0, 1)


def _register(canvas: Canvas, scene: Scene) -> None:
    """Shift the three inks against each other by about a thousandth of the height."""
    random = scene.random("print register")
    rows, columns = canvas.shape
    row = np.arange(rows, dtype=np.float32)[:, None]
    column = np.arange(columns, dtype=np.float32)[None, :]
    for plane in canvas.rgb:
        dy, dx = (np.float32(v) for v in random.normal(0, 0.0009, 2) / canvas.pixel)
        plane[...] = sampled(
            plane.copy(),
            np.broadcast_to(row + dy, (rows, columns)),
            np.broadcast_to(column + dx, (rows, columns)),
        )


def _ink(canvas: Canvas, scene: Scene) -> Iterator[float]:
    """Let the paper show through in pinholes and where the roller has less ink."""
    random = scene.random("print ink")
    paper = scene.palette.paper(scene.palette.warm)
    roller = fbm(random, canvas.shape, 2.5, 4, gain=0.6)
    holes = fbm(random, canvas.shape, 240, 2, gain=0.8)
    yield 0.5
    canvas.cover(paper, smooth(2.7, 3.5, holes + roller * np.float32(0.25)) * np.float32(0.45))
    canvas.cover(paper, np.float32(0.045) + np.clip(roller, -1, 1.5) * np.float32(0.02))


def _margin(canvas: Canvas, scene: Scene) -> None:
    random = scene.random("print margin")
    inside = np.minimum(
        np.minimum(canvas.x, np.float32(canvas.aspect) - canvas.x), np.minimum(canvas.y, np.float32(1) - canvas.y)
    )
    rough = lattice(random, canvas.shape, 160 * canvas.aspect, 160) * np.float32(0.0005)
    printed = smooth(-canvas.pixel, canvas.pixel, np.asarray(inside - np.float32(0.042) + rough, np.float32))
    paper = scene.palette.paper(scene.palette.warm).astype(np.float32).reshape(3, 1, 1)
    canvas.rgb[...] = paper + (canvas.rgb - paper) * printed
