"""Layered landscapes: ridges that fade with distance under a sky, with forest, a lake or dunes."""

import math
from typing import NamedTuple

import numpy as np

from phaseline_server.pictures.painting.canvas import Canvas, looked_up, smooth
from phaseline_server.pictures.painting.color import Color, Field, mix, ramp
from phaseline_server.pictures.painting.families import staffage
from phaseline_server.pictures.painting.families.sky import Sky, birds, plan_sky
from phaseline_server.pictures.painting.families.water import mirror
from phaseline_server.pictures.painting.noise import fbm, line_noise
from phaseline_server.pictures.painting.scene import Layer, Plan, Scene, each

__all__ = ["plan"]

_KINDS = {
    "lake": ("lake", "pond", "river", "water", "mirror", "reflect*", "fjord", "shore"),
    "dunes": ("desert", "dune", "sand", "arid", "oasis", "savanna"),
    "forest": ("forest", "wood", "pine", "tree", "jungle", "taiga", "grove"),
    "rolling": ("meadow", "field", "hill", "prairie", "valley", "farm", "pastoral", "vineyard", "steppe"),
    "alpine": ("mountain", "alp*", "peak", "cliff", "glacier", "summit", "snow", "canyon"),
}


class _Ground(NamedTuple):
    """The parameters of a terrain: the `rise` of its crests in heights, and their shape."""

    rise: float
    bumps: float
    rough: float
    texture: float
    """Cells per height of its surface."""
    wooded: float
    """Depth (0 far, 1 near) from which it has trees; above 1: none."""
    trees: int


_GROUNDS = {
    "dunes": _Ground(0.10, 1.1, 0.0, 3, 2.0, 0),
    "rolling": _Ground(0.11, 1.6, 0.05, 4, 0.7, 26),
    "forest": _Ground(0.15, 1.7, 0.20, 12, 0.3, 170),
    "alpine": _Ground(0.27, 1.7, 0.42, 9, 0.66, 80),
    "lake": _Ground(0.25, 1.8, 0.36, 9, 0.34, 110),
}


def plan(scene: Scene) -> Plan:
    """Plan the sky, ridges from far to near, and possibly a lake that reflects them."""
    random = scene.random("landscape")
    fitting = [kind for kind, words in _KINDS.items() if scene.mentions(*words)] or list(_KINDS)
    kind = str(random.choice(fitting))
    lake = kind == "lake"
    horizon = float(random.uniform(0.44, 0.54) if lake else random.uniform(0.46, 0.68))
    sky = Sky(scene, horizon)
    layers = plan_sky(scene, sky, clouds=float(random.uniform(0.3, 1.25)))
    count = int(random.integers(3, 5)) if lake else int(random.integers(5, 8))
    shore = horizon + 0.10
    for index in range(count):
        depth = index / (count - 1)
        layers += each([depth], 20 + 80 * (1 - depth), lambda canvas, depth: _ridge(canvas, scene, sky, kind, depth))
    if lake:
        layers.append(Layer(190, lambda canvas: mirror(canvas, scene, sky, shore)))
        if random.random() < 0.4 or scene.mentions("boat", "sail", "ship"):  # noqa: PLR2004
            layers.append(Layer(20, lambda canvas: staffage.boat(canvas, scene, sky, shore)))
        layers.append(Layer(120, lambda canvas: staffage.reeds(canvas, scene)))
    else:
        layers += staffage.plan_nearest(scene, sky, kind)
    if scene.mentions("bird", "flight", "free", "wing") or random.random() < 0.35:  # noqa: PLR2004
        tint = scene.palette.dark(scene.palette.deep, scene.light.near + 0.05)
        layers.append(Layer(55, lambda canvas: birds(canvas, scene, sky, tint)))
    return layers


def _base(sky: Sky, kind: str, depth: float) -> float:
    """Return the y of the base of the ridge at this depth."""
    if kind == "lake":
        return sky.horizon + 0.025 + 0.06 * math.pow(depth, 1.35)
    return sky.horizon + 0.035 + (1.0 - sky.horizon) * 0.78 * math.pow(depth, 1.35)


def _crest(kind: str, depth: float, at: Field, random: np.random.Generator) -> Field:
    """Return the height of the ridge above its base, in heights of the picture, for each column."""
    ground = _GROUNDS[kind]
    rise = ground.rise * (1 - (0.62 if ground.rough else 0.2) * depth)
    bumps = ground.bumps * (1 + 0.4 * depth)
    if kind == "dunes":
        wave = np.abs(line_noise(random, at, bumps, 2, 0.25))
        return np.asarray(rise * (0.9 - wave**0.9), dtype=np.float32)
    swell = line_noise(random, at, bumps * 0.6, 2)
    if not ground.rough or kind == "rolling":
        return np.asarray(rise * (swell * 0.7 + 0.25 * line_noise(random, at, bumps * 2, 2)), dtype=np.float32)
    peaks = 1 - np.minimum(np.abs(line_noise(random, at, bumps, 2, 0.4)), 1)
    jags = line_noise(random, at, 5.0, 6, 0.5)
    return np.asarray(rise * (0.8 * peaks**1.5 + 0.3 * swell + ground.rough * 0.6 * jags), dtype=np.float32)


def _ridge(canvas: Canvas, scene: Scene, sky: Sky, kind: str, depth: float) -> None:
    random = scene.random(f"ridge {depth:.3f}")
    light, palette = scene.light, scene.palette
    crest = np.float32(_base(sky, kind, depth)) - _crest(kind, depth, canvas.x[0], random)
    fade = (1 - depth) ** 1.15
    land = mix(palette.tone(palette.deep, light.near, 1.25), palette.tone(palette.accent_index, light.near, 1.1), 0.35)
    far = mix(sky.top, palette.tone(0, light.far, 0.9), 0.5)
    color = mix(mix(land, far, fade), sky.haze, light.haze * fade)
    _slope(canvas, scene, sky, (kind, depth), crest, color)
    ground = _GROUNDS[kind]
    if depth >= ground.wooded:
        shade = mix(color, palette.dark(palette.deep, light.near * 0.8), 0.55)
        staffage.trees(canvas, scene, crest, depth, shade, ground.trees)


def _slope(canvas: Canvas, scene: Scene, sky: Sky, where: tuple[str, float], crest: Field, color: Color) -> None:
    """Paint one ridge: its lit and shaded sides, texture, snow and the mist at its foot."""
    kind, depth = where
    ground = _GROUNDS[kind]
    random = scene.random(f"slope {depth:.3f}")
    part = canvas.window(0, float(crest.min()) - 0.01, canvas.aspect, 1.0)
    if part.empty:
        return
    below = np.asarray(part.y - crest[None, :], np.float32)
    mask = smooth(-part.pixel, part.pixel, below)
    texture = fbm(random, part.shape, ground.texture, 6, gain=0.55, stretch=1.0 if ground.rough else 2.6)
    relief = _sides(part, scene, sky, crest, below, texture, 0.9 if not ground.rough else 0.55)
    relief += texture * np.float32(0.20 * (0.35 + 0.65 * depth))
    lit = mix(color, sky.glow, 0.42 * scene.light.sun)
    dim = mix(color, scene.palette.dark(scene.palette.cool, scene.light.near * 0.8), 0.38)
    table = ramp([(0, dim), (0.5, color), (1, lit)])
    part.cover(looked_up(table, relief * np.float32(0.5) + np.float32(0.5)), mask)
    if kind in {"alpine", "lake"}:
        _snow(part, scene, sky, crest, texture, mask, depth)
    rim = np.exp(-np.abs(below) / np.float32(0.004)) * smooth(0.12, 0.8, sky.glow_at(part, 0.5))
    part.light(sky.glow, mask * rim * np.float32(0.3 * scene.light.sun))
    mist = smooth(0.03, 0.26, below + texture * np.float32(0.012))
    part.cover(sky.haze, mask * mist * np.float32(0.85 * scene.light.haze * max(0.0, 1 - depth) ** 0.6))


def _sides(part: Canvas, scene: Scene, sky: Sky, crest: Field, below: Field, texture: Field, strength: float) -> Field:
    """Return how much each point of a slope faces the light, about -1..1.

    The slope of the crest continues down the flank, with shifts that look like gullies.
    """
    lean = np.gradient(crest) / np.float32(part.pixel)
    width = max(1, round(0.012 / part.pixel))
    lean = np.convolve(lean, np.full(width, 1 / width), mode="same").astype(np.float32)
    toward = np.float32(1.0 if sky.sun[0] / scene.aspect < 0.5 else -1.0)  # noqa: PLR2004
    wander = texture * np.float32(0.35) * np.clip(below, 0, 0.12) / np.float32(part.pixel)
    column = np.arange(part.shape[1], dtype=np.float32)[None, :] + wander
    index = np.clip(column, 0, part.shape[1] - 1).astype(np.int32)
    faces = np.clip(lean[index] * toward * np.float32(-strength), -1, 1)
    return np.asarray(faces * np.exp(-np.maximum(below, 0) / np.float32(0.16)), dtype=np.float32)


def _snow(part: Canvas, scene: Scene, sky: Sky, crest: Field, texture: Field, mask: Field, depth: float) -> None:
    cold = scene.mentions("snow", "winter", "ice", "glacier", "frost")
    line = sky.horizon - (0.03 if cold else 0.10) + 0.1 * depth
    reach = np.asarray(np.float32(line) - part.y + texture * np.float32(0.035), np.float32)
    cover = smooth(0.0, 0.03, reach) * mask * smooth(-0.9, 0.3, -texture)
    white = mix(sky.haze, np.array([1.0, 1.0, 1.0]), 0.55 * scene.light.horizon)
    part.cover(white, cover * np.float32((0.85 if cold else 0.6) * (1 - 0.6 * depth)))
    del crest
