"""Still lifes: turned vessels and round fruit on a table, in the light of one window, sometimes with flowers."""

from collections.abc import Iterator
import math
from typing import NamedTuple

import numpy as np

from phaseline_server.dalle.painting.canvas import Canvas, looked_up, smooth
from phaseline_server.dalle.painting.color import Color, mix, ramp
from phaseline_server.dalle.painting.families import plants
from phaseline_server.dalle.painting.families.profile import spline
from phaseline_server.dalle.painting.noise import blurred, fbm
from phaseline_server.dalle.painting.scene import Layer, Plan, Scene
from phaseline_server.dalle.painting.sketch import Sheet

__all__ = ["plan"]

# Half width at heights from foot (0) to rim (1), both in heights of the vessel.
_PROFILES = {
    "bottle": ((0, 0.17), (0.03, 0.19), (0.35, 0.195), (0.55, 0.18), (0.68, 0.085), (0.80, 0.055), (0.95, 0.052), (1, 0.062)),
    "vase": ((0, 0.15), (0.08, 0.19), (0.35, 0.31), (0.60, 0.29), (0.78, 0.15), (0.88, 0.12), (1, 0.17)),
    "urn": ((0, 0.16), (0.05, 0.14), (0.12, 0.16), (0.45, 0.40), (0.72, 0.36), (0.86, 0.20), (0.93, 0.19), (1, 0.25)),
    "jug": ((0, 0.22), (0.06, 0.26), (0.40, 0.33), (0.65, 0.27), (0.82, 0.19), (1, 0.24)),
    "bowl": ((0, 0.35), (0.10, 0.38), (0.35, 0.70), (0.70, 0.95), (1, 1.05)),
    "flask": ((0, 0.20), (0.10, 0.33), (0.30, 0.36), (0.48, 0.25), (0.60, 0.10), (0.90, 0.075), (1, 0.10)),
    "cup": ((0, 0.30), (0.08, 0.36), (0.50, 0.44), (1, 0.47)),
}


class _Thing(NamedTuple):
    """One object: `x` of its axis, `foot` where it stands, `height`, what it is, and its color."""

    x: float
    foot: float
    height: float
    kind: str
    color: Color


def plan(scene: Scene) -> Plan:
    """Plan a room, a table, three to six things from back to front, and flowers in the tallest vessel."""
    random = scene.random("still life")
    edge = float(random.uniform(0.60, 0.68))
    side = int(random.choice([-1, 1]))
    things = _arranged(scene, random, edge)
    layers = [
        Layer(95, lambda canvas: _room(canvas, scene, edge, side)),
        Layer(75, lambda canvas: _window(canvas, scene, side)),
    ]
    blooming = scene.says("flower", "bouquet", "garden", "spring", "rose", "bloom") or random.random() < 0.6  # noqa: PLR2004
    for index, thing in enumerate(things):
        layers.append(Layer(2, lambda canvas, t=thing: _shadow(canvas, scene, t, side)))
        if index == 0 and blooming:
            layers += [Layer(110, lambda canvas, t=thing, p=part: _bouquet(canvas, scene, t, p)) for part in range(3)]
        layers.append(Layer(8, lambda canvas, t=thing, i=index: _object(canvas, scene, t, side, i)))
    return layers


def _arranged(scene: Scene, random: np.random.Generator, edge: float) -> list[_Thing]:
    palette = scene.palette
    colors = [palette.ink(i) for i in range(len(palette))]
    colors += [palette.vivid(i, 0.66) for i in range(len(palette))] + [palette.paper(palette.warm), palette.tone(palette.deep, 0.34, 1.1)]
    order = [colors[int(i)] for i in random.permutation(len(colors))]
    scale = scene.scale
    middle = float(random.uniform(0.42, 0.58)) * scene.aspect
    tall = str(random.choice(["vase", "urn", "jug", "flask"]))
    things = [_Thing(middle, edge + 0.10, float(random.uniform(0.27, 0.34)) * scale, tall, order[0])]
    places = random.permutation([-0.30, -0.19, 0.20, 0.31])
    for index in range(int(random.integers(2, 5))):
        kind = str(random.choice(["bottle", "bottle", "flask", "jug", "bowl", "cup", "vase"]))
        height = {"bottle": 0.36, "flask": 0.27, "jug": 0.22, "bowl": 0.10, "cup": 0.11, "vase": 0.22}[kind] * float(random.uniform(0.85, 1.15))
        x = middle + float(places[index]) * scale + float(random.normal(0, 0.012))
        things.append(_Thing(x, edge + 0.09 + 0.035 * index, height * scale, kind, order[(index + 1) % len(order)]))
    for _ in range(int(random.integers(2, 6))):
        x = middle + float(random.uniform(-0.34, 0.34)) * scale
        foot = edge + float(random.uniform(0.19, 0.27))
        things.append(_Thing(x, foot, float(random.uniform(0.060, 0.082)) * scale, "fruit", palette.vivid(palette.warm if random.random() < 0.6 else palette.accent_index, 0.64)))  # noqa: PLR2004
    return [things[0], *sorted(things[1:], key=lambda thing: thing.foot)]


def _room(canvas: Canvas, scene: Scene, edge: float, side: int) -> Iterator[float]:
    """Paint a wall, brighter toward the window, and a table that reflects a little of it."""
    random = scene.random("room")
    palette, light = scene.palette, scene.light
    high = 0.24 + 0.56 * light.horizon
    wall = palette.tone(palette.cool, high, 0.9)
    lit = mix(palette.tone(palette.warm, min(0.95, high + 0.16), 0.8), palette.lamp(0.5), 0.2)
    dim = mix(palette.tone(palette.cool, high * 0.5, 1.0), palette.dark(palette.deep, 0.2), 0.3)
    cloud = fbm(random, canvas.shape, 1.5, 6, gain=0.6) * np.float32(0.06)
    yield 0.35
    across = canvas.x / np.float32(scene.aspect)
    toward = across if side > 0 else 1 - across
    canvas.fill(looked_up(ramp([(0, dim), (0.5, wall), (1, lit)]), toward * np.float32(0.75) + np.float32(0.12) + cloud - canvas.y * np.float32(0.10)))
    table = canvas.window(0, edge, canvas.aspect, 1.0)
    wood = mix(palette.tone(palette.warm, 0.20 + 0.34 * light.horizon, 1.1), palette.tone(palette.deep, 0.3), 0.35)
    rings = fbm(random, table.shape, 7, 5, gain=0.6, stretch=9)
    yield 0.7
    depth = (table.y - np.float32(edge)) / np.float32(1 - edge)
    tone = np.float32(0.42) + rings * np.float32(0.07) + (toward - np.float32(0.5)) * np.float32(0.45) - depth * np.float32(0.12)
    table.fill(looked_up(ramp([(0, mix(wood, palette.dark(palette.deep, 0.15), 0.7)), (0.5, wood), (1, mix(wood, lit, 0.6))]), np.asarray(tone, np.float32)))
    table.cover(lit, np.exp(-depth / np.float32(0.02)) * np.float32(0.35))
    table.shade(palette.dark(palette.deep, 0.2), smooth(0.60, 1.1, depth) * np.float32(0.45))


def _window(canvas: Canvas, scene: Scene, side: int) -> None:
    """Throw the light of a window with its bars on the wall."""
    random = scene.random("window")
    x = (0.34 if side > 0 else 0.66) * scene.aspect + float(random.normal(0, 0.05))
    slant = np.float32(0.28 * side)
    u = (canvas.x - np.float32(x) + (canvas.y - np.float32(0.3)) * slant) / np.float32(0.20 * scene.scale)
    v = (canvas.y - np.float32(0.30) + (canvas.x - np.float32(x)) * np.float32(0.10 * side)) / np.float32(0.21)
    soft = 0.10
    pane = smooth(1.0, 1.0 - soft, np.abs(u)) * smooth(1.0, 1.0 - soft, np.abs(v))
    pane = pane * smooth(0.02, 0.09, np.abs(u)) * smooth(0.02, 0.09, np.abs(v - np.float32(0.1)))
    leaves = fbm(random, canvas.shape, 5, 4)
    canvas.light(scene.palette.lamp(0.8), np.asarray(pane * (np.float32(0.26) + np.clip(leaves, -1, 1) * np.float32(0.08)), np.float32))


def _shadow(canvas: Canvas, scene: Scene, thing: _Thing, side: int) -> None:
    """Lay the soft shadow of a thing on the table, away from the window."""
    wide = _reach(thing)
    part = canvas.window(thing.x - wide * 6, thing.foot - wide, thing.x + wide * 6, thing.foot + wide)
    if part.empty:
        return
    dx = (part.x - np.float32(thing.x)) / np.float32(wide)
    dy = (part.y - np.float32(thing.foot)) / np.float32(wide * 0.26)
    along = dx * np.float32(-side)
    stretch = np.where(along > 0, along / np.float32(3.4), along / np.float32(1.1))
    lift = dy + np.maximum(along, 0) * np.float32(0.10)
    blot = np.exp(-(stretch**2) * np.float32(1.5) - (lift**2) * np.float32(0.9))
    part.shade(scene.palette.dark(scene.palette.cool, 0.14), np.asarray(blot * np.float32(0.72), np.float32))
    core = np.exp(-((dx / np.float32(1.05)) ** 4) - (dy / np.float32(0.5)) ** 2)
    part.shade(scene.palette.dark(scene.palette.deep, 0.12), np.asarray(core * np.float32(0.6), np.float32))


def _reach(thing: _Thing) -> float:
    if thing.kind == "fruit":
        return thing.height * 0.5
    return thing.height * max(half for level, half in _PROFILES[thing.kind] if level < 0.5)  # noqa: PLR2004


def _object(canvas: Canvas, scene: Scene, thing: _Thing, side: int, index: int) -> None:
    if thing.kind == "fruit":
        _fruit(canvas, scene, thing, side, index)
        return
    palette = scene.palette
    random = scene.random(f"object {index}")
    profile = spline(np.array(_PROFILES[thing.kind]), 8)
    half = float(profile[:, 1].max()) * thing.height
    rim = float(profile[-1, 1]) * thing.height
    part = canvas.window(thing.x - half * 1.05, thing.foot - thing.height - rim * 0.3, thing.x + half * 1.05, thing.foot + half * 0.3)
    if part.empty:
        return
    flat = 0.17
    level = np.asarray((np.float32(thing.foot) - part.y) / np.float32(thing.height), np.float32)
    width = np.interp(level[:, 0], profile[:, 0], profile[:, 1]).astype(np.float32)[:, None] * np.float32(thing.height)
    across = (part.x - np.float32(thing.x)) / np.maximum(width, np.float32(1e-4))
    # A turned body ends in ellipses, below at the foot and above at the rim.
    bow = np.sqrt(np.clip(1 - across**2, 0, 1))
    foot = np.float32(profile[0, 1] * flat) * bow
    body = np.minimum((1 - np.abs(across)) * width, np.minimum(level + foot, 1 - level) * np.float32(thing.height))
    mask = smooth(-part.pixel * 0.7, part.pixel * 0.7, np.asarray(body, np.float32))
    turned = across * np.float32(side)
    facing = np.float32(0.46) + turned * np.float32(0.36) + bow * np.float32(0.22)
    glaze = fbm(random, part.shape, 9, 5, gain=0.6) * np.float32(0.045)
    bounce = np.exp(-((turned + np.float32(0.93)) / np.float32(0.13)) ** 2) * np.float32(0.12)
    tone = np.clip(facing + glaze + bounce + (level - np.float32(0.5)) * np.float32(0.08), 0, 1)
    dark = mix(mix(thing.color, palette.dark(palette.cool, 0.16), 0.78), palette.tone(palette.warm, 0.3), 0.12)
    table = ramp([(0, dark), (0.36, mix(thing.color, dark, 0.5)), (0.68, thing.color), (1, mix(thing.color, palette.lamp(0.5), 0.55))])
    part.cover(looked_up(table, np.asarray(tone, np.float32)), mask)
    if random.random() < 0.45:  # noqa: PLR2004
        _bands(part, scene, random, mask, (level, bow), tone)
    shine = np.exp(-(((turned - np.float32(0.55)) / np.float32(0.10)) ** 2)) * smooth(0.15, 0.4, level) * smooth(0.97, 0.75, level)
    part.light(palette.lamp(0.3), mask * shine * np.float32(0.45))
    top = np.float32(thing.foot - thing.height)
    ellipse = 1 - ((part.x - np.float32(thing.x)) / np.float32(rim)) ** 2 - ((part.y - top) / np.float32(rim * flat)) ** 2
    edge = np.float32(2.2 * part.pixel / (rim * flat))
    part.cover(mix(thing.color, palette.lamp(0.4), 0.25), smooth(-float(edge), float(edge), np.asarray(ellipse, np.float32)))
    hollow = smooth(0.12, 0.12 + 2 * float(edge), np.asarray(ellipse, np.float32))
    depth = np.clip(np.float32(0.5) - (part.x - np.float32(thing.x)) / np.float32(rim) * np.float32(0.35 * side), 0, 1)
    part.cover(mix(dark, palette.dark(palette.deep, 0.12), 0.4), hollow)
    part.cover(mix(thing.color, dark, 0.35), hollow * (1 - depth) * np.float32(0.7))


def _bands(part: Canvas, scene: Scene, random: np.random.Generator, mask: np.ndarray, where: tuple[np.ndarray, np.ndarray], tone: np.ndarray) -> None:
    """Paint bands round a vessel, bent as its body is."""
    level, bow = where
    palette = scene.palette
    color = palette.vivid(int(random.integers(len(palette))), 0.5)
    curved = level + (1 - bow) * np.float32(0.035)
    start = float(random.uniform(0.3, 0.5))
    for offset, thick in ((0.0, 0.035), (0.065, 0.010), (0.09, 0.010)):
        line = smooth(thick / 2, thick / 2 - 0.006, np.abs(curved - np.float32(start + offset)))
        part.cover(mix(color, palette.dark(palette.deep, 0.2), 0.15), np.asarray(mask * line * (np.float32(0.30) + tone * np.float32(0.55)), np.float32))


def _fruit(canvas: Canvas, scene: Scene, thing: _Thing, side: int, index: int) -> None:
    palette = scene.palette
    random = scene.random(f"fruit {index}")
    radius = thing.height / 2
    x, y = thing.x, thing.foot - radius * 0.86
    part = canvas.around(x, y, radius * 1.5)
    if part.empty:
        return
    dx, dy = (part.x - np.float32(x)) / np.float32(radius), (part.y - np.float32(y)) / np.float32(radius)
    # A dent at the top makes an apple of a ball.
    dent = np.float32(0.13) * np.exp(-((dx / np.float32(0.34)) ** 2)) * (dy < 0)
    away = np.asarray(np.hypot(dx, dy * np.float32(1.08)) + dent, np.float32)
    edge = part.pixel / radius * 0.8
    mask = smooth(1 + edge, 1 - edge, away)
    z = np.sqrt(np.clip(1 - away**2, 0, 1))
    facing = np.clip(dx * np.float32(0.55 * side) - dy * np.float32(0.5) + z * np.float32(0.66), -1, 1)
    skin = fbm(random, part.shape, 3.0, 4, gain=0.55) * np.float32(0.10)
    other = palette.vivid(int(random.integers(len(palette))), 0.74)
    dark = mix(thing.color, palette.dark(palette.cool, 0.14), 0.8)
    table = ramp([(0, dark), (0.45, mix(thing.color, dark, 0.35)), (0.75, thing.color), (1, mix(mix(thing.color, other, 0.5), palette.lamp(0.5), 0.35))])
    part.cover(looked_up(table, np.asarray(facing * np.float32(0.5) + np.float32(0.45) + skin, np.float32)), mask)
    glint = np.exp(-(((dx - np.float32(0.36 * side)) ** 2 + (dy + np.float32(0.42)) ** 2) / np.float32(0.035)))
    part.light(palette.lamp(0.2), mask * np.asarray(glint, np.float32) * np.float32(0.6))
    sheet = Sheet(part)
    stem = palette.dark(palette.deep, 0.18)
    sheet.line(plants.curve((x, y - radius * 0.78), (x + radius * 0.18, y - radius * 1.22), 0.2, 8), radius * 0.075, stem)
    if random.random() < 0.5:  # noqa: PLR2004
        green = palette.tone(palette.cool, 0.42, 1.3)
        spine = plants.curve((x + radius * 0.08, y - radius * 0.98), (x + radius * 0.75, y - radius * 1.18), 0.25)
        plants.leaf(sheet, spine, radius * 0.36, (mix(green, stem, 0.4), green, palette.tone(palette.cool, 0.6)), veins=4)
    sheet.lay()


def _bouquet(canvas: Canvas, scene: Scene, thing: _Thing, part: int) -> None:
    """Put leaves, then flowers, into the vessel."""
    random = scene.random(f"bouquet {part}")
    palette = scene.palette
    mouth = (thing.x, thing.foot - thing.height * 0.97)
    sheet = Sheet(canvas)
    spread = 0.23 * scene.scale
    green = palette.tone(palette.cool, 0.40, 1.2)
    tones = (mix(green, palette.dark(palette.deep, 0.18), 0.5), green, palette.tone(palette.cool, 0.62))
    count = (22, 11, 12)[part]
    for _ in range(count):
        angle = -math.pi / 2 + float(random.normal(0, 0.62 if part == 0 else 0.5))
        length = spread * float(random.uniform(0.45, 1.25) if part < 2 else random.uniform(0.25, 0.95))  # noqa: PLR2004
        end = (mouth[0] + math.cos(angle) * length, mouth[1] + math.sin(angle) * length * 1.05)
        spine = plants.curve(mouth, end, float(random.normal(0, 0.16)))
        plants.stalk(sheet, spine, 0.005 * scene.scale, tones[0])
        if part == 0:
            half = plants.curve((float(spine[6, 0]), float(spine[6, 1])), end, float(random.normal(0, 0.2)))
            (plants.fern if random.random() < 0.35 else plants.leaf)(sheet, half, 0.062 * scene.scale, tones)  # noqa: PLR2004
            continue
        color = palette.vivid(int(random.integers(len(palette))), float(random.uniform(0.6, 0.82)))
        petal = mix(color, palette.lamp(0.4), float(random.choice([0.0, 0.15, 0.55])))
        flower = (petal, mix(petal, palette.dark(palette.deep, 0.25), 0.45), palette.vivid(palette.warm, 0.82))
        size = float(random.uniform(0.036, 0.060)) * scene.scale
        (plants.daisy, plants.poppy, plants.blossom, plants.bell)[int(random.integers(4))](sheet, random, end, size, flower)
    # Leaves in the back are darker: the bouquet has depth, and its own shadow on the wall.
    if part == 0:
        shadow = np.roll(blurred(sheet.mask(), 0.02 / canvas.pixel), round(0.03 / canvas.pixel), axis=0)
        canvas.shade(palette.dark(palette.cool, 0.2), shadow * np.float32(0.35))
    sheet.lay(shade=(0.22, 0.08, 0.0)[part])
