"""Dry media: pastel on textured paper, and pointillism."""

from collections.abc import Iterator

import numpy as np

from phaseline_server.pictures.painting.canvas import Canvas, smooth
from phaseline_server.pictures.painting.color import Field
from phaseline_server.pictures.painting.finish import luma
from phaseline_server.pictures.painting.noise import blurred, fbm, sampled, scattered, trail
from phaseline_server.pictures.painting.scene import Layer, Plan, Scene, each
from phaseline_server.pictures.painting.sketch import Sheet

__all__ = ["plan_dots", "plan_pastel"]


def plan_pastel(scene: Scene) -> Plan:
    """Return the layers that turn the canvas into a pastel."""
    return [
        Layer(880, lambda canvas: _hatch(canvas, scene)),
        Layer(330, lambda canvas: _tooth(canvas, scene)),
    ]


def _hatch(canvas: Canvas, scene: Scene) -> Iterator[float]:
    """Drag the colors along one direction, in strokes of uneven pressure."""
    random = scene.random("pastel hatch")
    angle = np.float32(random.choice([-1, 1]) * random.uniform(0.6, 1.1)) + fbm(
        random, canvas.shape, 1.4, 2
    ) * np.float32(0.22)
    along_x, along_y = np.cos(angle), np.sin(angle)
    noise = blurred(random.standard_normal(canvas.shape, dtype=np.float32), 0.0012 / canvas.pixel)
    yield 0.2
    reach = 0.013 / canvas.pixel
    marks = trail(noise, along_x, along_y, reach)
    yield 0.5
    marks += trail(noise, -along_x, -along_y, reach)
    yield 0.8
    marks /= max(float(marks.std()), 1e-6)
    shift = marks * np.float32(0.0018 / canvas.pixel)
    rows, columns = canvas.shape
    row = np.arange(rows, dtype=np.float32)[:, None] + along_y * shift
    column = np.arange(columns, dtype=np.float32)[None, :] + along_x * shift
    moved = sampled(canvas.rgb, row, column)
    yield 0.9
    pressure = marks * np.float32(0.038)
    canvas.rgb[...] = np.clip(moved * (1 + pressure) + np.maximum(pressure, 0) * np.float32(0.25), 0, 1)


def _tooth(canvas: Canvas, scene: Scene) -> Iterator[float]:
    random = scene.random("pastel tooth")
    tooth = fbm(random, canvas.shape, 230, 2, gain=0.8) + fbm(random, canvas.shape, 8, 3) * np.float32(0.3)
    yield 0.5
    ground = scene.palette.tone(scene.palette.warm, 0.36 if scene.light.horizon < 0.6 else 0.84, 0.6)  # noqa: PLR2004
    canvas.cover(ground, smooth(0.7, 2.6, tooth) * np.float32(0.36))
    canvas.rgb *= 1 + np.clip(tooth, -2, 2) * np.float32(0.025)


def plan_dots(scene: Scene) -> Plan:
    """Return the layers that repaint the canvas in dots of purer color."""
    kept: list[Field] = []

    def look(canvas: Canvas) -> None:
        kept.append(canvas.rgb.copy())
        canvas.rgb[...] = blurred(canvas.rgb, 0.01 / canvas.pixel) * np.float32(0.95)

    passes = ((0.0085, 4), (0.0060, 6)) if scene.brief.detail > 1 else ((0.0105, 3),)
    layers = [Layer(40, look)]
    for size, parts in passes:
        pieces = [(size, part, parts) for part in range(parts)]
        layers += each(pieces, 115, lambda canvas, piece: _dots(canvas, scene, kept[0], piece))
    return layers


def _dots(canvas: Canvas, scene: Scene, model: Field, piece: tuple[float, int, int]) -> None:
    """Paint one of several parts of a pass; `piece` is (size of the dots in heights, part, parts)."""
    size, index, parts = piece
    random = scene.random(f"dots {size} {index}")
    rows, columns = canvas.shape
    step = size * 0.85 / canvas.pixel * np.sqrt(parts)
    xs, ys = scattered(random, (rows, columns), step)
    colors = sampled(model, ys, xs)
    gray = luma(colors[:, None, :])[0]
    colors = gray + (colors - gray) * random.uniform(1.0, 1.45, xs.size)
    colors = colors + random.normal(0, 0.026, colors.shape) + random.normal(0, 0.024, xs.size)
    codes = np.clip(colors.T * 255, 0, 255).round().astype(int).tolist()
    radii = size / 2 * random.uniform(0.75, 1.2, xs.size)
    corners = np.arange(8) * (2 * np.pi / 8)
    ring = np.stack([np.cos(corners), np.sin(corners)], axis=1)
    centers = np.stack([xs, ys], axis=1) * canvas.pixel
    outlines = centers[:, None, :] + ring[None] * radii[:, None, None]
    sheet = Sheet(canvas)
    sheet.polygons(outlines, ((r, g, b, 255) for r, g, b in codes))
    sheet.lay(0.95)
