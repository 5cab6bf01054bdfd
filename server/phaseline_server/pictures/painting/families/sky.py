"""Skies: a gradient, the sun or moon with its glow, clouds, stars and birds."""

import math
from collections.abc import Iterator

import numpy as np

from phaseline_server.pictures.painting.canvas import Canvas, looked_up, smooth
from phaseline_server.pictures.painting.color import Color, Field, mix, ramp
from phaseline_server.pictures.painting.noise import fbm
from phaseline_server.pictures.painting.scene import Layer, Plan, Scene
from phaseline_server.pictures.painting.sketch import Sheet

__all__ = ["Sky", "birds", "plan_sky"]


class Sky:
    """The position and color of the light, which ridges, water and towers also use.

    `sun` is (x, y, radius) in heights, and `horizon` a y. `glow` is the color of the air near the light, and `water`
    the index of the ink of lakes and seas.
    """

    def __init__(self, scene: Scene, horizon: float) -> None:
        random = scene.random("sky")
        light, palette = scene.light, scene.palette
        self.horizon = horizon
        self.night = light.name == "night"
        side = random.choice([random.uniform(0.18, 0.42), random.uniform(0.58, 0.82)])
        high = {"day": (0.25, 0.55), "night": (0.2, 0.6), "dusk": (0.6, 0.88), "dawn": (0.55, 0.85)}
        low, top = high.get(light.name, (0.35, 0.7))
        self.sun = (
            float(side) * scene.aspect,
            horizon * float(random.uniform(low, top)),
            scene.scale * float(random.uniform(0.035, 0.085)),
        )
        # Most skies are cool above and warm near the light; some are the reverse.
        upper, lower = palette.cool, palette.warm
        if random.random() < 0.35 or upper == lower:  # noqa: PLR2004
            upper, lower = 0, palette.accent_index
        between = next((i for i in range(3) if i not in {upper, lower}), lower)
        self.water = palette.cool if random.random() < 0.6 else int(random.integers(3))  # noqa: PLR2004
        self.top: Color = palette.tone(upper, light.zenith, 1.3)
        self.middle: Color = mix(
            palette.tone(upper, (light.zenith + light.horizon) / 2, 1.2),
            palette.tone(between, (light.zenith + light.horizon) / 2, 1.1),
            float(random.uniform(0.15, 0.85)),
        )
        self.lamp: Color = palette.lamp(0.25 if self.night else 0.6)
        self.glow: Color = mix(palette.tone(lower, light.horizon - 0.06, 1.6), self.lamp, 0.12)
        # Some suns are pale and bright, others large and colored as through haze.
        self.colored = not self.night and light.name != "storm" and random.random() < 0.4  # noqa: PLR2004
        if self.colored:
            x, y, radius = self.sun
            self.sun = (x, y, radius * float(random.uniform(1.2, 2.0)))
        vivid = palette.vivid(palette.accent_index if random.random() < 0.35 else palette.warm, 0.78)  # noqa: PLR2004
        self.disc: Color = mix(vivid, self.lamp, float(random.uniform(0.05, 0.3)))
        self.haze: Color = mix(palette.tone(between, light.horizon * 0.96, 0.9), self.glow, 0.5)

    def glow_at(self, canvas: Canvas, reach: float) -> Field:
        """Return the closeness of each pixel to the light: 1 at the light, decreasing over `reach` heights."""
        x, y, radius = self.sun
        distance = np.hypot(canvas.x - x, canvas.y - y)
        return np.asarray(np.exp(-np.maximum(distance - radius, 0) / np.float32(reach)), dtype=np.float32)


def plan_sky(scene: Scene, sky: Sky, *, clouds: float = 1.0) -> Plan:
    """Return the layers of a whole sky; `clouds` 0..1.5 is the amount of clouds."""
    layers = [Layer(60, lambda canvas: _gradient(canvas, scene, sky))]
    if sky.night or (scene.light.name == "dusk" and scene.mentions("star", "space", "galax*", "cosm*")):
        layers.append(Layer(90, lambda canvas: _stars(canvas, scene, sky)))
    layers.append(Layer(65, lambda canvas: _sun(canvas, scene, sky)))
    if clouds > 0:
        layers.append(Layer(170, lambda canvas: _clouds(canvas, scene, sky, clouds)))
    return layers


def _gradient(canvas: Canvas, scene: Scene, sky: Sky) -> Iterator[float]:
    random = scene.random("sky gradient")
    table = ramp([(0, sky.top), (0.55, sky.middle), (0.86, mix(sky.middle, sky.glow, 0.7)), (1, sky.glow)])
    height = canvas.y / np.float32(sky.horizon)
    wobble = fbm(random, canvas.shape, 1.2, 3, stretch=2.5) * np.float32(0.035)
    yield 0.4
    canvas.fill(looked_up(table, height + wobble))


def _sun(canvas: Canvas, scene: Scene, sky: Sky) -> None:
    x, y, radius = sky.sun
    strength = scene.light.sun
    canvas.light(sky.glow, sky.glow_at(canvas, 0.34) * np.float32(0.5 * strength))
    canvas.light(sky.lamp, sky.glow_at(canvas, 0.10) * np.float32((0.25 if sky.colored else 0.55) * strength))
    near = canvas.around(x, y, radius * 1.6)
    if near.empty:
        return
    distance = np.hypot(near.x - x, near.y - y)
    disc = smooth(radius + near.pixel, radius - near.pixel, distance)
    if sky.night:
        random = scene.random("moon")
        seas = fbm(random, near.shape, 3.2, 4, gain=0.42)
        face = mix(sky.lamp, sky.top, 0.4)
        near.cover(mix(sky.lamp, np.array([1.0, 1.0, 0.98]), 0.4), disc)
        near.cover(face, disc * smooth(-0.2, 1.6, seas) * np.float32(0.5))
        near.shade(face, np.asarray(disc * smooth(0.5, 1.05, distance / radius) * 0.35, np.float32))
    elif sky.colored:
        fade = smooth(y + radius * 1.6, y - radius, near.y + 0 * near.x)
        near.cover(sky.disc, disc * (np.float32(0.55) + np.float32(0.42) * fade))
    else:
        near.cover(mix(sky.lamp, np.array([1.0, 1.0, 0.98]), 0.35), disc * np.float32(min(1.0, 0.25 + strength)))


def _stars(canvas: Canvas, scene: Scene, sky: Sky) -> None:
    random = scene.random("stars")
    count = 420
    xs, ys = random.uniform(0, scene.aspect, count), random.uniform(0, sky.horizon, count) ** 1.15
    sizes = 0.0006 + 0.0016 * random.random(count) ** 6
    for x, y, size in zip(xs, ys, sizes, strict=True):
        near = canvas.around(x, y, float(size) * 5 + canvas.pixel * 2)
        if not near.empty:
            square = (near.x - np.float32(x)) ** 2 + (near.y - np.float32(y)) ** 2
            width = max(float(size), canvas.pixel * 0.55)
            fade = (1 - y / sky.horizon) * min(1.0, (float(size) / width) ** 2 + 0.25)
            near.light(sky.lamp, np.exp(-square / np.float32(width**2)) * np.float32(fade))


def _clouds(canvas: Canvas, scene: Scene, sky: Sky, amount: float) -> Iterator[float]:
    random = scene.random("clouds")
    light, palette = scene.light, scene.palette
    cells = float(random.uniform(2.2, 4.0))
    body = fbm(random, canvas.shape, cells, 6, gain=0.52, stretch=float(random.uniform(2.0, 4.2)))
    yield 0.4
    # Clouds form banks, and get thinner toward the zenith.
    body += fbm(random, canvas.shape, 1.1, 2, stretch=3) * np.float32(0.7)
    limit = 1.25 - 0.75 * amount
    cover = smooth(limit, limit + 1.5, body)
    cover *= smooth(1.05, 0.75, canvas.y / np.float32(sky.horizon)) * np.float32(0.86)
    x = sky.sun[0]
    step = max(2, round(0.012 / canvas.pixel))
    toward_x = step if x / scene.aspect > 0.5 else -step  # noqa: PLR2004
    padded = np.pad(body, step, mode="edge")
    yield 0.6
    shifted = padded[: canvas.shape[0], step + toward_x : step + toward_x + canvas.shape[1]]
    edge = np.clip((body - shifted) * np.float32(0.55), -1, 1)
    shadow = mix(palette.tone(0, light.zenith * 0.8 + 0.08, 0.8), sky.haze, 0.3)
    lit = mix(sky.glow, sky.lamp, 0.55)
    if sky.night:
        shadow, lit = palette.tone(0, 0.2), mix(palette.tone(1, 0.45), sky.lamp, 0.2)
    glow = sky.glow_at(canvas, 0.5)
    yield 0.75
    table = ramp([(0, shadow), (0.5, mix(shadow, lit, 0.45)), (1, lit)])
    tone = np.clip(np.float32(0.42) - edge * np.float32(0.75) + glow * np.float32(0.35), 0, 1)
    canvas.cover(looked_up(table, np.asarray(tone, np.float32)), cover)


def birds(canvas: Canvas, scene: Scene, sky: Sky, color: Color) -> None:
    """Draw a loose flock of birds, each with two curved wings."""
    random = scene.random("birds")
    count = int(random.integers(5, 14))
    center = np.array([random.uniform(0.25, 0.75) * scene.aspect, sky.horizon * random.uniform(0.3, 0.6)])
    sheet = Sheet(canvas)
    for _ in range(count):
        at = center + random.normal(0, 1, 2) * [0.11, 0.045]
        span = float(random.uniform(0.008, 0.017)) * scene.scale
        tilt = float(random.normal(0, 0.25))
        lift = float(random.uniform(0.15, 0.75))
        t = np.linspace(-1, 1, 15)
        wing = np.abs(t)
        outline = np.stack([t * span, -(np.sin(wing * math.pi * 0.8) * lift - wing * 0.2) * span * 0.7], axis=1)
        under = outline[::-1] + np.stack([np.zeros(15), (1 - wing**1.5) * span * 0.16], axis=1)
        turn = np.array([[math.cos(tilt), math.sin(tilt)], [-math.sin(tilt), math.cos(tilt)]])
        points = (np.concatenate([outline, under])[:, None, :] * turn[None]).sum(axis=2) + at
        sheet.polygon(points, color)
    sheet.lay(0.8)
