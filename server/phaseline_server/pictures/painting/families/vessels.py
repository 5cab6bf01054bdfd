"""Vessels and fruit: round objects under one light."""

from typing import NamedTuple

import numpy as np

from phaseline_server.pictures.painting.canvas import Canvas, looked_up, smooth
from phaseline_server.pictures.painting.color import Color, Field, mix, ramp
from phaseline_server.pictures.painting.families import plants
from phaseline_server.pictures.painting.families.profile import spline
from phaseline_server.pictures.painting.noise import fbm
from phaseline_server.pictures.painting.scene import Scene
from phaseline_server.pictures.painting.sketch import Sheet

__all__ = ["Thing", "paint_thing", "reach"]

# (Height from foot (0) to rim (1), half width), both relative to the height of the vessel.
_PROFILES = {
    "bottle": (
        (0, 0.17),
        (0.03, 0.19),
        (0.35, 0.195),
        (0.55, 0.18),
        (0.68, 0.085),
        (0.80, 0.055),
        (0.95, 0.052),
        (1, 0.062),
    ),
    "vase": ((0, 0.15), (0.08, 0.19), (0.35, 0.31), (0.60, 0.29), (0.78, 0.15), (0.88, 0.12), (1, 0.17)),
    "urn": ((0, 0.16), (0.05, 0.14), (0.12, 0.16), (0.45, 0.40), (0.72, 0.36), (0.86, 0.20), (0.93, 0.19), (1, 0.25)),
    "jug": ((0, 0.22), (0.06, 0.26), (0.40, 0.33), (0.65, 0.27), (0.82, 0.19), (1, 0.24)),
    "bowl": ((0, 0.35), (0.10, 0.38), (0.35, 0.70), (0.70, 0.95), (1, 1.05)),
    "flask": ((0, 0.20), (0.10, 0.33), (0.30, 0.36), (0.48, 0.25), (0.60, 0.10), (0.90, 0.075), (1, 0.10)),
    "cup": ((0, 0.30), (0.08, 0.36), (0.50, 0.44), (1, 0.47)),
}


class Thing(NamedTuple):
    """One object: the `x` of its axis, the y of its `foot`, its `height`, its kind and its color."""

    x: float
    foot: float
    height: float
    kind: str
    color: Color


def reach(thing: Thing) -> float:
    """Return the half width of an object near its foot."""
    if thing.kind == "fruit":
        return thing.height * 0.5
    return thing.height * max(half for level, half in _PROFILES[thing.kind] if level < 0.5)  # noqa: PLR2004


def paint_thing(canvas: Canvas, scene: Scene, thing: Thing, side: int, index: int) -> None:
    """Paint one object; the light comes from `side` (1 right, -1 left), and `index` selects its random stream."""
    if thing.kind == "fruit":
        _fruit(canvas, scene, thing, side, index)
        return
    palette = scene.palette
    random = scene.random(f"object {index}")
    profile = spline(np.array(_PROFILES[thing.kind]), 8)
    half = float(profile[:, 1].max()) * thing.height
    rim = float(profile[-1, 1]) * thing.height
    part = canvas.window(
        thing.x - half * 1.05, thing.foot - thing.height - rim * 0.3, thing.x + half * 1.05, thing.foot + half * 0.3
    )
    if part.empty:
        return
    flat = 0.17
    level = np.asarray((np.float32(thing.foot) - part.y) / np.float32(thing.height), np.float32)
    width = np.interp(level[:, 0], profile[:, 0], profile[:, 1]).astype(np.float32)[:, None] * np.float32(thing.height)
    across = (part.x - np.float32(thing.x)) / np.maximum(width, np.float32(1e-4))
    # A round vessel ends in ellipses, below at the foot and above at the rim.
    bow = np.sqrt(np.clip(1 - across**2, 0, 1))
    foot = np.float32(profile[0, 1] * flat) * bow
    body = np.minimum((1 - np.abs(across)) * width, np.minimum(level + foot, 1 - level) * np.float32(thing.height))
    mask = smooth(-part.pixel * 0.7, part.pixel * 0.7, np.asarray(body, np.float32))
    turned = across * np.float32(side)
    facing = np.float32(0.46) + turned * np.float32(0.36) + bow * np.float32(0.22)
    glaze = fbm(random, part.shape, 9, 5, gain=0.6) * np.float32(0.045)
    bounce = np.exp(-(((turned + np.float32(0.93)) / np.float32(0.13)) ** 2)) * np.float32(0.12)
    tone = np.clip(facing + glaze + bounce + (level - np.float32(0.5)) * np.float32(0.08), 0, 1)
    dark = mix(mix(thing.color, palette.dark(palette.cool, 0.16), 0.78), palette.tone(palette.warm, 0.3), 0.12)
    table = ramp(
        [
            (0, dark),
            (0.36, mix(thing.color, dark, 0.5)),
            (0.68, thing.color),
            (1, mix(thing.color, palette.lamp(0.5), 0.55)),
        ]
    )
    part.cover(looked_up(table, np.asarray(tone, np.float32)), mask)
    if random.random() < 0.45:  # noqa: PLR2004
        _bands(part, scene, random, mask, (level, bow), tone)
    shine = (
        np.exp(-(((turned - np.float32(0.55)) / np.float32(0.10)) ** 2))
        * smooth(0.15, 0.4, level)
        * smooth(0.97, 0.75, level)
    )
    part.light(palette.lamp(0.3), mask * shine * np.float32(0.45))
    _rim(part, scene, thing, (rim, rim * flat), side, dark)


def _rim(part: Canvas, scene: Scene, thing: Thing, half: tuple[float, float], side: int, dark: Color) -> None:
    """Paint the rim of a vessel and its dark inside; `half` is the half width and half height of the rim."""
    palette = scene.palette
    top = np.float32(thing.foot - thing.height)
    away_x, away_y = (part.x - np.float32(thing.x)) / np.float32(half[0]), (part.y - top) / np.float32(half[1])
    inside = np.asarray(1 - away_x**2 - away_y**2, np.float32)
    edge = 2.2 * part.pixel / half[1]
    part.cover(mix(thing.color, palette.lamp(0.4), 0.25), smooth(-edge, edge, inside))
    hollow = smooth(0.12, 0.12 + 2 * edge, inside)
    depth = np.clip(np.float32(0.5) - away_x * np.float32(0.35 * side), 0, 1)
    part.cover(mix(dark, palette.dark(palette.deep, 0.12), 0.4), hollow)
    part.cover(mix(thing.color, dark, 0.35), hollow * (1 - depth) * np.float32(0.7))


def _bands(
    part: Canvas,
    scene: Scene,
    random: np.random.Generator,
    mask: Field,
    where: tuple[Field, Field],
    tone: Field,
) -> None:
    """Paint bands around a vessel, curved like its body."""
    level, bow = where
    palette = scene.palette
    color = palette.vivid(int(random.integers(len(palette))), 0.5)
    curved = level + (1 - bow) * np.float32(0.035)
    start = float(random.uniform(0.3, 0.5))
    for offset, thick in ((0.0, 0.035), (0.065, 0.010), (0.09, 0.010)):
        line = smooth(thick / 2, thick / 2 - 0.006, np.abs(curved - np.float32(start + offset)))
        part.cover(
            mix(color, palette.dark(palette.deep, 0.2), 0.15),
            np.asarray(mask * line * (np.float32(0.30) + tone * np.float32(0.55)), np.float32),
        )


def _fruit(canvas: Canvas, scene: Scene, thing: Thing, side: int, index: int) -> None:
    palette = scene.palette
    random = scene.random(f"fruit {index}")
    radius = thing.height / 2
    x, y = thing.x, thing.foot - radius * 0.86
    part = canvas.around(x, y, radius * 1.5)
    if part.empty:
        return
    dx, dy = (part.x - np.float32(x)) / np.float32(radius), (part.y - np.float32(y)) / np.float32(radius)
    # A dent at the top turns a sphere into an apple.
    dent = np.float32(0.13) * np.exp(-((dx / np.float32(0.34)) ** 2)) * (dy < 0)
    away = np.asarray(np.hypot(dx, dy * np.float32(1.08)) + dent, np.float32)
    edge = part.pixel / radius * 0.8
    mask = smooth(1 + edge, 1 - edge, away)
    z = np.sqrt(np.clip(1 - away**2, 0, 1))
    facing = np.clip(dx * np.float32(0.55 * side) - dy * np.float32(0.5) + z * np.float32(0.66), -1, 1)
    skin = fbm(random, part.shape, 3.0, 4, gain=0.55) * np.float32(0.10)
    other = palette.vivid(int(random.integers(len(palette))), 0.74)
    dark = mix(thing.color, palette.dark(palette.cool, 0.14), 0.8)
    table = ramp(
        [
            (0, dark),
            (0.45, mix(thing.color, dark, 0.35)),
            (0.75, thing.color),
            (1, mix(mix(thing.color, other, 0.5), palette.lamp(0.5), 0.35)),
        ]
    )
    part.cover(looked_up(table, np.asarray(facing * np.float32(0.5) + np.float32(0.45) + skin, np.float32)), mask)
    glint = np.exp(-(((dx - np.float32(0.36 * side)) ** 2 + (dy + np.float32(0.42)) ** 2) / np.float32(0.035)))
    part.light(palette.lamp(0.2), mask * np.asarray(glint, np.float32) * np.float32(0.6))
    sheet = Sheet(part)
    stem = palette.dark(palette.deep, 0.18)
    sheet.line(
        plants.curve((x, y - radius * 0.78), (x + radius * 0.18, y - radius * 1.22), 0.2, 8), radius * 0.075, stem
    )
    if random.random() < 0.5:  # noqa: PLR2004
        green = palette.tone(palette.cool, 0.42, 1.3)
        spine = plants.curve((x + radius * 0.08, y - radius * 0.98), (x + radius * 0.75, y - radius * 1.18), 0.25)
        plants.leaf(
            sheet, spine, radius * 0.36, (mix(green, stem, 0.4), green, palette.tone(palette.cool, 0.6)), veins=4
        )
    sheet.lay()
