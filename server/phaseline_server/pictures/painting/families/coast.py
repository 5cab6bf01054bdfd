"""Objects on the sea: islands, boats and a lighthouse."""

import numpy as np

from phaseline_server.pictures.painting.canvas import Canvas, looked_up, smooth
from phaseline_server.pictures.painting.color import mix, ramp
from phaseline_server.pictures.painting.families.sky import Sky
from phaseline_server.pictures.painting.noise import fbm, line_noise
from phaseline_server.pictures.painting.scene import Scene
from phaseline_server.pictures.painting.sketch import Sheet

__all__ = ["boats", "island", "lighthouse"]


def island(canvas: Canvas, scene: Scene, sky: Sky) -> None:
    """Paint distant islands on the horizon."""
    random = scene.random("island")
    at = canvas.x[0]
    for index in range(2):
        center = np.float32(random.uniform(0.1, 0.9) * scene.aspect)
        width = np.float32(random.uniform(0.12, 0.34))
        shape = np.exp(-(((at - center) / width) ** 2) * 2)
        height = float(random.uniform(0.05, 0.14)) * (1.25 - 0.5 * index)
        rough = 1 + 0.35 * line_noise(random, at, 7, 5)
        crest = np.float32(sky.horizon + 0.012) - np.float32(height) * shape * rough
        part = canvas.window(0, float(crest.min()) - 0.01, canvas.aspect, sky.horizon + 0.01)
        if part.empty:
            continue
        below = np.asarray(part.y - crest[None, :], np.float32)
        far = mix(scene.palette.tone(scene.palette.deep, scene.light.far * 0.8, 1.1), sky.haze, 0.45 - 0.2 * index)
        texture = fbm(random, part.shape, 12, 4)
        table = ramp([(0, mix(far, sky.top, 0.4)), (0.5, far), (1, mix(far, sky.glow, 0.5))])
        part.cover(
            looked_up(table, texture * np.float32(0.14) + np.float32(0.5)), smooth(-part.pixel, part.pixel, below)
        )
        part.cover(sky.haze, smooth(0.0, 0.10, below) * np.float32(0.6))


def boats(canvas: Canvas, scene: Scene, sky: Sky) -> None:
    """Paint a few sails between the horizon and the middle distance."""
    random = scene.random("boats")
    palette = scene.palette
    hull = palette.dark(palette.deep, max(0.12, scene.light.near * 0.7))
    for index in range(int(random.integers(1, 4))):
        away = float(random.uniform(0.05, 0.35)) if index == 0 else float(random.uniform(0.01, 0.08))
        x = float(random.uniform(0.15, 0.85)) * scene.aspect
        y = sky.horizon + (1 - sky.horizon) * away
        size = (0.022 + 0.26 * away) * scene.scale
        sail = mix(mix(palette.accent(0.78), sky.lamp, 0.45), sky.glow, 0.2)
        wind = float(random.choice([-1, 1]))
        for flip, opacity in ((-0.65, 0.28), (1.0, 1.0)):
            sheet = Sheet(canvas)
            for outline, color in (
                ([(-0.52, -0.02), (0.56, -0.05), (0.38, 0.15), (-0.38, 0.15)], hull),
                ([(0.02, -0.08), (0.02, -1.3), (0.16, -0.8), (0.30, -0.35), (0.46, -0.10)], sail),
                ([(-0.03, -0.08), (-0.01, -1.12), (-0.22, -0.55), (-0.42, -0.12)], mix(sail, hull, 0.22)),
            ):
                points = np.array(outline) * [size * wind, size * flip] + [x, y + (0.26 * size if flip < 0 else 0)]
                sheet.polygon(points, color)
            sheet.lay(opacity)


def lighthouse(canvas: Canvas, scene: Scene, sky: Sky) -> None:
    """Paint a headland in one corner with a lighthouse and its beam."""
    random = scene.random("lighthouse")
    palette, light = scene.palette, scene.light
    left = sky.sun[0] > scene.aspect / 2
    at = canvas.x[0] if left else np.float32(scene.aspect) - canvas.x[0]
    reach = float(random.uniform(0.30, 0.42)) * scene.scale
    top = float(random.uniform(0.58, 0.68))
    fall = np.clip(at / np.float32(reach), 0, 2)
    crest = np.float32(top) + np.float32(0.5) * fall**3 + line_noise(random, at, 9, 5) * np.float32(0.022)
    part = canvas.window(0, float(crest.min()) - 0.01, canvas.aspect, 1.0)
    x = 0.13 * scene.scale if left else scene.aspect - 0.13 * scene.scale
    foot = float(np.interp(x, canvas.x[0], crest)) + 0.012
    tower = float(random.uniform(0.25, 0.32)) * scene.scale
    if light.horizon < 0.9:  # noqa: PLR2004
        _beam(canvas, scene, sky, (x, foot - tower * 0.93), left=left)
    below = np.asarray(part.y - crest[None, :], np.float32)
    rock = palette.tone(palette.deep, light.near * 0.95, 1.0)
    texture = fbm(random, part.shape, 10, 6, gain=0.6, stretch=0.5)
    table = ramp([(0, palette.dark(palette.deep, light.near * 0.55)), (0.55, rock), (1, mix(rock, sky.glow, 0.4))])
    tone = texture * np.float32(0.2) + np.float32(0.5) - np.clip(below, 0, 0.5)
    part.cover(looked_up(table, tone), smooth(-part.pixel, part.pixel, below))
    sheet = Sheet(canvas)
    bright = mix(mix(sky.haze, palette.paper(), 0.5), palette.tone(palette.cool, 0.5), 0.35 if sky.night else 0.05)
    red = mix(palette.accent(0.52), palette.dark(palette.deep, light.near), 0.15)
    for band in range(7):
        high, low = 0.82 * (band + 1) / 7, 0.82 * band / 7
        points = [(-_girth(low), -low), (_girth(low), -low), (_girth(high), -high), (-_girth(high), -high)]
        sheet.polygon(np.array(points) * tower + [x, foot], red if band % 2 else bright)
    dark = palette.dark(palette.deep, light.near * 0.7)
    for outline, color in (
        ([(-0.115, -0.82), (0.115, -0.82), (0.115, -0.845), (-0.115, -0.845)], dark),
        ([(-0.06, -0.845), (0.06, -0.845), (0.06, -0.95), (-0.06, -0.95)], mix(sky.lamp, palette.lamp(1.0), 0.6)),
        ([(-0.08, -0.95), (0.08, -0.95), (0.0, -1.04)], red),
    ):
        sheet.polygon(np.array(outline) * tower + [x, foot], color)
    side = (canvas.x - np.float32(x)) / np.float32(tower * 0.1) * np.float32(1 if left else -1)
    sheet.lay(shade=np.broadcast_to(smooth(0.1, -1.0, side) * np.float32(0.45), canvas.shape))
    glow = np.exp(-np.hypot(canvas.x - np.float32(x), canvas.y - np.float32(foot - tower * 0.9)) / np.float32(0.035))
    canvas.light(palette.lamp(0.9), glow * np.float32(0.7))


def _girth(height: float) -> float:
    return 0.105 - 0.045 * height


def _beam(canvas: Canvas, scene: Scene, sky: Sky, lamp: tuple[float, float], *, left: bool) -> None:
    dx = (canvas.x - np.float32(lamp[0])) * np.float32(1 if left else -1)
    dy = canvas.y - np.float32(lamp[1]) + dx * np.float32(0.10)
    spread = np.maximum(dx, np.float32(1e-3)) * np.float32(0.085) + np.float32(0.004)
    cone = np.exp(-((dy / spread) ** 2)) * (dx > 0) * np.exp(-dx / np.float32(0.75))
    canvas.light(mix(scene.palette.lamp(0.8), sky.lamp, 0.3), np.asarray(cone * np.float32(0.5), np.float32))
