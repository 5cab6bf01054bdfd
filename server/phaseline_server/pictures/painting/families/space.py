"""Space: a nebula full of stars, a planet lit from one side, its rings and moons."""

import math
from collections.abc import Iterator

import numpy as np

from phaseline_server.pictures.painting.canvas import Canvas, looked_up, smooth
from phaseline_server.pictures.painting.color import Field, mix, ramp
from phaseline_server.pictures.painting.noise import fbm, sampled
from phaseline_server.pictures.painting.scene import Layer, Plan, Scene, each

__all__ = ["plan"]


def plan(scene: Scene) -> Plan:
    """Plan a nebula with stars, one large planet and up to three small ones."""
    random = scene.random("space")
    layers = [
        Layer(375, lambda canvas: _nebula(canvas, scene)),
        Layer(90, lambda canvas: _dust(canvas, scene)),
    ]
    layers += each(range(3), 12, lambda canvas, part: _stars(canvas, scene, part))
    radius = float(random.choice([random.uniform(0.17, 0.27), random.uniform(0.3, 0.42)])) * scene.scale
    x = float(random.uniform(0.3, 0.7)) * scene.aspect
    y = float(random.uniform(0.36, 0.66)) + (0.25 if radius > 0.28 else 0) * float(random.choice([-0.3, 1]))  # noqa: PLR2004
    angle = float(random.uniform(0, math.tau))
    ringed = scene.mentions("ring", "saturn") or random.random() < 0.5  # noqa: PLR2004
    small = [
        (
            x + math.cos(turn) * far * scene.aspect,
            y + math.sin(turn) * far,
            float(random.uniform(0.018, 0.055)) * scene.scale,
        )
        for turn, far in zip(random.uniform(0, math.tau, 3), random.uniform(0.34, 0.55, 3), strict=True)
    ][: int(random.integers(1, 4))]
    moons = list(enumerate(small))
    layers += each(moons, 6, lambda canvas, moon: _planet(canvas, scene, moon[1], angle, f"moon {moon[0]}"))
    if ringed:
        layers.append(Layer(180, lambda canvas: _rings(canvas, scene, (x, y, radius), angle, back=True)))
    layers.append(Layer(160, lambda canvas: _planet(canvas, scene, (x, y, radius), angle, "planet")))
    if ringed:
        layers.append(Layer(125, lambda canvas: _rings(canvas, scene, (x, y, radius), angle, back=False)))
    layers.append(Layer(60, lambda canvas: _star(canvas, scene, (x, y, radius), angle)))
    return layers


def _nebula(canvas: Canvas, scene: Scene) -> Iterator[float]:
    """Paint warped noise that looks like smoke, colored by its density."""
    random = scene.random("nebula")
    palette = scene.palette
    rows, columns = canvas.shape
    bend = [fbm(random, canvas.shape, 1.6, 5, gain=0.5) for _ in range(2)]
    yield 0.3
    cloud = fbm(random, canvas.shape, 2.0, 7, gain=0.56)
    yield 0.45
    reach = np.float32(0.085 / canvas.pixel)
    row = np.arange(rows, dtype=np.float32)[:, None] + bend[0] * reach
    column = np.arange(columns, dtype=np.float32)[None, :] + bend[1] * reach
    smoke = sampled(cloud, row, column)
    yield 0.6
    # A band across the picture, like a galaxy seen from within.
    tilt = float(random.uniform(-0.7, 0.7))
    middle = (canvas.y - np.float32(random.uniform(0.35, 0.65))) - (
        canvas.x - np.float32(scene.aspect / 2)
    ) * np.float32(tilt)
    band = np.exp(-((middle / np.float32(random.uniform(0.22, 0.4))) ** 2))
    density = smoke * np.float32(0.30) + band * np.float32(0.85) + bend[0] * np.float32(0.10)
    night = palette.dark(palette.cool, 0.11)
    one, two = palette.tone(palette.cool, 0.34, 1.5), palette.tone(palette.accent_index, 0.52, 1.6)
    glow = mix(palette.tone(palette.warm, 0.78, 1.5), palette.lamp(0.6), 0.3)
    table = ramp(
        [(0, night), (0.28, mix(night, one, 0.5)), (0.52, one), (0.76, two), (0.94, glow), (1, palette.lamp(0.5))]
    )
    canvas.fill(looked_up(table, np.asarray(density * np.float32(0.62) + np.float32(0.10), np.float32)))
    yield 0.75
    tint = palette.tone(palette.warm, 0.5, 1.6)
    canvas.light(tint, smooth(0.2, 1.6, bend[1]) * band * np.float32(0.4))
    lanes = smooth(0.35, 1.5, np.abs(smoke + np.float32(0.3)) - bend[1] * np.float32(0.4)) * band
    canvas.cover(night, np.asarray(smooth(0.5, -0.5, smoke) * lanes * np.float32(0.75), np.float32))


def _dust(canvas: Canvas, scene: Scene) -> None:
    """Scatter stars that are too small to be visible individually."""
    random = scene.random("dust")
    noise = random.standard_normal(canvas.shape, dtype=np.float32)
    groups = fbm(random, canvas.shape, 4, 3)
    level = smooth(3.0, 4.4, noise + groups * np.float32(0.28))
    canvas.light(scene.palette.lamp(0.3), level * np.float32(0.8))


def _stars(canvas: Canvas, scene: Scene, part: int) -> None:
    random = scene.random(f"stars {part}")
    tints = [scene.palette.lamp(0.1), scene.palette.lamp(0.9), scene.palette.vivid(scene.palette.cool, 0.85)]
    for _ in range(170):
        x, y = float(random.uniform(0, scene.aspect)), float(random.uniform(0, 1))
        size = 0.0007 + 0.0026 * float(random.random()) ** 7
        width = max(size, canvas.pixel * 0.6)
        near = canvas.around(x, y, max(size * 16, canvas.pixel * 3))
        if near.empty:
            continue
        dx, dy = np.abs(near.x - np.float32(x)), np.abs(near.y - np.float32(y))
        shine = np.exp(-(dx**2 + dy**2) / np.float32(width**2)) * np.float32(min(1, (size / width) ** 2 + 0.2))
        if size > 0.0015:  # noqa: PLR2004
            cross = np.exp(-dx / np.float32(size * 3.2) - dy / np.float32(size * 0.30))
            cross = cross + np.exp(-dy / np.float32(size * 3.2) - dx / np.float32(size * 0.30))
            shine = (
                shine + cross * np.float32(0.5) + np.exp(-np.hypot(dx, dy) / np.float32(size * 3)) * np.float32(0.22)
            )
        near.light(tints[int(random.integers(3))], np.clip(shine, 0, 1))


def _planet(canvas: Canvas, scene: Scene, place: tuple[float, float, float], angle: float, name: str) -> None:
    """Paint a lit sphere: bands or land on its surface, a soft terminator, and an atmosphere at its rim."""
    random = scene.random(name)
    palette = scene.palette
    x, y, radius = place
    near = canvas.around(x, y, radius * 1.45)
    if near.empty or min(near.shape) < 4:  # noqa: PLR2004
        return
    dx = np.asarray((near.x - np.float32(x)) / np.float32(radius) + 0 * near.y, np.float32)
    dy = np.asarray((near.y - np.float32(y)) / np.float32(radius) + 0 * near.x, np.float32)
    square = dx**2 + dy**2
    z = np.sqrt(np.clip(1 - square, 0, 1))
    light_x, light_y, light_z = math.cos(angle) * 0.88, math.sin(angle) * 0.88, 0.47
    facing = dx * np.float32(light_x) + dy * np.float32(light_y) + z * np.float32(light_z)
    surface = _surface(near, scene, random, dx, dy, z)
    edge = np.float32(1.5 * near.pixel / radius)
    disc = smooth(1 + float(edge), 1 - float(edge), np.sqrt(square))
    near.cover(surface, disc)
    day = smooth(-0.12, 0.75, facing)
    near.shade(palette.dark(palette.cool, 0.10), disc * (1 - day) * np.float32(0.97))
    air = mix(palette.tone(palette.cool, 0.75, 1.5), palette.lamp(0.5), 0.35)
    rim = np.exp(-np.abs(np.sqrt(square) - np.float32(0.985)) / np.float32(0.045))
    near.light(air, disc * rim * smooth(-0.1, 0.8, facing) * np.float32(0.75))
    halo = np.exp(-np.maximum(np.sqrt(square) - 1, 0) / np.float32(0.06)) * (1 - disc)
    toward = np.asarray(dx * np.float32(math.cos(angle)) + dy * np.float32(math.sin(angle)), np.float32)
    near.light(air, halo * smooth(-0.3, 1.0, toward) * np.float32(0.55))
    near.light(palette.lamp(0.5), disc * np.clip(facing, 0, 1) ** 14 * np.float32(0.22))


def _surface(near: Canvas, scene: Scene, random: np.random.Generator, dx: Field, dy: Field, z: Field) -> Field:
    palette = scene.palette
    rows = near.shape[0]
    tilt = float(random.uniform(-0.5, 0.5))
    lat = dy * np.float32(math.cos(tilt)) + dx * np.float32(math.sin(tilt))
    lon = dx * np.float32(math.cos(tilt)) - dy * np.float32(math.sin(tilt))
    first = int(random.integers(len(palette)))
    low, high = palette.tone(first, 0.42, 1.5), palette.tone(first + 1, 0.8, 1.3)
    middle = palette.tone(first + 2, 0.62, 1.5)
    gas = random.random() < 0.6  # noqa: PLR2004
    size = max(64, min(rows, 900))
    field = fbm(random, (size, size), 3.0 if gas else 2.4, 6, gain=0.55, stretch=3.2 if gas else 1.0)
    # Noise is mapped to the sphere: it is compressed toward the rim, like a texture.
    bulge = np.arcsin(np.clip(lon / np.maximum(np.sqrt(np.clip(1 - lat**2, 1e-3, 1)), 1e-3), -1, 1)) / np.float32(
        math.pi
    )
    row = (np.arcsin(np.clip(lat, -1, 1)) / np.float32(math.pi) + np.float32(0.5)) * np.float32(size - 1)
    column = (bulge + np.float32(0.5)) * np.float32(size - 1)
    texture = sampled(field, np.asarray(row, np.float32), np.asarray(column, np.float32))
    if gas:
        bands = np.sin(
            np.float32(random.uniform(9, 17)) * (lat + texture * np.float32(0.045)) + np.float32(random.uniform(0, 6))
        )
        bands = bands * np.float32(0.5) + np.sin(np.float32(31) * lat + texture) * np.float32(0.18)
        tone = np.float32(0.5) + bands * np.float32(0.45) + texture * np.float32(0.09)
        table = ramp([(0, low), (0.45, middle), (1, high)])
    else:
        tone = np.float32(0.5) + texture * np.float32(0.26)
        shore = mix(middle, high, 0.4)
        table = ramp(
            [
                (0, low),
                (0.46, mix(low, middle, 0.4)),
                (0.5, shore),
                (0.7, high),
                (0.95, palette.lamp(0.3)),
                (1, palette.lamp(0.2)),
            ]
        )
    del z
    return looked_up(table, np.asarray(tone, np.float32))


def _rings(canvas: Canvas, scene: Scene, place: tuple[float, float, float], angle: float, *, back: bool) -> None:
    random = scene.random("rings")
    palette = scene.palette
    x, y, radius = place
    tilt = float(random.uniform(-0.55, 0.55))
    flat = float(random.uniform(0.16, 0.34))
    near = canvas.around(x, y, radius * 2.5)
    if near.empty:
        return
    dx, dy = (near.x - np.float32(x)) / np.float32(radius), (near.y - np.float32(y)) / np.float32(radius)
    along = dx * np.float32(math.cos(tilt)) + dy * np.float32(math.sin(tilt))
    across = dy * np.float32(math.cos(tilt)) - dx * np.float32(math.sin(tilt))
    reach = np.asarray(np.hypot(along, across / np.float32(flat)), np.float32)
    grooves = np.interp(
        reach, np.linspace(1.2, 2.35, 240), np.clip(0.55 + np.cumsum(random.normal(0, 0.12, 240)) * 0.35, 0.08, 1.0)
    ).astype(np.float32)
    mask = smooth(1.24, 1.30, reach) * smooth(2.28, 2.16, reach) * grooves
    mask *= 1 - np.float32(0.85) * np.exp(-(((reach - np.float32(1.86)) / np.float32(0.025)) ** 2))
    mask = mask * ((across < 0) if back else (across >= 0))
    table = ramp(
        [
            (0, palette.tone(palette.accent_index, 0.6, 1.2)),
            (0.5, palette.tone(palette.warm, 0.82, 0.9)),
            (1, palette.tone(0, 0.6, 1.2)),
        ]
    )
    color = looked_up(table, (reach - np.float32(1.2)) / np.float32(1.1))
    # The planet casts its shadow on the far side of the rings.
    side = dx * np.float32(-math.sin(angle)) + dy * np.float32(math.cos(angle))
    behind = dx * np.float32(math.cos(angle)) + dy * np.float32(math.sin(angle))
    shadow = smooth(1.02, 0.92, np.abs(np.asarray(side, np.float32)))
    shadow = shadow * smooth(-0.4, -0.9, np.asarray(behind, np.float32)) * np.float32(back)
    near.cover(color * (1 - shadow * np.float32(0.85)), np.asarray(mask * np.float32(0.92), np.float32))


def _star(canvas: Canvas, scene: Scene, place: tuple[float, float, float], angle: float) -> None:
    """Paint the sun that lights the planet, at its side."""
    x, y, radius = place
    away = radius * 1.05 + 0.22
    sun_x, sun_y = x + math.cos(angle) * away, y + math.sin(angle) * away
    distance = np.hypot(canvas.x - np.float32(sun_x), canvas.y - np.float32(sun_y))
    lamp = scene.palette.lamp(0.7)
    canvas.light(lamp, np.exp(-distance / np.float32(0.20)) * np.float32(0.30))
    canvas.light(lamp, np.exp(-distance / np.float32(0.03)) * np.float32(0.7))
    canvas.light(scene.palette.lamp(0.2), np.exp(-((distance / np.float32(0.011)) ** 2)))
