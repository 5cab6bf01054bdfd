"""The sea: open water in perspective or bands of waves with foam, with a boat, a lighthouse or an island."""

import math
from collections.abc import Iterator

import numpy as np

from phaseline_server.pictures.painting.canvas import Canvas, looked_up, smooth
from phaseline_server.pictures.painting.color import Color, Field, mix, ramp
from phaseline_server.pictures.painting.families import coast
from phaseline_server.pictures.painting.families.sky import Sky, birds, plan_sky
from phaseline_server.pictures.painting.noise import fbm, line_noise, sampled
from phaseline_server.pictures.painting.scene import Layer, Plan, Scene, each

__all__ = ["plan"]


def plan(scene: Scene) -> Plan:
    """Plan the sky, the water, and one object that shows the scale."""
    random = scene.random("sea")
    banded = scene.mentions("wave", "storm", "surf", "tsunami", "swell") or random.random() < 0.45  # noqa: PLR2004
    horizon = float(random.uniform(0.30, 0.48) if banded else random.uniform(0.34, 0.72))
    sky = Sky(scene, horizon)
    layers = plan_sky(scene, sky, clouds=float(random.uniform(0.5, 1.3)))
    things = ["island", "lighthouse", "boats"]
    fitting = [thing for thing in things if scene.mentions(thing.rstrip("s"))] or things
    thing = str(random.choice(fitting))
    if thing == "island" or random.random() < 0.5:  # noqa: PLR2004
        layers.append(Layer(18, lambda canvas: coast.island(canvas, scene, sky)))
    layers.append(Layer(90, lambda canvas: _open_water(canvas, scene, sky)))
    if thing == "boats" or scene.mentions("ship", "sail*", "regatta", "fisherman"):
        layers.append(Layer(105, lambda canvas: coast.boats(canvas, scene, sky)))
    if banded:
        count = int(random.integers(6, 9))
        layers += each(range(count), 85, lambda canvas, index: _wave(canvas, scene, sky, index, count))
    if thing == "lighthouse":
        layers.append(Layer(150, lambda canvas: coast.lighthouse(canvas, scene, sky)))
    if scene.mentions("gull", "bird", "albatross", "pelican", "puffin") or random.random() < 0.4:  # noqa: PLR2004
        tint = mix(scene.palette.dark(scene.palette.deep, 0.25), sky.haze, 0.2 if scene.light.horizon > 0.6 else 0.7)  # noqa: PLR2004
        layers.append(Layer(60, lambda canvas: birds(canvas, scene, sky, tint)))
    return layers


def _open_water(canvas: Canvas, scene: Scene, sky: Sky) -> Iterator[float]:
    """Fill the area below the horizon with waves in perspective, and add the path of the light."""
    random = scene.random("open water")
    part = canvas.window(0, sky.horizon, canvas.aspect, 1.0)
    rows, columns = part.shape
    depth = np.clip((part.y - np.float32(sky.horizon)) / np.float32(1 - sky.horizon), 0, 1)
    size = max(256, rows)
    flat = fbm(random, (size, size), 16, 5, gain=0.55, stretch=3.2)
    swell = fbm(random, (size, size), 5, 3, gain=0.5, stretch=4.5)
    yield 0.3
    field = np.float32(1) - np.abs(flat) * np.float32(0.85) + swell * np.float32(0.55)
    # Waves get closer toward the horizon: equal steps on the water are equal steps of the logarithm.
    eps = np.float32(0.035)
    row = (np.log(depth + eps) - np.log(eps)) / (np.log(1 + eps) - np.log(eps)) * np.float32(size - 1)
    column = np.arange(columns, dtype=np.float32)[None, :] / np.float32(columns) - np.float32(0.5)
    column = (column / (depth * np.float32(1.5) + np.float32(0.35)) * np.float32(0.33) + np.float32(0.5)) * np.float32(
        size
    )
    waves = sampled(field, np.broadcast_to(row, (rows, columns)), column)
    yield 0.55
    face = np.gradient(waves, axis=0) * (depth + np.float32(0.12)) * np.float32(9 * rows / 512)
    palette, light = scene.palette, scene.light
    deep = palette.tone(sky.water, light.near + 0.07, 1.5)
    body = mix(deep, palette.tone(sky.water, (light.near + light.horizon) / 2, 1.4), 0.45)
    table = ramp([(0, deep), (0.42, body), (0.75, mix(body, sky.middle, 0.65)), (1, mix(sky.glow, sky.haze, 0.4))])
    tone = np.float32(0.45) + np.clip(face, -0.5, 0.5) * np.float32(0.75) + (1 - depth) ** 2 * np.float32(0.22)
    part.fill(looked_up(table, np.asarray(tone - depth * np.float32(0.12), np.float32)))
    yield 0.75
    width = np.float32(0.03) + depth * np.float32(0.16)
    path = np.exp(-(np.abs((part.x - np.float32(sky.sun[0])) / width) ** np.float32(1.6)))
    glint = smooth(0.02, 0.30, face) * path * np.float32(light.sun)
    part.light(mix(sky.lamp, sky.glow, 0.35), glint * np.float32(0.95))
    part.light(sky.glow, path * np.float32(0.22 * light.sun))
    part.cover(sky.haze, np.exp(-depth / np.float32(0.035)) * np.float32(0.55))


def _wave(canvas: Canvas, scene: Scene, sky: Sky, index: int, count: int) -> None:
    """Paint one band: pointed crests, thin and lit at the top and deep below, with foam and flow lines."""
    random = scene.random(f"wave {index}")
    near = (index + 1) / count
    base = sky.horizon + 0.06 + (1.0 - sky.horizon) * 0.86 * near**1.25
    crest = np.float32(base) - _crests(scene, canvas.x[0], near, random)
    part = canvas.window(0, float(crest.min()) - 0.03, canvas.aspect, 1.0)
    if part.empty:
        return
    wobble = fbm(random, part.shape, 7, 4, gain=0.5, stretch=1.6)
    below = np.asarray(part.y - crest[None, :] + wobble * np.float32(0.002 + 0.004 * near), np.float32)
    mask = smooth(-part.pixel, part.pixel, below)
    depth = np.asarray(below / np.float32(0.06 + 0.26 * near), np.float32)
    part.cover(looked_up(_water_tones(scene, sky, near), depth), mask)
    # Flow lines follow the crest, closer together near the top.
    spacing = np.sqrt(np.maximum(below, 0) + np.float32(0.004)) * np.float32(46 / (0.55 + near)) + wobble * np.float32(
        0.6
    )
    lines = smooth(0.82, 0.97, np.sin(spacing * np.float32(math.tau)))
    part.cover(
        mix(sky.haze, sky.middle, 0.35),
        mask * lines * np.exp(-below / np.float32(0.05 + 0.10 * near)) * np.float32(0.42),
    )
    _foam(part, scene, sky, below, near)


def _crests(scene: Scene, at: Field, near: float, random: np.random.Generator) -> Field:
    height = 0.022 + 0.085 * near**1.4
    if scene.light.name == "storm" or scene.mentions("storm", "tsunami", "rage", "anger"):
        height *= 1.45
    length = (0.16 + 0.42 * near) * float(random.uniform(0.85, 1.2))
    phase = at / np.float32(length) + line_noise(random, at, 1.6, 2) * np.float32(0.45)
    phase = phase + np.float32(random.uniform(0, 1))
    tall = 1 + line_noise(random, at, 1.3, 2) * np.float32(0.45)
    # Each wave has a steep front and a long back.
    saw = phase - np.floor(phase)
    skew = np.where(saw < 0.68, saw / np.float32(0.68), (1 - saw) / np.float32(0.32))  # noqa: PLR2004
    return np.asarray(np.float32(height) * tall * (skew ** np.float32(1.7)), dtype=np.float32)


def _water_tones(scene: Scene, sky: Sky, near: float) -> Field:
    palette, light = scene.palette, scene.light
    deep = palette.tone(sky.water, light.near + 0.05, 1.5)
    thin = mix(palette.tone(sky.water, min(0.86, light.horizon - 0.06), 1.5), sky.glow, 0.30 * light.sun)
    middle = palette.tone(sky.water, light.near + 0.22, 1.6)
    far = mix(sky.middle, sky.haze, 0.5)

    def seen(color: Color) -> Color:
        return mix(color, far, 0.6 * (1 - near) ** 1.3)

    return ramp([(0, seen(thin)), (0.16, seen(mix(thin, middle, 0.6))), (0.5, seen(middle)), (1, seen(deep))])


def _foam(part: Canvas, scene: Scene, sky: Sky, below: Field, near: float) -> None:
    random = scene.random(f"foam {near:.3f}")
    lace = np.abs(fbm(random, part.shape, 24 - 9 * near, 4, gain=0.6, stretch=1.4))
    patches = fbm(random, part.shape, 3.5, 2, stretch=2)
    reach = np.float32(0.006 + 0.034 * near) * (1 + patches * np.float32(0.7))
    edge = np.exp(-np.maximum(below, 0) / np.maximum(reach, np.float32(0.003)))
    foam = smooth(0.16, 0.05, lace - edge * np.float32(0.42) + np.float32(0.10)) * smooth(0.04, 0.35, edge)
    foam = np.maximum(foam, smooth(0.0032 + 0.004 * near, 0.0008, np.abs(below - np.float32(0.001))))
    mask = smooth(-part.pixel, part.pixel, below)
    white = mix(mix(sky.haze, sky.lamp, 0.6), scene.palette.tone(scene.palette.cool, 0.6), 0.18 if sky.night else 0.05)
    part.cover(white, foam * mask * np.float32(0.88))
    if near > 0.4:  # noqa: PLR2004
        _spray(part, random, white, below, near)


def _spray(part: Canvas, random: np.random.Generator, color: Color, below: Field, near: float) -> None:
    """Paint fine drops above the crest."""
    noise = random.standard_normal(part.shape, dtype=np.float32)
    above = np.exp(below / np.float32(0.008 + 0.012 * near)) * (below < 0)
    density = np.asarray(noise + above * np.float32(0.7), np.float32)
    part.cover(color, smooth(2.0, 2.9, density) * above * np.float32(0.8))
