"""Overlapping faces, each a glaze of one ink."""

from collections.abc import Iterator

import numpy as np

from phaseline_server.pictures.painting.canvas import Canvas, looked_up
from phaseline_server.pictures.painting.color import Color, mix, ramp
from phaseline_server.pictures.painting.families.profile import HeadShape, Pose, head, masked
from phaseline_server.pictures.painting.noise import blurred, fbm
from phaseline_server.pictures.painting.scene import Plan, Scene, each
from phaseline_server.pictures.painting.sketch import Sheet

__all__ = ["plan"]


def plan(scene: Scene) -> Plan:
    """Plan overlapping faces, each a glaze of one ink."""
    random = scene.random("crowd")
    count = int(random.integers(3, 6))
    layers: Plan = []
    heads = []
    start = float(random.random())
    together = random.random() < 0.5  # noqa: PLR2004
    for index in range(count):
        near = index / (count - 1)
        size = (0.44 + 0.20 * near) * min(1.0, scene.aspect)
        looks = 1 if together or index % 2 == 0 else -1
        x = (0.5 + 0.62 * (((index * 0.618 + start) % 1) - 0.5)) * scene.aspect - 0.1 * looks * size
        pose = Pose(x, 0.99 - size * (1.30 + 0.16 * (1 - near)), size, looks)
        own = head(random)
        heads.append((pose, own, (index, count)))
    layers += each(heads, 225, lambda canvas, one: _silhouette(canvas, scene, *one))
    return layers


def _silhouette(canvas: Canvas, scene: Scene, pose: Pose, own: HeadShape, place: tuple[int, int]) -> Iterator[float]:
    index, count = place
    random = scene.random(f"silhouette {index}")
    palette = scene.palette
    near = index / (count - 1)
    mask = masked(canvas, pose.place(own.whole))
    yield 0.15
    bright = 0.72 - 0.38 * near if scene.light.horizon > 0.6 else 0.30 + 0.34 * near  # noqa: PLR2004
    color: Color = palette.vivid(index, bright)
    other: Color = palette.vivid(index + 1, bright + 0.10)
    grain = fbm(random, canvas.shape, 2.4, 6, gain=0.6)
    yield 0.4
    fall = (canvas.y - np.float32(pose.y)) / np.float32(pose.size * 1.5)
    table = ramp([(0, color), (0.55, mix(color, other, 0.5)), (1, other)])
    canvas.cover(looked_up(table, fall + grain * np.float32(0.10)), mask * np.float32(0.90))
    yield 0.65
    inner = blurred(mask, 0.02 * pose.size / canvas.pixel)
    yield 0.8
    rim = mask * np.clip(1 - inner, 0, 1)
    canvas.light(mix(color, palette.lamp(0.6), 0.5), rim * np.float32(0.32))
    hair = masked(
        canvas, pose.place(np.concatenate([own.crown + (own.crown - [-0.08, 0.42]) * 0.06, own.hairline[::-1]]))
    )
    canvas.cover(mix(color, palette.dark(palette.deep, 0.18), 0.6), hair * np.float32(0.9))
    sheet = Sheet(canvas)
    tone = mix(color, palette.dark(palette.deep, 0.18), 0.7)
    sheet.line(pose.place(own.lid), 0.010 * pose.size, tone)
    sheet.line(pose.place(own.brow), 0.012 * pose.size, tone)
    ear = pose.place(np.array([[-0.045, 0.60]]))[0]
    sheet.disc(float(ear[0]), float(ear[1]), 0.024 * pose.size, palette.accent(0.8))
    sheet.lay(0.9)
