"""Watercolor: pigment that bleeds, pools at edges and settles in rough paper, inside a ragged margin.

Density follows A. Bousseau et al., "Interactive watercolor rendering with temporal coherence and abstraction"
(2006): c' = c - (c - c²)(d - 1) for a density d around 1.
"""

from collections.abc import Iterator

import numpy as np

from phaseline_server.pictures.painting.canvas import Canvas, smooth
from phaseline_server.pictures.painting.color import Field
from phaseline_server.pictures.painting.finish import luma
from phaseline_server.pictures.painting.noise import blurred, fbm, lattice, sampled
from phaseline_server.pictures.painting.scene import Layer, Plan, Scene

__all__ = ["plan"]


def plan(scene: Scene) -> Plan:
    """Return the layers that turn the canvas into a watercolor."""
    return [
        Layer(590, lambda canvas: _wander(canvas, scene)),
        Layer(210, lambda canvas: _pool(canvas, scene)),
        Layer(125, lambda canvas: _sink(canvas, scene)),
        Layer(185, lambda canvas: _margin(canvas, scene)),
    ]


def _wander(canvas: Canvas, scene: Scene) -> Iterator[float]:
    """Make every edge uneven, and let some colors bleed into their neighbors."""
    random = scene.random("watercolor wander")
    rows, columns = canvas.shape
    shift = [
        fbm(random, canvas.shape, 14, 4, gain=0.6) * np.float32(0.0026 / canvas.pixel)
        + fbm(random, canvas.shape, 3, 2) * np.float32(0.0030 / canvas.pixel)
        for _ in range(2)
    ]
    row = np.arange(rows, dtype=np.float32)[:, None] + shift[0]
    column = np.arange(columns, dtype=np.float32)[None, :] + shift[1]
    yield 0.55
    moved = sampled(canvas.rgb, row, column)
    yield 0.75
    soft = blurred(moved, 0.006 / canvas.pixel)
    yield 0.85
    wet = smooth(0.3, 1.4, fbm(random, canvas.shape, 3.5, 3)) * np.float32(0.85)
    canvas.rgb[...] = moved + (soft - moved) * wet


def _pool(canvas: Canvas, scene: Scene) -> Iterator[float]:
    """Concentrate pigment at the edges of washes, and thin it in the middle of large ones."""
    random = scene.random("watercolor pool")
    wide = blurred(canvas.rgb, 0.010 / canvas.pixel)
    yield 0.3
    edge = np.clip(luma(wide) - luma(canvas.rgb), -0.1, 0.25)
    clouds = fbm(random, canvas.shape, 2.6, 5, gain=0.6)
    yield 0.6
    dense = 1 + edge * np.float32(2.6) + clouds * np.float32(0.17)
    # Backruns: a drop of water pushes pigment outward and leaves a dark rim.
    rings = np.abs(fbm(random, canvas.shape, 2.2, 4, gain=0.55) - np.float32(0.9))
    dense += np.exp(-rings / np.float32(0.035)) * np.float32(0.22)
    _wash(canvas.rgb, dense)


def _wash(rgb: Field, dense: Field) -> None:
    rgb -= (rgb - rgb * rgb) * (dense - 1)
    np.clip(rgb, 0, 1, out=rgb)


def _sink(canvas: Canvas, scene: Scene) -> Iterator[float]:
    """Let pigment settle in the hollows of the paper."""
    random = scene.random("watercolor paper")
    tooth = fbm(random, canvas.shape, 150, 3, gain=0.7)
    fiber = fbm(random, canvas.shape, 40, 2, gain=0.5)
    yield 0.5
    paper = scene.palette.paper(scene.palette.warm)
    # White paper shines through every wash.
    canvas.rgb[...] = 1 - (1 - canvas.rgb) * np.float32(0.90)
    _wash(canvas.rgb, 1 + (tooth * np.float32(0.13) + fiber * np.float32(0.05)))
    canvas.shade(paper, 1.0)
    slope = tooth - np.roll(tooth, (1, 1), axis=(0, 1))
    canvas.rgb *= 1 + np.clip(slope * np.float32(0.022), -0.05, 0.05)


def _margin(canvas: Canvas, scene: Scene) -> Iterator[float]:
    """Leave a margin of bare paper with the uneven edge of a wet brush."""
    random = scene.random("watercolor margin")
    broad = fbm(random, canvas.shape, 5, 2) * np.float32(0.0045)
    fine = fbm(random, canvas.shape, 45, 3, gain=0.65) * np.float32(0.0022)
    yield 0.5
    inside = np.minimum(
        np.minimum(canvas.x, np.float32(canvas.aspect) - canvas.x), np.minimum(canvas.y, np.float32(1) - canvas.y)
    )
    inside = np.asarray(inside - np.float32(0.035) + broad + fine, np.float32)
    paper = scene.palette.paper(scene.palette.warm)
    tooth = lattice(random, canvas.shape, 300 * canvas.aspect, 300)
    bare = np.clip(paper.astype(np.float32).reshape(3, 1, 1) + tooth * np.float32(0.008), 0, 1)
    painted = smooth(-0.0012, 0.0012, inside)
    rim = np.exp(-np.maximum(inside, 0) / np.float32(0.0028)) * painted
    _wash(canvas.rgb, 1 + rim * np.float32(0.45))
    canvas.rgb[...] = bare + (canvas.rgb - bare) * painted
