"""A pond from above: fish in dark water, lily pads with flowers, rings, and patterns of light on the ground."""

import math
from collections.abc import Iterator

import numpy as np

from phaseline_server.pictures.painting.canvas import Canvas, looked_up, smooth
from phaseline_server.pictures.painting.color import Color, mix, ramp
from phaseline_server.pictures.painting.families import plants
from phaseline_server.pictures.painting.noise import blurred, fbm
from phaseline_server.pictures.painting.scene import Layer, Plan, Scene, each
from phaseline_server.pictures.painting.sketch import Points, Sheet, Stencil

__all__ = ["plan"]


def plan(scene: Scene) -> Plan:
    """Plan the water, fish from deep to shallow, rings, pads and flowers."""
    random = scene.random("pond")
    layers = [Layer(285, lambda canvas: _water(canvas, scene))]
    count = int(random.integers(4, 8))
    swirl = float(random.choice([-1, 1]))
    start = float(random.uniform(0, math.tau))
    shoal = []
    for index in range(count):
        depth = 1 - index / max(1, count - 1)
        turn = start + index * math.tau / count + float(random.normal(0, 0.25))
        far = float(random.uniform(0.17, 0.36))
        center = (0.5 * scene.aspect + math.cos(turn) * far * scene.aspect, 0.5 + math.sin(turn) * far)
        heading = turn + swirl * (math.pi / 2 + float(random.normal(0.15, 0.25)))
        shoal.append((index, center, heading, depth))
    layers += each(shoal, 45, lambda canvas, fish: _fish(canvas, scene, *fish))
    layers.append(Layer(15, lambda canvas: _rings(canvas, scene)))
    layers.append(Layer(320, lambda canvas: _pads(canvas, scene)))
    layers.append(Layer(65, lambda canvas: _sheen(canvas, scene)))
    return layers


def _water(canvas: Canvas, scene: Scene) -> Iterator[float]:
    random = scene.random("pond water")
    palette, light = scene.palette, scene.light
    deep = palette.tone(palette.cool, 0.12 + 0.16 * light.horizon, 1.3)
    shallow = palette.tone(palette.cool, 0.24 + 0.42 * light.horizon, 1.3)
    warm = mix(shallow, palette.tone(palette.warm, 0.5 + 0.2 * light.horizon), 0.3)
    murk = fbm(random, canvas.shape, 1.7, 5, gain=0.55)
    yield 0.2
    x, y = float(random.uniform(0.25, 0.75)) * scene.aspect, float(random.uniform(0.2, 0.5))
    away = np.hypot(canvas.x - np.float32(x), canvas.y - np.float32(y))
    table = ramp([(0, warm), (0.35, shallow), (1, deep)])
    canvas.fill(looked_up(table, np.asarray(away * np.float32(0.85) + murk * np.float32(0.10), np.float32)))
    yield 0.35
    one, two = (np.abs(fbm(random, canvas.shape, 5, 3, gain=0.45)) for _ in range(2))
    yield 0.7
    net = np.exp(-np.minimum(one, two) / np.float32(0.07)) * np.exp(-away / np.float32(0.5))
    canvas.light(mix(palette.lamp(0.6), shallow, 0.3), blurred(net, 0.0015 / canvas.pixel) * np.float32(0.26))
    pebbles = fbm(random, canvas.shape, 16, 3)
    canvas.shade(deep, smooth(0.3, 1.6, pebbles) * np.float32(0.25))


def _spine(scene: Scene, index: int, center: tuple[float, float], heading: float, length: float) -> Points:
    """Return the line from nose to tail of a fish that is turning."""
    random = scene.random(f"spine {index}")
    bend, wave = float(random.normal(0, 0.8)), float(random.uniform(0.2, 0.45)) * float(random.choice([-1, 1]))
    t = np.linspace(0, 1, 60)
    angle = heading + math.pi + bend * (t - 0.4) + wave * np.sin(t * math.pi * 1.7)
    steps = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (length / 59)
    points = np.cumsum(steps, axis=0)
    return np.asarray(points - points[24] + np.array(center))


def _fish(canvas: Canvas, scene: Scene, index: int, center: tuple[float, float], heading: float, depth: float) -> None:
    """Paint one fish: its shadow, fins, body, patches, scales and highlights."""
    random = scene.random(f"fish {index}")
    palette = scene.palette
    length = float(random.uniform(0.30, 0.42)) * scene.scale * (1 - 0.22 * depth)
    spine = _spine(scene, index, center, heading, length)
    low, high = spine.min(axis=0) - length * 0.3, spine.max(axis=0) + length * 0.3
    part = canvas.window(float(low[0]), float(low[1]), float(high[0]), float(high[1]) + 0.06)
    if part.empty or min(part.shape) < 8:  # noqa: PLR2004
        return
    t = np.linspace(0, 1, len(spine))
    along = np.gradient(spine, axis=0)
    along /= np.hypot(along[:, 0], along[:, 1])[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    half = length * 0.118 * (np.sin(np.pi * np.clip(t, 0, 1) ** 0.62) ** 0.75 * (1 - 0.35 * t) + 0.05 * (1 - t))
    body = np.concatenate([spine + across * half[:, None], (spine - across * half[:, None])[::-1]])
    white = mix(palette.paper(palette.warm), palette.tone(palette.cool, 0.7), 0.10)
    inks = [
        palette.vivid(palette.accent_index, 0.60),
        palette.vivid(palette.warm, 0.62),
        palette.dark(palette.deep, 0.22),
    ]
    ground = white if random.random() < 0.75 else inks[int(random.integers(2))]  # noqa: PLR2004
    murk = palette.tone(palette.cool, 0.20 + 0.26 * scene.light.horizon, 1.3)
    fins, trunk = Stencil(part), Stencil(part)
    trunk.polygon(body)
    _fins(fins, random, spine, along, across, length)
    mask, fin = trunk.mask(), fins.mask()
    drop = round((0.018 + 0.03 * (1 - depth)) / part.pixel)
    shade = np.roll(
        blurred(np.maximum(mask, fin * np.float32(0.6)), 0.010 / part.pixel), (drop, drop // 2), axis=(0, 1)
    )
    part.shade(palette.dark(palette.cool, 0.12), shade * np.float32(0.55))
    veil = mix(ground, palette.lamp(0.3), 0.2)
    part.cover(mix(veil, murk, 0.35 * depth), fin * np.float32(0.62))
    _skin(part, scene, index, (mask, body), (ground, inks), spine)
    part.cover(murk, np.maximum(mask, fin) * np.float32(0.10 + 0.42 * depth))
    sheet = Sheet(part)
    for side in (-1, 1):
        eye = spine[4] + across[4] * half[4] * 0.82 * side
        sheet.disc(float(eye[0]), float(eye[1]), length * 0.011, palette.dark(palette.deep, 0.14))
    sheet.lay(1 - 0.4 * depth)


def _fins(
    stencil: Stencil, random: np.random.Generator, spine: Points, along: Points, across: Points, length: float
) -> None:
    tail = spine[-3]
    back = math.atan2(along[-1, 1], along[-1, 0])
    shape = plants.petal(0.42, tip=0.66)
    for spread, size in ((-0.42, 0.30), (-0.16, 0.25), (0.16, 0.25), (0.42, 0.30)):
        stencil.polygon(plants.placed(shape, (float(tail[0]), float(tail[1])), back + spread, length * size), 0.85)
    for place, size, spread in ((17, 0.19, 0.75), (36, 0.11, 0.6)):
        for side in (-1, 1):
            root = spine[place] + across[place] * side * length * (0.085 if place < 20 else 0.055)  # noqa: PLR2004
            angle = math.atan2(along[place, 1], along[place, 0]) + side * (spread + float(random.normal(0, 0.1)))
            stencil.polygon(
                plants.placed(plants.petal(0.62, tip=0.66), (float(root[0]), float(root[1])), angle, length * size), 0.8
            )


def _skin(
    part: Canvas,
    scene: Scene,
    index: int,
    form: tuple[np.ndarray, Points],
    colors: tuple[Color, list[Color]],
    spine: Points,
) -> None:
    random = scene.random(f"skin {index}")
    mask, _ = form
    ground, inks = colors
    palette = scene.palette
    part.cover(ground, mask)
    for ink, limit in ((inks[int(random.integers(2))], 0.15), (inks[2], 1.05)):
        patch = fbm(random, part.shape, 2.1 * part.shape[0] * part.pixel / 0.13, 3, gain=0.4)
        part.cover(ink, mask * smooth(limit, limit + 0.12, patch))
    # Scales: a net of arcs that follows the back.
    low = spine.mean(axis=0)
    direction = spine[0] - spine[-1]
    direction = direction / np.hypot(*direction)
    u = (part.x - np.float32(low[0])) * np.float32(direction[0]) + (part.y - np.float32(low[1])) * np.float32(
        direction[1]
    )
    v = (part.y - np.float32(low[1])) * np.float32(direction[0]) - (part.x - np.float32(low[0])) * np.float32(
        direction[1]
    )
    pitch = np.float32(math.tau / (0.0125 * scene.scale))
    net = np.abs(np.sin((u + v) * pitch * np.float32(0.5)) * np.sin((u - v) * pitch * np.float32(0.5)))
    part.shade(
        palette.tone(palette.cool, 0.5), mask * smooth(0.25, 0.0, np.asarray(net, np.float32)) * np.float32(0.20)
    )
    inner = blurred(mask, 0.012 / part.pixel)
    part.shade(palette.dark(palette.cool, 0.22), mask * np.clip(1 - inner, 0, 1) * np.float32(0.75))
    crown = smooth(0.80, 1.0, inner) * mask
    part.light(palette.lamp(0.3), crown * np.float32(0.22))


def _rings(canvas: Canvas, scene: Scene) -> None:
    """Paint a few rings on the surface of the water."""
    random = scene.random("rings")
    for _ in range(int(random.integers(2, 5))):
        x, y = float(random.uniform(0.1, 0.9)) * scene.aspect, float(random.uniform(0.1, 0.9))
        reach = float(random.uniform(0.06, 0.15)) * scene.scale
        part = canvas.around(x, y, reach * 1.3)
        if part.empty:
            continue
        distance = np.hypot(part.x - np.float32(x), part.y - np.float32(y)) / np.float32(reach)
        wave = np.sin(distance * np.float32(24)) * np.exp(-((distance - np.float32(0.55)) ** 2) / np.float32(0.07))
        part.light(scene.palette.lamp(0.4), np.clip(wave, 0, 1) ** 3 * np.float32(0.34))
        part.shade(scene.palette.dark(scene.palette.cool, 0.2), np.clip(-wave, 0, 1) ** 2 * np.float32(0.22))


def _pads(canvas: Canvas, scene: Scene) -> Iterator[float]:
    """Paint groups of pads at two edges, with shadows, and flowers on some."""
    random = scene.random("pads")
    palette, light = scene.palette, scene.light
    green = palette.tone(palette.cool if palette.cool != palette.accent_index else 0, 0.30 + 0.26 * light.horizon, 1.4)
    corner = float(random.uniform(0, math.tau))
    places = []
    for index in range(round(15 * max(1.0, scene.aspect))):
        turn = corner + (math.pi if index % 3 == 0 else 0) + float(random.normal(0, 0.5))
        far = float(random.uniform(0.40, 0.62))
        places.append((0.5 * scene.aspect + math.cos(turn) * far * scene.aspect, 0.5 + math.sin(turn) * far))
    radii = random.uniform(0.035, 0.085, len(places)) * scene.scale
    shadow = Stencil(canvas)
    for (x, y), radius in zip(places, radii, strict=True):
        shadow.disc(x + 0.012, y + 0.02, float(radius))
    canvas.shade(palette.dark(palette.cool, 0.12), blurred(shadow.mask(), 0.008 / canvas.pixel) * np.float32(0.55))
    yield 0.3
    sheet = Sheet(canvas)
    blooms = []
    yield 0.4
    for (x, y), radius in zip(places, radii, strict=True):
        notch = float(random.uniform(0, math.tau))
        angle = np.linspace(notch + 0.16, notch + math.tau - 0.16, 50)
        edge = float(radius) * (1 + random.normal(0, 0.008, 50))
        rim = np.stack([x + np.cos(angle) * edge, y + np.sin(angle) * edge], axis=1)
        tone = mix(green, palette.tone(palette.warm, 0.5), float(random.uniform(0, 0.35)))
        outline = np.concatenate([rim, [[x + math.cos(notch) * radius * 0.12, y + math.sin(notch) * radius * 0.12]]])
        sheet.polygon(outline, mix(tone, palette.dark(palette.deep, 0.2), 0.35))
        sheet.polygon((outline - [x, y]) * 0.95 + [x, y - radius * 0.012], tone)
        half = np.concatenate([rim[:25], [[x, y]]])
        sheet.polygon((half - [x, y]) * 0.93 + [x, y], mix(tone, palette.lamp(0.5), 0.10))
        for vein in np.linspace(notch + 0.5, notch + math.tau - 0.5, 11):
            end = (x + math.cos(vein) * radius * 0.88, y + math.sin(vein) * radius * 0.88)
            sheet.line([(x, y), end], float(radius) * 0.022, mix(tone, palette.lamp(0.5), 0.26))
        if random.random() < 0.28:  # noqa: PLR2004
            blooms.append((x, y, float(radius)))
    for x, y, radius in blooms:
        _lotus(sheet, random, scene, (x, y), radius * 0.85)
    sheet.lay()


def _lotus(sheet: Sheet, random: np.random.Generator, scene: Scene, at: tuple[float, float], size: float) -> None:
    palette = scene.palette
    color = mix(palette.vivid(palette.accent_index, 0.74), palette.lamp(0.4), 0.35)
    shape = plants.petal(0.42, tip=0.55)
    start = float(random.uniform(0, math.tau))
    for ring, (count, reach) in enumerate(((11, 1.0), (9, 0.76), (7, 0.52))):
        for index in range(count):
            angle = start + ring * 0.3 + index * math.tau / count
            outer = mix(color, palette.vivid(palette.accent_index, 0.5), 0.42 - 0.16 * ring)
            sheet.polygon(plants.placed(shape, at, angle, size * reach), outer)
            sheet.polygon(
                plants.placed(shape * [0.86, 0.62], at, angle, size * reach),
                mix(color, palette.lamp(0.2), 0.14 + 0.2 * ring),
            )
    sheet.disc(*at, size * 0.15, palette.vivid(palette.warm, 0.82))


def _sheen(canvas: Canvas, scene: Scene) -> None:
    """Paint a faint reflection of the sky on the water."""
    random = scene.random("sheen")
    bands = fbm(random, canvas.shape, 2.4, 5, gain=0.5, stretch=2.2)
    canvas.light(scene.palette.tone(scene.palette.cool, 0.85), smooth(0.6, 2.2, bands) * np.float32(0.20))
