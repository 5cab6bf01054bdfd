"""Plants: a blossoming branch in front of a pale disc, a meadow at three depths, or leaves around a light."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from phaseline_server.pictures.painting.canvas import Canvas, looked_up, smooth
from phaseline_server.pictures.painting.color import Color, mix, ramp
from phaseline_server.pictures.painting.families import plants
from phaseline_server.pictures.painting.families.staffage import branches
from phaseline_server.pictures.painting.noise import blurred, fbm
from phaseline_server.pictures.painting.scene import Layer, Plan, Scene, each
from phaseline_server.pictures.painting.sketch import Points, Sheet

__all__ = ["plan"]


class _Tones(NamedTuple):
    """Colors of the whole picture; `dark` pictures have a night background."""

    dark: bool
    back: Color
    glow: Color
    stem: Color
    leaf: Color
    lit: Color
    flowers: tuple[tuple[Color, Color, Color], ...]


def plan(scene: Scene) -> Plan:
    """Plan one of the three compositions."""
    random = scene.random("botanical")
    keywords = {
        "branch": ("branch", "blossom", "cherry", "japan*", "orchard", "tree", "spring"),
        "meadow": ("meadow", "flower", "field", "wild", "bouquet", "poppy", "daisy", "garden", "herb"),
        "leaves": ("jungle", "leaf", "leaves", "fern", "tropic*", "palm", "vine", "rain"),
    }
    fitting = [kind for kind, words in keywords.items() if scene.mentions(*words)] or list(keywords)
    kind = str(random.choice(fitting))
    tones = _tones(scene, random)
    layers: Plan = [Layer(200, lambda canvas: _ground(canvas, scene, tones, kind))]
    if kind == "branch":
        return layers + _plan_branch(scene, tones)
    if kind == "meadow":
        return layers + _plan_meadow(scene, tones)
    return layers + _plan_leaves(scene, tones)


def _tones(scene: Scene, random: np.random.Generator) -> _Tones:
    palette = scene.palette
    dark = scene.light.horizon < 0.8 or random.random() < 0.2  # noqa: PLR2004
    green = palette.cool if palette.cool != palette.accent_index else 0
    heads = []
    for index in range(len(palette)):
        bright = palette.vivid(index, 0.74 if dark else 0.64)
        pale = mix(bright, palette.lamp(0.4), 0.62 if dark else 0.25)
        heads += [
            (pale, bright, palette.vivid(palette.warm, 0.8)),
            (bright, palette.vivid(index, 0.42), palette.dark(index, 0.2)),
        ]
    chosen = [heads[int(i)] for i in random.permutation(len(heads))[:3]]
    # The accent is always the color of some flowers.
    chosen[0] = heads[2 * palette.accent_index + int(random.integers(2))]
    if dark:
        back, glow = palette.tone(palette.cool, 0.20, 1.2), palette.tone(palette.warm, 0.44, 1.2)
        stem, leaf, lit = palette.tone(green, 0.30, 1.1), palette.tone(green, 0.38, 1.2), palette.tone(green, 0.56, 1.1)
    else:
        back, glow = (
            mix(palette.paper(palette.cool), palette.tone(palette.cool, 0.85, 1.0), 0.55),
            palette.paper(palette.warm),
        )
        stem, leaf, lit = palette.tone(green, 0.34, 1.2), palette.tone(green, 0.46, 1.3), palette.tone(green, 0.64, 1.2)
    return _Tones(dark, back, glow, stem, leaf, lit, tuple(chosen))


def _ground(canvas: Canvas, scene: Scene, tones: _Tones, kind: str) -> Iterator[float]:
    """Paint the background with a disc in it."""
    random = scene.random("ground")
    palette = scene.palette
    x, y = float(random.uniform(0.3, 0.7)) * scene.aspect, float(random.uniform(0.3, 0.5))
    cloud = fbm(random, canvas.shape, 1.5, 4) * np.float32(0.09)
    yield 0.4
    away = np.hypot(canvas.x - np.float32(x), canvas.y - np.float32(y)) * np.float32(0.95) + cloud
    far = mix(tones.back, palette.tone(palette.cool, 0.1 if tones.dark else 0.72, 1.2), 0.55)
    canvas.fill(looked_up(ramp([(0, tones.glow), (0.55, tones.back), (1, far)]), away))
    yield 0.6
    radius = float(random.uniform(0.16, 0.25)) * scene.scale * (1.15 if kind == "branch" else 0.9)
    distance = np.hypot(canvas.x - np.float32(x), canvas.y - np.float32(y))
    lamp = palette.lamp(0.5)
    disc = lamp if tones.dark else mix(palette.vivid(palette.accent_index, 0.74), lamp, float(random.uniform(0.1, 0.6)))
    mask = smooth(radius + canvas.pixel, radius - canvas.pixel, distance)
    veil = smooth(radius * 1.3, -radius, canvas.y - np.float32(y) + cloud * np.float32(0.6) + 0 * canvas.x)
    canvas.light(lamp, np.exp(-np.maximum(distance - np.float32(radius), 0) / np.float32(0.12)) * np.float32(0.3))
    canvas.cover(disc, mask * (np.float32(0.35) + np.float32(0.6) * veil))


def _plan_branch(scene: Scene, tones: _Tones) -> Plan:
    random = scene.random("branch")
    left = random.random() < 0.5  # noqa: PLR2004
    high = random.random() < 0.5  # noqa: PLR2004
    start = (-0.03, float(random.uniform(0.16, 0.36) if high else random.uniform(0.62, 0.92)))
    heading = float(random.uniform(-0.45, -0.08) if high else random.uniform(0.2, 0.6))
    size = (0.30 * scene.scale + 0.06, 0.034 * scene.scale, 4)
    # Grow several branches, and keep the one with the most twigs on the canvas.
    grown = max((branches(random, start, heading, *size) for _ in range(5)), key=lambda tree: _seen(scene, tree))
    if not left:
        grown = [(points * [-1, 1] + [scene.aspect, 0], thick, thin) for points, thick, thin in grown]
    layers = [Layer(5, lambda canvas: _petals_far(canvas, scene, tones))]
    layers.append(Layer(110, lambda canvas: _wood(canvas, scene, tones, grown)))
    layers += each(range(4), 130, lambda canvas, part: _blossoms(canvas, scene, tones, grown, part))
    layers.append(Layer(95, lambda canvas: _falling(canvas, scene, tones)))
    return layers


def _seen(scene: Scene, grown: list[tuple[Points, float, float]]) -> int:
    """Return the number of twigs that end on the canvas."""
    ends = np.array([points[-1] for points, _, _ in grown])
    inside = (ends > 0.05) & (ends < [scene.aspect - 0.05, 0.95])  # noqa: PLR2004
    return int(inside.all(axis=1).sum())


def _wood(canvas: Canvas, scene: Scene, tones: _Tones, grown: list[tuple[Points, float, float]]) -> None:
    random = scene.random("wood")
    bark = mix(scene.palette.dark(scene.palette.deep, 0.19 if not tones.dark else 0.13), tones.stem, 0.2)
    sheet = Sheet(canvas)
    for points, thick, thin in grown:
        width = np.linspace(thick, thin, len(points)) * random.uniform(0.85, 1.2, len(points))
        along = np.gradient(points, axis=0)
        along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
        across = np.stack([-along[:, 1], along[:, 0]], axis=1) * (width / 2)[:, None]
        sheet.polygon(np.concatenate([points + across, (points - across)[::-1]]), bark)
        sheet.disc(float(points[0, 0]), float(points[0, 1]), thick * 0.5, bark)
        lit = np.concatenate([points - across * 0.75, (points - across * 0.1)[::-1]])
        sheet.polygon(lit, mix(bark, tones.lit, 0.28))
    sheet.lay()


def _petals_far(canvas: Canvas, scene: Scene, tones: _Tones) -> None:
    """Paint blurred blossoms in the distance."""
    random = scene.random("far petals")
    for _ in range(26):
        x, y = float(random.uniform(0, scene.aspect)), float(random.uniform(0, 1))
        radius = float(random.uniform(0.012, 0.045)) * scene.scale
        near = canvas.around(x, y, radius * 1.4)
        if near.empty:
            continue
        distance = np.hypot(near.x - np.float32(x), near.y - np.float32(y)) / np.float32(radius)
        near.cover(tones.flowers[0][0], smooth(1.2, 0.5, distance) * np.float32(random.uniform(0.06, 0.22)))


def _blossoms(canvas: Canvas, scene: Scene, tones: _Tones, grown: list[tuple[Points, float, float]], part: int) -> None:
    random = scene.random(f"blossoms {part}")
    sheet = Sheet(canvas)
    outer, heart, stamen = tones.flowers[0]
    size = 0.030 * scene.scale
    for points, thick, _ in grown:
        if thick > 0.016 * scene.scale:
            continue
        for _ in range(int(random.integers(0, 2))):
            place = points[int(random.integers(1, len(points)))] + random.normal(0, size * 0.5, 2)
            at = (float(place[0]), float(place[1]))
            if random.random() < 0.24:  # noqa: PLR2004
                sheet.disc(at[0], at[1], size * 0.24, mix(heart, outer, 0.3))
                continue
            shade = float(random.uniform(0, 0.35)) if part < 2 else 0.0  # noqa: PLR2004
            pale = mix(outer, tones.back, shade)
            plants.blossom(
                sheet,
                random,
                at,
                size * float(random.uniform(0.7, 1.25)),
                (pale, mix(heart, tones.back, shade), stamen),
            )
    sheet.lay()


def _falling(canvas: Canvas, scene: Scene, tones: _Tones) -> None:
    random = scene.random("falling")
    sheet = Sheet(canvas)
    shape = plants.petal(0.7, tip=0.6, notch=0.1)
    for _ in range(24):
        at = (float(random.uniform(0, scene.aspect)), float(random.uniform(0.15, 1)))
        points = plants.placed(
            shape, at, float(random.uniform(0, math.tau)), float(random.uniform(0.007, 0.017)) * scene.scale
        )
        sheet.polygon(points, mix(tones.flowers[0][0], tones.flowers[0][1], float(random.uniform(0, 0.5))))
    sheet.lay(0.9)


def _plan_meadow(scene: Scene, tones: _Tones) -> Plan:
    layers: Plan = []
    for depth, blur in ((0, 0.007), (1, 0.0028), (2, 0.0)):
        groups = [(depth, part) for part in range(2 if blur else 3)]
        layers += each(groups, 190, lambda canvas, group: _flowers(canvas, scene, tones, *group))
        layers += each([blur] if blur else [], 30, _soften)
    return layers


def _soften(canvas: Canvas, reach: float) -> None:
    canvas.rgb[...] = blurred(canvas.rgb, reach / canvas.pixel)


def _flowers(canvas: Canvas, scene: Scene, tones: _Tones, depth: int, part: int) -> None:
    """Paint one group of flowers at one depth: 0 far and pale, 2 near."""
    random = scene.random(f"flowers {depth} {part}")
    fade = (0.62, 0.3, 0.0)[depth]
    count = round((13, 9, 5)[depth] * max(scene.aspect, 0.7))
    size = (0.030, 0.048, 0.078)[depth] * scene.scale
    sheet = Sheet(canvas)
    stem, dark, lit = (mix(tone, tones.back, fade) for tone in (tones.stem, tones.leaf, tones.lit))
    for _ in range(count * 2):
        foot = (float(random.uniform(-0.05, 1.05)) * scene.aspect, 1.03)
        top = (foot[0] + float(random.normal(0, 0.09)), 1.0 - float(random.uniform(0.10, 0.34)) * (1.25 - 0.2 * depth))
        spine = plants.curve(foot, top, float(random.normal(0, 0.16)))
        plants.leaf(sheet, spine, size * float(random.uniform(0.3, 0.6)), (dark, mix(dark, lit, 0.7), stem), veins=1)
    for _ in range(count):
        foot = (float(random.uniform(-0.02, 1.02)) * scene.aspect, 1.03)
        top = (
            foot[0] + float(random.normal(0, 0.07)),
            float(random.uniform(0.30, 0.80)) - 0.06 * (2 - depth) + 0.03 * depth,
        )
        spine = plants.curve(foot, top, float(random.normal(0, 0.10)))
        plants.stalk(sheet, spine, size * 0.075, mix(stem, lit, float(random.uniform(0, 0.4))))
        for _ in range(2):
            i = int(random.integers(5, 14))
            start = (float(spine[i, 0]), float(spine[i, 1]))
            side = float(random.choice([-1, 1]))
            end = (start[0] + side * size * 1.1, start[1] - size * float(random.uniform(0.5, 1.4)))
            plants.leaf(sheet, plants.curve(start, end, -0.25 * side), size * 0.34, (dark, lit, stem), veins=4)
        petal, shade, middle = (
            mix(tone, tones.back, fade) for tone in tones.flowers[int(random.integers(len(tones.flowers)))]
        )
        _head(sheet, random, spine, size * float(random.uniform(0.7, 1.1)), (petal, shade, middle))
    sheet.lay()


def _head(
    sheet: Sheet, random: np.random.Generator, spine: Points, size: float, tones: tuple[Color, Color, Color]
) -> None:
    at = (float(spine[-1, 0]), float(spine[-1, 1]))
    kind = int(random.integers(5))
    if kind == 0:
        plants.spike(sheet, random, spine, size * 0.75, tones)
        return
    (plants.daisy, plants.poppy, plants.umbel, plants.bell)[kind - 1](
        sheet, random, at, size * (1.0, 1.0, 1.1, 1.2)[kind - 1], tones
    )


def _plan_leaves(scene: Scene, tones: _Tones) -> Plan:
    layers: Plan = []
    for depth in range(4):
        groups = [(depth, part) for part in range(2)]
        layers += each(groups, 110, lambda canvas, group: _foliage(canvas, scene, tones, *group))
        layers += each([0.006] if depth == 0 else [], 30, _soften)
    return layers


def _foliage(canvas: Canvas, scene: Scene, tones: _Tones, depth: int, part: int) -> None:
    """Paint leaves that reach in from the edges; those in front are darker, larger and closer to the corners."""
    random = scene.random(f"foliage {depth} {part}")
    near = depth / 3
    sheet = Sheet(canvas)
    center = np.array([0.5 * scene.aspect, 0.42])
    for _ in range(round((13 - 4 * near) * max(scene.aspect, 0.8))):
        angle = float(random.uniform(0, math.tau))
        rim = np.array([math.cos(angle) * 0.72 * scene.aspect, math.sin(angle) * 0.72])
        start = center + rim * float(random.uniform(0.95, 1.15))
        aim = center + random.normal(0, 0.12, 2)
        reach = float(random.uniform(0.46, 0.80)) * (1.0 - 0.30 * near)
        end = start + (aim - start) * reach
        spine = plants.curve(
            (float(start[0]), float(start[1])), (float(end[0]), float(end[1])), float(random.normal(0, 0.16)), 40
        )
        shadow = scene.palette.dark(scene.palette.deep, 0.15)
        dark, lit = (
            mix(mix(tones.leaf, tones.back, 0.55), shadow, 0.78 * near),
            mix(mix(tones.lit, tones.back, 0.4), shadow, 0.55 * near),
        )
        tint = tones.flowers[0][1] if random.random() < 0.16 else tones.lit  # noqa: PLR2004
        lit = mix(lit, tint, float(random.uniform(0, 0.3)))
        rib = mix(lit, tones.glow, 0.35)
        if random.random() < 0.36:  # noqa: PLR2004
            plants.fern(sheet, spine, 0.15 * scene.scale, (dark, lit, rib))
        else:
            plants.leaf(sheet, spine, float(random.uniform(0.09, 0.19)) * scene.scale, (dark, lit, rib), veins=9)
    if depth == 2 and part == 1:  # noqa: PLR2004
        for _ in range(5):
            angle = float(random.uniform(0.2, math.pi - 0.2))
            at = center + np.array([math.cos(angle) * 0.36 * scene.aspect, math.sin(angle) * 0.36])
            plants.blossom(sheet, random, (float(at[0]), float(at[1])), 0.055 * scene.scale, tones.flowers[0])
    sheet.lay()
