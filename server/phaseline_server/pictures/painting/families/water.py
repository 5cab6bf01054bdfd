"""Still water, which reflects the picture above the shore with ripples."""

from collections.abc import Iterator

import numpy as np

from phaseline_server.pictures.painting.canvas import Canvas, smooth
from phaseline_server.pictures.painting.color import mix
from phaseline_server.pictures.painting.families.sky import Sky
from phaseline_server.pictures.painting.noise import fbm, sampled
from phaseline_server.pictures.painting.scene import Scene

__all__ = ["mirror"]


def mirror(canvas: Canvas, scene: Scene, sky: Sky, shore: float, *, calm: float = 1.0) -> Iterator[float]:
    """Fill the area below `shore` with water that reflects the area above; `calm` below 1 gives stronger ripples."""
    random = scene.random("water")
    part = canvas.window(0, shore, canvas.aspect, 1.0)
    rows, columns = part.shape
    start = canvas.shape[0] - rows
    depth = np.clip((part.y - np.float32(shore)) / np.float32(1 - shore), 0, 1)
    # Perspective: distant ripples appear flatter and finer, so the noise is stretched.
    flat = fbm(random, (rows, columns), 9, 4, gain=0.6, stretch=6.0)
    yield 0.25
    near_row = np.broadcast_to(depth**0.45 * np.float32(rows - 1), (rows, columns))
    column = np.arange(columns, dtype=np.float32)[None, :]
    middle = np.float32(columns / 2)
    near_column = middle + (column - middle) / (np.float32(0.45) + np.float32(0.75) * depth)
    ripple = sampled(flat, near_row, np.abs(near_column))
    yield 0.45
    offset = ripple * (depth**1.1 * np.float32(0.020 / calm) + np.float32(0.0015)) / np.float32(canvas.pixel)
    row = np.float32(start - 1) - np.arange(rows, dtype=np.float32)[:, None] * np.float32(0.94) + offset
    mirrored = sampled(canvas.rgb[:, :start], row, np.broadcast_to(column, (rows, columns)) + offset * np.float32(0.3))
    yield 0.7
    deep = scene.palette.tone(sky.water, scene.light.near + 0.08, 1.3)
    part.fill(mirrored)
    part.cover(deep, np.float32(0.10) + depth * np.float32(0.42))
    path = np.exp(-(((part.x - np.float32(sky.sun[0])) / (np.float32(0.035) + depth * np.float32(0.10))) ** 2))
    spark = smooth(0.5, 1.5, ripple) * path * np.float32(scene.light.sun)
    part.light(sky.lamp, spark * (np.float32(0.85) - depth * np.float32(0.35)))
    part.light(sky.glow, smooth(1.0, 2.4, -ripple) * np.float32(0.16))
    edge = np.exp(-depth / np.float32(0.012)) * np.float32(0.5)
    part.cover(mix(sky.haze, deep, 0.3), edge)
