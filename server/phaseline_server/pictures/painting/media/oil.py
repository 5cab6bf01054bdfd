"""Oil: the picture repainted with brush strokes, from coarse to fine, that follow its forms.

After A. Hertzmann, "Painterly Rendering with Curved Brush Strokes of Multiple Sizes" (1998): large strokes come first,
smaller ones only where the large ones miss details. Each stroke follows its edge, and ends where the color of the model
differs from its own.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from phaseline_server.pictures.painting.canvas import Canvas, smooth
from phaseline_server.pictures.painting.color import Field
from phaseline_server.pictures.painting.finish import luma
from phaseline_server.pictures.painting.noise import blurred, fbm, sampled, scattered, trail
from phaseline_server.pictures.painting.scene import Layer, Plan, Scene, each
from phaseline_server.pictures.painting.sketch import Sheet

__all__ = ["plan"]


class Brush(NamedTuple):
    """One pass: stroke `width` in heights, `length` in widths, and how much the color of a stroke can `differ`."""

    width: float
    length: float
    differ: float
    gate: float
    """Minimum strength of details that are finer than the last pass, for a stroke there (0: everywhere)."""


BRUSHES = (
    Brush(0.034, 4.5, 0.024, 0.0),
    Brush(0.018, 6.0, 0.026, 0.004),
    Brush(0.0090, 7.0, 0.022, 0.014),
    Brush(0.0042, 6.5, 0.013, 0.026),
)


class _Oil:
    """The state shared by the passes: the model picture, and the direction of the brush at each pixel."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.reference: Field = np.zeros((3, 1, 1), np.float32)
        self._model: Field = self.reference
        self._detail: Field = self.reference[0]
        self.along_x: Field = np.zeros((1, 1), np.float32)
        self.along_y: Field = np.zeros((1, 1), np.float32)

    def look(self, canvas: Canvas) -> Iterator[float]:
        """Use the canvas as the model, and compute the directions of its forms."""
        random = self._scene.random("oil direction")
        self.reference = canvas.rgb.copy()
        light = blurred(luma(canvas.rgb), 0.004 / canvas.pixel)
        yield 0.2
        dy, dx = np.gradient(light)
        reach = 0.012 / canvas.pixel
        xx, yy, xy = (blurred(np.asarray(product, np.float32), reach) for product in (dx * dx, dy * dy, dx * dy))
        yield 0.5
        # Doubled angles, so that opposite directions add up and do not cancel out.
        flow = fbm(random, canvas.shape, 1.6, 2) * np.float32(0.9)
        weight = np.float32(0.15) * np.sqrt((xx + yy).mean()) ** 2
        double_x = -(xx - yy) + weight * np.cos(2 * flow)
        double_y = -(2 * xy) + weight * np.sin(2 * flow)
        angle = np.float32(0.5) * np.arctan2(double_y, double_x)
        yield 0.8
        self.along_x, self.along_y = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
        canvas.rgb[...] = blurred(canvas.rgb, 0.01 / canvas.pixel)

    def stroke(self, canvas: Canvas, piece: tuple[Brush, int, int]) -> None:
        """Paint one of several parts of a pass; `piece` is (brush, part, parts)."""
        brush, part, parts = piece
        random = self._scene.random(f"oil {brush.width} {part}")
        half = brush.width / 2 / canvas.pixel
        if part == 0:
            self._model = blurred(self.reference, max(0.5, half * 0.7))
            # The details that strokes of twice this width cannot show.
            self._detail = np.abs(self.reference - blurred(self.reference, half * 1.6)).max(axis=0)
        model = self._model
        xs, ys = scattered(random, canvas.shape, brush.width * 0.62 / canvas.pixel * parts**0.5)
        order = random.permutation(xs.size)
        xs, ys = xs[order], ys[order]
        if brush.gate:
            keep = sampled(self._detail, ys, xs) > brush.gate
            xs, ys = xs[keep], ys[keep]
        colors = sampled(model, ys, xs)
        spine_x, spine_y = self._spines(model, xs, ys, colors, half, brush)
        varied = colors + random.normal(0, brush.differ, xs.size) + random.normal(0, brush.differ * 0.55, colors.shape)
        codes = np.clip(varied.T * 255, 0, 255).round().astype(int)
        halves = (half * random.uniform(0.7, 1.15, xs.size)).astype(np.float32)
        outlines = _outlines(spine_x, spine_y, halves) * np.float32(canvas.pixel)
        sheet = Sheet(canvas)
        sheet.polygons(outlines, ((r, g, b, 255) for r, g, b in codes.tolist()))
        sheet.lay(0.94)

    def _spines(
        self, model: Field, xs: Field, ys: Field, colors: Field, half: float, brush: Brush
    ) -> tuple[Field, Field]:
        """Follow the direction both ways, until the color differs from the stroke's. Shape (points, strokes)."""
        knots = 5
        step = np.float32(half * brush.length / knots)
        sides = []
        for sign in (-1.0, 1.0):
            x, y = xs.copy(), ys.copy()
            before_x = sampled(self.along_x, y, x) * sign
            before_y = sampled(self.along_y, y, x) * sign
            alive = np.ones(xs.size, bool)
            side = [(x.copy(), y.copy())]
            for _ in range(knots):
                dx, dy = sampled(self.along_x, y, x), sampled(self.along_y, y, x)
                turn = np.sign(dx * before_x + dy * before_y)
                turn[turn == 0] = 1
                dx, dy = dx * turn, dy * turn
                new_x, new_y = x + dx * step, y + dy * step
                alive &= np.abs(sampled(model, new_y, new_x) - colors).max(axis=0) < 0.085  # noqa: PLR2004
                x, y = np.where(alive, new_x, x), np.where(alive, new_y, y)
                before_x, before_y = dx, dy
                side.append((x, y))
            sides.append(side)
        points = sides[0][:0:-1] + sides[1]
        return np.stack([p[0] for p in points]), np.stack([p[1] for p in points])

    def relief(self, canvas: Canvas) -> Iterator[float]:
        """Add highlights and shadows on the ridges left by the bristles."""
        random = self._scene.random("oil bristles")
        noise = random.standard_normal(canvas.shape, dtype=np.float32)
        yield 0.1
        noise = blurred(noise, 0.0015 / canvas.pixel)
        reach = 0.013 / canvas.pixel
        bristles = trail(noise, self.along_x, self.along_y, reach)
        yield 0.45
        bristles += trail(noise, -self.along_x, -self.along_y, reach)
        yield 0.75
        bristles /= max(float(bristles.std()), 1e-6)
        # The thickness of paint varies; in thin places the bristles leave no ridges.
        thick = smooth(-1.4, 1.4, fbm(random, canvas.shape, 5, 3))
        yield 0.85
        body = luma(canvas.rgb)
        height = bristles * thick * np.float32(0.012) + body * np.float32(0.10)
        slope = height - np.roll(height, (1, 1), axis=(0, 1))
        slope[0], slope[:, 0] = 0, 0
        # Highlights are weaker than shadows, and very weak on bright paint.
        gleam = np.clip(slope * np.float32(4.5), 0, 0.10) * (np.float32(1.1) - body)
        canvas.rgb *= 1 + gleam + np.clip(slope * np.float32(5.5), -0.13, 0)
        canvas.rgb += gleam * np.float32(0.15) * smooth(0.05, 0.5, body)


def _outlines(xs: Field, ys: Field, half: Field) -> Field:
    """Return closed outlines (strokes, points, 2) around spines (points, strokes), round at both ends."""
    count = xs.shape[0]
    dx, dy = np.gradient(xs, axis=0), np.gradient(ys, axis=0)
    size = np.maximum(np.hypot(dx, dy), 1e-3)
    t = np.abs(np.linspace(-1, 1, count, dtype=np.float32))
    width = (half[None, :] * np.sqrt(np.maximum(1 - t**3, 0.05))[:, None]).astype(np.float32)
    nx, ny = -dy / size * width, dx / size * width
    # Extend the ends by half a width, so that a stroke of zero length is still a dab.
    ends = np.zeros((count, 1), np.float32)
    ends[0], ends[-1] = -0.7, 0.7
    xs = xs + ends * dx / size * half
    ys = ys + ends * dy / size * half
    x = np.concatenate([xs + nx, (xs - nx)[::-1]])
    y = np.concatenate([ys + ny, (ys - ny)[::-1]])
    return np.stack([x.T, y.T], axis=-1)


def plan(scene: Scene) -> Plan:
    """Return the layers of the brush passes and the relief."""
    oil = _Oil(scene)
    layers = [Layer(170, oil.look)]
    passes = BRUSHES[: 3 if scene.brief.detail == 1 else 4]
    parts = 2 if scene.brief.detail == 1 else 4
    pieces = [(brush, part, parts) for brush in passes for part in range(parts)]
    layers += each(pieces, 190, oil.stroke)
    layers.append(Layer(640, oil.relief))
    return layers
