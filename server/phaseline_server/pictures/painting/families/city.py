"""Cities: rows of towers in haze with lit windows, over a river or a street of lights."""

from typing import NamedTuple

import numpy as np

from phaseline_server.pictures.painting.canvas import Canvas, smooth
from phaseline_server.pictures.painting.color import Color, mix
from phaseline_server.pictures.painting.families.sky import Sky, plan_sky
from phaseline_server.pictures.painting.families.water import mirror
from phaseline_server.pictures.painting.noise import fbm, line_noise
from phaseline_server.pictures.painting.scene import Layer, Plan, Scene, each
from phaseline_server.pictures.painting.sketch import Sheet

__all__ = ["plan"]


class _Tower(NamedTuple):
    """One building: its box in heights of the picture, `depth` 0 far and 1 near."""

    left: float
    right: float
    top: float
    foot: float
    depth: float
    roof: str


def plan(scene: Scene) -> Plan:
    """Plan the sky, rows of towers from far to near, and the foreground."""
    random = scene.random("city")
    river = scene.mentions("river", "water", "harbor", "harbour", "canal", "bridge", "bay") or random.random() < 0.6  # noqa: PLR2004
    foot = float(random.uniform(0.62, 0.72)) if river else 0.99
    sky = Sky(scene, foot * (0.96 if river else 0.86))
    layers = plan_sky(scene, sky, clouds=float(random.uniform(0.2, 1.0)))
    rows = int(random.integers(3, 5)) if river else int(random.integers(4, 6))
    peak = float(random.uniform(0.3, 0.7)) * scene.aspect
    for index in range(rows):
        depth = index / (rows - 1)
        layers += each([depth], 235, lambda canvas, depth: _row(canvas, scene, sky, depth, (foot, peak)))
        layers += each([depth], 60, lambda canvas, depth: _mist(canvas, scene, sky, depth, foot))
    if river:
        if random.random() < 0.5 or scene.mentions("bridge"):  # noqa: PLR2004
            layers.append(Layer(55, lambda canvas: _bridge(canvas, scene, sky, foot)))
        layers.append(Layer(3, lambda canvas: _quay(canvas, scene, sky, foot)))
        layers.append(Layer(100, lambda canvas: mirror(canvas, scene, sky, foot, calm=0.45)))
    if not river or scene.mentions("rain", "blur", "memory", "nostalg*", "dream"):
        layers.append(Layer(11, lambda canvas: _lanterns(canvas, scene, sky)))
    return layers


def _lit(scene: Scene) -> float:
    """Return the share of windows with a light."""
    return {"night": 0.42, "dusk": 0.34, "storm": 0.3, "dawn": 0.16}.get(scene.light.name, 0.10)


def _row(canvas: Canvas, scene: Scene, sky: Sky, depth: float, where: tuple[float, float]) -> None:
    """Paint one row of towers, highest around the peak of the skyline."""
    foot, peak = where
    random = scene.random(f"row {depth:.3f}")
    palette, light = scene.palette, scene.light
    river = foot < 0.9  # noqa: PLR2004
    near = palette.tone(palette.deep, light.near + 0.02, 1.2)
    far = mix(palette.tone(palette.cool, light.far, 1.2), sky.middle, 0.35)
    color = mix(mix(near, far, (1 - depth) ** 1.1), sky.haze, light.haze * 0.7 * (1 - depth))
    tallest = (0.44 if river else 0.66) * (1 - 0.42 * depth) * (foot / 0.7 if river else 1)
    sheet, lamps = Sheet(canvas), Sheet(canvas)
    x = -0.02
    at = np.linspace(0, scene.aspect, 256, dtype=np.float32)
    swell = line_noise(random, at, 3.0, 3)
    while x < scene.aspect + 0.02:
        width = float(random.uniform(0.028, 0.072)) * (0.75 + 0.5 * depth) * scene.scale
        hill = float(np.exp(-(((x - peak) / (0.32 * scene.aspect)) ** 2)))
        share = 0.30 + 0.45 * hill + 0.30 * float(np.interp(x, at, swell)) + float(random.uniform(-0.12, 0.16))
        height = max(0.06, tallest * share)
        roof = str(random.choice(["flat", "flat", "step", "spire", "slant", "tank", "mast"]))
        tower = _Tower(x, x + width, foot - height, foot + 0.01, depth, roof)
        tone = mix(color, near if random.random() < 0.5 else far, float(random.uniform(0, 0.22)))  # noqa: PLR2004
        _build(sheet, random, tower, tone, mix(tone, sky.glow, 0.20 if sky.sun[0] < x else 0.06))
        _windows(lamps, random, scene, tower, tone)
        x += width * float(random.uniform(0.72, 1.12))
    sheet.lay()
    lamps.lay(0.92)


def _build(sheet: Sheet, random: np.random.Generator, tower: _Tower, front: Color, side: Color) -> None:
    left, right, top, foot, _, roof = tower
    width = right - left
    edge = left + width * float(random.uniform(0.22, 0.34))

    def box(x0: float, y0: float, x1: float, y1: float, color: Color) -> None:
        sheet.polygon(np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]), color)

    box(left, top, right, foot, front)
    box(left, top, edge, foot, side)
    if roof == "step":
        box(left + width * 0.18, top - width * 0.4, right - width * 0.18, top, front)
        box(left + width * 0.34, top - width * 0.7, right - width * 0.34, top, front)
    elif roof == "spire":
        middle = (left + right) / 2
        sheet.polygon(
            np.array([(left + width * 0.1, top), (middle, top - width * 1.5), (right - width * 0.1, top)]), front
        )
        box(middle - width * 0.015, top - width * 2.1, middle + width * 0.015, top - width * 1.4, front)
    elif roof == "slant":
        sheet.polygon(np.array([(left, top), (right, top), (right, top - width * 0.55)]), front)
    elif roof == "mast":
        middle = left + width * 0.6
        box(middle - width * 0.02, top - width * 0.9, middle + width * 0.02, top, front)
        box(left + width * 0.3, top - width * 0.12, right - width * 0.1, top, front)
    elif roof == "tank":
        x, size = left + width * 0.55, width * 0.17
        box(x - size, top - size * 2.4, x + size, top - size * 0.8, front)
        sheet.polygon(
            np.array([(x - size * 1.1, top - size * 2.4), (x, top - size * 3.2), (x + size * 1.1, top - size * 2.4)]),
            front,
        )
        for leg in (-0.8, 0.8):
            box(x + leg * size - size * 0.1, top - size * 0.9, x + leg * size + size * 0.1, top, front)


def _windows(lamps: Sheet, random: np.random.Generator, scene: Scene, tower: _Tower, wall: Color) -> None:
    """Paint lit windows in a grid; whole floors are dark together, as in offices."""
    palette = scene.palette
    pitch = (0.0068 + 0.0052 * tower.depth) * scene.scale
    columns = max(2, int((tower.right - tower.left) / pitch))
    rows = max(2, int((tower.foot - tower.top) / (pitch * 1.45)))
    step_x, step_y = (tower.right - tower.left) / columns, (tower.foot - tower.top) / rows
    busy = _lit(scene) * float(random.uniform(0.35, 1.5))
    on = random.random((rows, columns)) < busy * random.choice([0.25, 1.0, 1.0, 1.7], rows)[:, None]
    wide, high = float(random.choice([0.5, 0.62, 0.8])), float(random.choice([0.42, 0.55, 0.62]))
    warm = mix(palette.lamp(0.9), palette.vivid(palette.warm, 0.82), 0.4)
    tones = [
        warm,
        mix(warm, palette.lamp(0.3), 0.6),
        mix(warm, palette.accent(0.75), 0.55),
        palette.vivid(palette.cool, 0.8),
    ]
    weights = [0.55, 0.3, 0.11, 0.04]
    dim = mix(wall, scene.palette.tone(palette.cool, min(0.9, scene.light.horizon)), 0.16)
    show = 0.45 + 0.5 * tower.depth
    for (row, column), lit in np.ndenumerate(on):
        if not lit and tower.depth < 0.3:  # noqa: PLR2004
            continue
        x = tower.left + (column + 0.5 - wide / 2) * step_x
        y = tower.top + (row + 0.6 - high / 2) * step_y
        tone = dim
        if lit:
            tone = mix(wall, tones[int(random.choice(4, p=weights))], show * float(random.uniform(0.55, 1.0)))
        corners = [(x, y), (x + wide * step_x, y), (x + wide * step_x, y + high * step_y), (x, y + high * step_y)]
        lamps.polygon(np.array(corners), tone)


def _mist(canvas: Canvas, scene: Scene, sky: Sky, depth: float, foot: float) -> None:
    """Paint haze and the glow of the streets between the rows."""
    random = scene.random(f"mist {depth:.3f}")
    rise = smooth(foot - 0.30, foot, canvas.y) * np.float32(1 if foot < 0.9 else 0.8)  # noqa: PLR2004
    swirl = np.float32(0.75) + fbm(random, canvas.shape, 2.5, 3, stretch=3) * np.float32(0.22)
    street = mix(sky.haze, scene.palette.lamp(0.9), 0.25 if _lit(scene) > 0.2 else 0.05)  # noqa: PLR2004
    canvas.cover(street, rise * swirl * np.float32(0.42 * scene.light.haze * (1.05 - depth)))


def _quay(canvas: Canvas, scene: Scene, sky: Sky, foot: float) -> None:
    random = scene.random("quay")
    part = canvas.window(0, foot - 0.012, canvas.aspect, foot + 0.01)
    part.fill(scene.palette.dark(scene.palette.deep, scene.light.near * 0.7))
    glow = mix(scene.palette.lamp(1.0), scene.palette.vivid(scene.palette.warm, 0.8), 0.3)
    for x in np.arange(0.01, scene.aspect, 0.028):
        at = float(x) + float(random.normal(0, 0.002))
        near = canvas.around(at, foot - 0.016, 0.02)
        if not near.empty:
            square = (near.x - np.float32(at)) ** 2 + (near.y - np.float32(foot - 0.016)) ** 2
            shine = np.exp(-square / np.float32(0.0022**2)) + np.exp(-np.sqrt(square) / np.float32(0.006)) * np.float32(
                0.4
            )
            near.light(glow, shine * np.float32(0.35 + 1.4 * _lit(scene)))
    del sky


def _bridge(canvas: Canvas, scene: Scene, sky: Sky, foot: float) -> None:
    """Paint a suspension bridge between two pylons across the picture."""
    random = scene.random("bridge")
    color = mix(scene.palette.dark(scene.palette.deep, scene.light.near * 0.9), sky.haze, 0.12)
    deck, high = foot - 0.035, float(random.uniform(0.15, 0.22))
    middle = float(random.uniform(0.35, 0.65)) * scene.aspect
    half = float(random.uniform(0.26, 0.36)) * max(scene.aspect * 0.8, 0.6)
    sheet = Sheet(canvas)
    sheet.line([(-0.1, deck), (scene.aspect + 0.1, deck)], 0.007, color)
    for x in (middle - half, middle + half):
        for leg in (-0.009, 0.009):
            sheet.line([(x + leg, foot + 0.01), (x + leg * 0.75, deck - high)], 0.0055, color)
        for level in (0.3, 0.62, 0.95):
            sheet.line([(x - 0.009, deck - high * level), (x + 0.009, deck - high * level)], 0.004, color)
    for start in (-3, -1, 1):
        left = middle + start * half
        t = np.linspace(0, 1, 41)
        xs = left + t * 2 * half
        sag = deck - 0.012 - (high - 0.012) * (2 * t - 1) ** 2
        sheet.line(np.stack([xs, sag], axis=1), 0.0028, color)
        for x, y in zip(xs[1:-1], sag[1:-1], strict=True):
            sheet.line([(x, y), (x, deck)], 0.0011, color)
    sheet.lay()


def _lanterns(canvas: Canvas, scene: Scene, sky: Sky) -> None:
    """Paint out-of-focus lights in the foreground."""
    random = scene.random("lanterns")
    palette = scene.palette
    for _ in range(26):
        x = float(random.uniform(0, 1)) * scene.aspect
        y = float(random.uniform(0.70, 1.02))
        radius = float(random.uniform(0.008, 0.032)) * scene.scale
        near = canvas.around(x, y, radius * 1.3)
        if near.empty:
            continue
        distance = np.hypot(near.x - np.float32(x), near.y - np.float32(y)) / np.float32(radius)
        disc = smooth(1.06, 0.94, distance) * (np.float32(0.55) + np.float32(0.45) * np.clip(distance, 0, 1) ** 4)
        index = palette.warm if random.random() < 0.6 else palette.accent_index  # noqa: PLR2004
        tone = mix(palette.vivid(index, 0.78), sky.lamp, float(random.uniform(0.1, 0.5)))
        near.light(tone, disc * np.float32(random.uniform(0.15, 0.5) * (0.4 + 1.4 * _lit(scene))))
