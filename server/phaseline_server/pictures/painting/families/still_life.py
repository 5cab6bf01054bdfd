"""Still lifes: vessels and fruit on a table in the light of one window, sometimes with flowers."""

import math
from collections.abc import Iterator

import numpy as np

from phaseline_server.pictures.painting.canvas import Canvas, looked_up, smooth
from phaseline_server.pictures.painting.color import mix, ramp
from phaseline_server.pictures.painting.families import plants
from phaseline_server.pictures.painting.families.vessels import Thing, paint_thing, reach
from phaseline_server.pictures.painting.noise import blurred, fbm
from phaseline_server.pictures.painting.scene import Layer, Plan, Scene, each
from phaseline_server.pictures.painting.sketch import Sheet

__all__ = ["plan"]


def plan(scene: Scene) -> Plan:
    """Plan a room, a table, three to six objects from back to front, and flowers in the tallest vessel."""
    random = scene.random("still life")
    edge = float(random.uniform(0.60, 0.68))
    side = int(random.choice([-1, 1]))
    things = _arranged(scene, random, edge)
    layers = [
        Layer(95, lambda canvas: _room(canvas, scene, edge, side)),
        Layer(75, lambda canvas: _window(canvas, scene, side)),
    ]
    blooming = scene.mentions("flower", "bouquet", "garden", "spring", "rose", "bloom") or random.random() < 0.6  # noqa: PLR2004
    for index, thing in enumerate(things):
        layers += each([thing], 5, lambda canvas, thing: _shadow(canvas, scene, thing, side))
        if index == 0 and blooming:
            parts = [(thing, part) for part in range(3)]
            layers += each(parts, 110, lambda canvas, piece: _bouquet(canvas, scene, *piece))
        layers += each([(thing, index)], 12, lambda canvas, piece: paint_thing(canvas, scene, piece[0], side, piece[1]))
    return layers


def _arranged(scene: Scene, random: np.random.Generator, edge: float) -> list[Thing]:
    palette = scene.palette
    colors = [palette.ink(i) for i in range(len(palette))]
    colors += [palette.vivid(i, 0.66) for i in range(len(palette))] + [
        palette.paper(palette.warm),
        palette.tone(palette.deep, 0.34, 1.1),
    ]
    order = [colors[int(i)] for i in random.permutation(len(colors))]
    scale = scene.scale
    middle = float(random.uniform(0.42, 0.58)) * scene.aspect
    tall = str(random.choice(["vase", "urn", "jug", "flask"]))
    things = [Thing(middle, edge + 0.10, float(random.uniform(0.27, 0.34)) * scale, tall, order[0])]
    places = random.permutation([-0.30, -0.19, 0.20, 0.31])
    for index in range(int(random.integers(2, 5))):
        kind = str(random.choice(["bottle", "bottle", "flask", "jug", "bowl", "cup", "vase"]))
        height = {"bottle": 0.36, "flask": 0.27, "jug": 0.22, "bowl": 0.10, "cup": 0.11, "vase": 0.22}[kind] * float(
            random.uniform(0.85, 1.15)
        )
        x = middle + float(places[index]) * scale + float(random.normal(0, 0.012))
        things.append(Thing(x, edge + 0.09 + 0.035 * index, height * scale, kind, order[(index + 1) % len(order)]))
    for _ in range(int(random.integers(2, 6))):
        x = middle + float(random.uniform(-0.34, 0.34)) * scale
        foot = edge + float(random.uniform(0.19, 0.27))
        ink = palette.warm if random.random() < 0.6 else palette.accent_index  # noqa: PLR2004
        size = float(random.uniform(0.060, 0.082)) * scale
        things.append(Thing(x, foot, size, "fruit", palette.vivid(ink, 0.64)))
    return [things[0], *sorted(things[1:], key=lambda thing: thing.foot)]


def _room(canvas: Canvas, scene: Scene, edge: float, side: int) -> Iterator[float]:
    """Paint a wall, brighter toward the window, and a table that slightly reflects it."""
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
    canvas.fill(
        looked_up(
            ramp([(0, dim), (0.5, wall), (1, lit)]),
            toward * np.float32(0.75) + np.float32(0.12) + cloud - canvas.y * np.float32(0.10),
        )
    )
    table = canvas.window(0, edge, canvas.aspect, 1.0)
    wood = mix(palette.tone(palette.warm, 0.20 + 0.34 * light.horizon, 1.1), palette.tone(palette.deep, 0.3), 0.35)
    rings = fbm(random, table.shape, 7, 5, gain=0.6, stretch=9)
    yield 0.7
    depth = (table.y - np.float32(edge)) / np.float32(1 - edge)
    tone = (
        np.float32(0.42)
        + rings * np.float32(0.07)
        + (toward - np.float32(0.5)) * np.float32(0.45)
        - depth * np.float32(0.12)
    )
    table.fill(
        looked_up(
            ramp([(0, mix(wood, palette.dark(palette.deep, 0.15), 0.7)), (0.5, wood), (1, mix(wood, lit, 0.6))]),
            np.asarray(tone, np.float32),
        )
    )
    table.cover(lit, np.exp(-depth / np.float32(0.02)) * np.float32(0.35))
    table.shade(palette.dark(palette.deep, 0.2), smooth(0.60, 1.1, depth) * np.float32(0.45))


def _window(canvas: Canvas, scene: Scene, side: int) -> None:
    """Paint the light of a window with bars on the wall."""
    random = scene.random("window")
    x = (0.34 if side > 0 else 0.66) * scene.aspect + float(random.normal(0, 0.05))
    slant = np.float32(0.28 * side)
    u = (canvas.x - np.float32(x) + (canvas.y - np.float32(0.3)) * slant) / np.float32(0.20 * scene.scale)
    v = (canvas.y - np.float32(0.30) + (canvas.x - np.float32(x)) * np.float32(0.10 * side)) / np.float32(0.21)
    soft = 0.10
    pane = smooth(1.0, 1.0 - soft, np.abs(u)) * smooth(1.0, 1.0 - soft, np.abs(v))
    pane = pane * smooth(0.02, 0.09, np.abs(u)) * smooth(0.02, 0.09, np.abs(v - np.float32(0.1)))
    leaves = fbm(random, canvas.shape, 5, 4)
    canvas.light(
        scene.palette.lamp(0.8),
        np.asarray(pane * (np.float32(0.26) + np.clip(leaves, -1, 1) * np.float32(0.08)), np.float32),
    )


def _shadow(canvas: Canvas, scene: Scene, thing: Thing, side: int) -> None:
    """Paint the soft shadow of an object on the table, away from the window."""
    wide = reach(thing)
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


def _bouquet(canvas: Canvas, scene: Scene, thing: Thing, part: int) -> None:
    """Paint leaves, then flowers, in the vessel."""
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
        (plants.daisy, plants.poppy, plants.blossom, plants.bell)[int(random.integers(4))](
            sheet, random, end, size, flower
        )
    # Leaves in the back are darker, which gives the bouquet depth and suggests its shadow on the wall.
    if part == 0:
        shadow = np.roll(blurred(sheet.mask(), 0.02 / canvas.pixel), round(0.03 / canvas.pixel), axis=0)
        canvas.shade(palette.dark(palette.cool, 0.2), shadow * np.float32(0.35))
    sheet.lay(shade=(0.22, 0.08, 0.0)[part])
