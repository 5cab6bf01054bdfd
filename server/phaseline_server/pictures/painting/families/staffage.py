"""Small objects that show the scale of a landscape: conifers, a lone tree, reeds, grass, boats and balloons."""

import math

import numpy as np

from phaseline_server.pictures.painting.canvas import Canvas, smooth
from phaseline_server.pictures.painting.color import Color, Field, mix
from phaseline_server.pictures.painting.families.sky import Sky
from phaseline_server.pictures.painting.noise import line_noise
from phaseline_server.pictures.painting.scene import Layer, Plan, Scene
from phaseline_server.pictures.painting.sketch import Points, Sheet, Stencil

__all__ = ["boat", "branches", "plan_nearest", "reeds", "trees"]


def plan_nearest(scene: Scene, sky: Sky, kind: str) -> Plan:
    """Return the layers of the foreground, selected by the seed and the words."""
    random = scene.random("nearest")
    layers: Plan = []
    if scene.mentions("balloon", "sky", "journey", "dream") or random.random() < 0.22:  # noqa: PLR2004
        layers.append(Layer(12, lambda canvas: _balloons(canvas, scene, sky)))
    choice = random.random()
    if (kind in {"rolling", "dunes"} and choice < 0.75) or scene.mentions("lone", "solitude", "alone", "oak"):  # noqa: PLR2004
        layers.append(Layer(430, lambda canvas: _lone_tree(canvas, scene)))
    if kind != "dunes" and (choice > 0.35 or scene.mentions("grass", "meadow")):  # noqa: PLR2004
        layers.append(Layer(425, lambda canvas: _grass(canvas, scene, sky)))
    return layers


def trees(canvas: Canvas, scene: Scene, crest: Field, depth: float, color: Color, dense: int) -> None:
    """Paint conifers along a crest (a y per column): many and small if far, few and tall if near."""
    random = scene.random(f"trees {depth:.3f}")
    size = 0.022 + 0.085 * depth**2
    count = int(dense * scene.aspect * (1.25 - 0.6 * depth))
    at = np.linspace(0, scene.aspect, 512, dtype=np.float32)
    groves = line_noise(random, at, 3.0, 2)
    stencil = Stencil(canvas)
    for x in random.uniform(-0.02, scene.aspect + 0.02, count):
        here = float(np.interp(x, at, groves))
        if here < (-0.35 if dense > 100 else 0.0) or random.random() < 0.1:  # noqa: PLR2004
            continue
        column = min(max(int(x / canvas.pixel), 0), crest.size - 1)
        height = size * float(random.uniform(0.55, 1.25)) * (0.8 + 0.3 * here)
        stencil.polygon(_conifer(random, float(x), float(crest[column]) + 0.012, height))
    canvas.cover(color, stencil.mask())


def _conifer(random: np.random.Generator, x: float, foot: float, height: float) -> Points:
    tiers = 9
    width = height * float(random.uniform(0.16, 0.24))
    down = np.linspace(0, 1, tiers * 2)
    reach = down**0.85 * width
    reach[1::2] *= 0.55
    sides = []
    for sign in (-1, 1):
        ragged = reach * random.uniform(0.8, 1.15, down.size)
        sides.append(np.stack([x + sign * ragged, foot - height * (1 - down)], axis=1))
    return np.concatenate([sides[0], sides[1][::-1]])


def branches(
    random: np.random.Generator, start: tuple[float, float], angle: float, length: float, width: float, depth: int
) -> list[tuple[Points, float, float]]:
    """Return the branches of a tree, the trunk first, as (points, width at the start, width at the end)."""
    grown: list[tuple[Points, float, float]] = []
    todo = [(start, angle, length, width, depth)]
    while todo:
        at, heading, reach, thick, left = todo.pop(0)
        bend = float(random.normal(0, 0.28))
        t = np.linspace(0, 1, 7)
        turned = heading + bend * t
        steps = np.stack([np.cos(turned), -np.sin(turned)], axis=1) * (reach / 6)
        points = np.array(at) + np.concatenate([[[0, 0]], np.cumsum(steps[1:], axis=0)])
        grown.append((points, thick, thick * 0.62))
        if left == 0:
            continue
        for side in range(int(random.integers(2, 4))):
            spread = float(random.uniform(0.25, 0.75)) * (1 if side % 2 else -1)
            where = points[-1] if side < 2 else points[int(random.integers(3, 6))]  # noqa: PLR2004
            rising = (heading + bend + spread) * 0.88 + math.pi / 2 * 0.12
            shorter = reach * float(random.uniform(0.62, 0.82))
            todo.append(((float(where[0]), float(where[1])), rising, shorter, thick * 0.62, left - 1))
    return grown


def _lone_tree(canvas: Canvas, scene: Scene) -> None:
    """Paint one broad tree at one side, half in silhouette."""
    random = scene.random("lone tree")
    palette, light = scene.palette, scene.light
    side = float(random.choice([random.uniform(0.14, 0.3), random.uniform(0.7, 0.86)]))
    height = float(random.uniform(0.09, 0.15)) * scene.scale
    foot = float(random.uniform(0.93, 1.0))
    bark = palette.dark(palette.deep, light.near * 0.55)
    leaf = mix(palette.tone(palette.accent_index, light.near + 0.14, 1.3), bark, 0.25)
    shade = mix(leaf, bark, 0.62)
    sheet = Sheet(canvas)
    tips: list[Points] = []
    for points, thick, thin in branches(random, (side * scene.aspect, foot), math.pi / 2, height, height * 0.13, 5):
        width = np.linspace(thick, thin, len(points))
        sheet.polygon(_tapered(points, width), bark)
        if thick < height * 0.034:
            tips.append(points[-1])
    sheet.lay()
    for tint, spread, lift in ((shade, 0.020, 0.004), (leaf, 0.017, -0.004)):
        crown = Sheet(canvas)
        for tip in tips:
            for _ in range(7):
                x, y = tip + random.normal(0, spread, 2) * [1.2, 0.8]
                tone = mix(tint, bark, float(random.uniform(0, 0.3)))
                crown.disc(float(x), float(y) + lift, float(random.uniform(0.0015, 0.0055)), tone)
        crown.lay(0.92)


def _tapered(points: Points, width: Points) -> Points:
    along = np.gradient(points, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) * (width / 2)[:, None]
    return np.concatenate([points + across, (points - across)[::-1]])


def blades(
    random: np.random.Generator, x: float, foot: float, height: float, *, bend: float, width: float = 0.0032
) -> Points:
    """Return one blade of grass."""
    t = np.linspace(0, 1, 9)
    spine = np.stack([x + bend * t**2, foot - height * t], axis=1)
    half = np.stack([width * (1 - t**1.5) * float(random.uniform(0.7, 1.2)), 0 * t], axis=1)
    return np.concatenate([spine - half, (spine + half)[::-1]])


def reeds(canvas: Canvas, scene: Scene) -> None:
    """Paint reeds in one lower corner."""
    random = scene.random("reeds")
    stencil = Stencil(canvas)
    left = random.random() < 0.5  # noqa: PLR2004
    for _ in range(scene.many(150)):
        x = float(abs(random.normal(0, 0.16))) * scene.scale
        height = float(random.uniform(0.05, 0.24)) * max(0.15, 1 - x * 2.2)
        outline = blades(random, x, 1.01, height, bend=float(random.normal(0.03, 0.05)))
        if not left:
            outline[:, 0] = scene.aspect - outline[:, 0]
        stencil.polygon(outline)
    canvas.cover(scene.palette.dark(scene.palette.deep, scene.light.near * 0.7), stencil.mask())


def _grass(canvas: Canvas, scene: Scene, sky: Sky) -> None:
    """Paint grass along the lower edge, with a few flowers in the accent color."""
    random = scene.random("grass")
    palette, light = scene.palette, scene.light
    dark = palette.dark(palette.deep, light.near * 0.6)
    sheet = Sheet(canvas)
    swell = line_noise(random, np.linspace(0, scene.aspect, 256, dtype=np.float32), 2.0, 3)
    lean = float(random.normal(0, 0.02))
    blooms = random.random() < 0.6 or scene.mentions("flower", "bloom", "poppy", "spring")  # noqa: PLR2004
    for _ in range(scene.many(700)):
        x = float(random.uniform(-0.02, scene.aspect + 0.02))
        high = 0.045 + 0.035 * float(np.interp(x, np.linspace(0, scene.aspect, 256), swell))
        height = max(0.012, high * float(random.uniform(0.5, 1.3)))
        tint = mix(dark, palette.tone(palette.accent_index, light.near + 0.06, 1.2), float(random.uniform(0, 0.45)))
        outline = blades(random, x, 1.01, height, bend=lean + float(random.normal(0, 0.012)), width=0.0016)
        sheet.polygon(outline, tint)
        if blooms and random.random() < 0.06:  # noqa: PLR2004
            tip = outline[8]
            flower = mix(palette.accent(max(0.5, light.near + 0.35)), sky.glow, 0.25)
            sheet.disc(float(tip[0]), float(tip[1]), float(random.uniform(0.002, 0.0048)), flower)
    sheet.lay()


def boat(canvas: Canvas, scene: Scene, sky: Sky, shore: float) -> None:
    """Paint one small sailing boat with its reflection on the water."""
    random = scene.random("boat")
    x = float(random.uniform(0.2, 0.8)) * scene.aspect
    y = shore + float(random.uniform(0.05, 0.16))
    size = float(random.uniform(0.03, 0.05)) * (0.6 + 2.5 * (y - shore))
    sail = mix(scene.palette.accent(0.72), sky.lamp, 0.35)
    hull = scene.palette.dark(scene.palette.deep, scene.light.near * 0.7)
    for flip, opacity in ((-0.8, 0.4), (1.0, 1.0)):
        sheet = Sheet(canvas)
        for outline, color in (
            ([(-0.5, 0), (0.5, 0), (0.36, 0.16), (-0.34, 0.16)], hull),
            ([(0.03, -0.04), (0.03, -1.15), (0.44, -0.06)], sail),
            ([(-0.02, -0.04), (-0.02, -1.0), (-0.36, -0.06)], mix(sail, hull, 0.25)),
        ):
            points = np.array(outline) * [size, size * flip] + [x, y + (0.16 * size if flip < 0 else 0)]
            sheet.polygon(points, color)
        sheet.lay(opacity)


def _balloons(canvas: Canvas, scene: Scene, sky: Sky) -> None:
    """Paint one to three hot-air balloons, striped in the brief's colors."""
    random = scene.random("balloons")
    palette = scene.palette
    for index in range(int(random.integers(1, 4))):
        radius = float(random.uniform(0.018, 0.032) if index else random.uniform(0.04, 0.062)) * scene.scale
        x = float(random.uniform(0.15, 0.85)) * scene.aspect
        y = sky.horizon * float(random.uniform(0.25, 0.75))
        near = canvas.around(x, y + radius * 0.6, radius * 2.4)
        if near.empty:
            continue
        dx, dy = (near.x - np.float32(x)) / np.float32(radius), (near.y - np.float32(y)) / np.float32(radius)
        taper = np.where(dy > 0, np.float32(1) - np.clip(dy, 0, 1.35) * np.float32(0.52), np.float32(1))
        across = dx / np.maximum(taper, 0.05)
        body = np.where(dy > 0, np.abs(across), np.hypot(dx, dy))
        edge = near.pixel / radius * 1.5
        mask = smooth(1 + edge, 1 - edge, np.asarray(body, np.float32))
        mask = mask * smooth(1.28 + edge, 1.28, np.asarray(dy + 0 * dx, np.float32))
        gores = np.sin(np.arcsin(np.clip(across, -1, 1)) * np.float32(7))
        stripes = smooth(-0.15, 0.15, np.asarray(gores, np.float32))
        near.cover(palette.vivid(palette.accent_index, 0.62), mask)
        near.cover(mix(palette.vivid(palette.warm, 0.85), sky.lamp, 0.3), mask * stripes)
        toward = np.float32(1.0 if sky.sun[0] > x else -1.0)
        near.shade(
            sky.top, mask * smooth(0.1, -1.1, np.asarray(across * toward - dy * 0.3, np.float32)) * np.float32(0.6)
        )
        sheet = Sheet(near)
        dark = palette.dark(palette.deep, 0.22)
        basket = np.array([(-0.16, 1.62), (0.16, 1.62), (0.13, 1.84), (-0.13, 1.84)]) * radius + [x, y]
        sheet.polygon(basket, dark)
        for side in (-1, 1):
            line = np.array([(side * 0.28, 1.25), (side * 0.14, 1.64)]) * radius + [x, y]
            sheet.line(line, radius * 0.03, dark)
        sheet.lay()
