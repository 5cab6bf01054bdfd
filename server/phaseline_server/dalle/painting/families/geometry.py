"""Geometry: tiles of quarter circles, free compositions of simple shapes, discs of split rings."""

import math
from typing import Final

import numpy as np

from phaseline_server.dalle.painting.canvas import Canvas, smooth
from phaseline_server.dalle.painting.color import Color, Field, mix
from phaseline_server.dalle.painting.noise import fbm
from phaseline_server.dalle.painting.scene import Layer, Plan, Scene

__all__ = ["plan"]

_RADII: Final = (0.44, 0.30, 0.24, 0.19, 0.15, 0.11, 0.08)
"""Of the discs, in heights, large ones first."""


class _Shop:
    """Colors, and shapes with clean edges and a breath of shading, as a good print has."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        palette = scene.palette
        random = scene.random("geometry")
        self.dark = palette.dark(palette.deep, 0.22)
        self.night = scene.light.horizon < 0.6  # noqa: PLR2004
        self.paper = self.dark if self.night else palette.paper(palette.warm)
        inks = [palette.ink(i) for i in range(len(palette))]
        inks += [palette.vivid(palette.accent_index, 0.66), palette.tone(palette.cool, 0.5, 1.3)]
        inks += [palette.paper(palette.warm), self.dark]
        self.inks = [inks[int(i)] for i in random.permutation(len(inks))]
        self.stipple: Field = np.zeros((1, 1), np.float32)

    def prepare(self, canvas: Canvas) -> None:
        """Lay the ground and make the stipple that shades every shape."""
        random = self.scene.random("stipple")
        self.stipple = random.standard_normal(canvas.shape, dtype=np.float32)
        wash = fbm(random, canvas.shape, 2, 4)
        canvas.fill(self.paper)
        canvas.cover(mix(self.paper, self.scene.palette.tone(self.scene.palette.warm, 0.6), 0.35), np.clip(wash * np.float32(0.12) + np.float32(0.12), 0, 1))

    def color(self, random: np.random.Generator, *but: Color) -> Color:
        """Return an ink that differs from those in `but`."""
        for _ in range(12):
            ink = self.inks[int(random.integers(len(self.inks)))]
            if all(float(np.abs(ink - other).sum()) > 0.25 for other in but):  # noqa: PLR2004
                return ink
        return self.dark

    def put(self, part: Canvas, inside: Field, color: Color, shading: Field | None = None) -> None:
        """Cover where `inside` (distance in heights, positive within) is positive; `shading` 0..1 darkens by grains."""
        if part.empty:
            return
        mask = smooth(-part.pixel * 0.8, part.pixel * 0.8, np.asarray(inside + 0 * part.x + 0 * part.y, np.float32))
        part.cover(color, mask)
        if shading is not None:
            grains = self._grains(part)
            dark = mix(color, self.dark, 0.55)
            part.cover(dark, mask * smooth(-0.25, 0.6, shading - np.float32(0.55) + grains * np.float32(0.30)) * np.float32(0.75))

    def _grains(self, part: Canvas) -> Field:
        row = round((float(part.y[0, 0]) - part.pixel / 2) / part.pixel)
        column = round((float(part.x[0, 0]) - part.pixel / 2) / part.pixel)
        rows, columns = part.shape
        return self.stipple[row : row + rows, column : column + columns]


def plan(scene: Scene) -> Plan:
    """Plan one of the three compositions."""
    random = scene.random("geometry kind")
    told = {
        "tiles": ("grid", "tile", "pattern", "quilt", "mosaic", "order"),
        "free": ("free", "music", "jazz", "kandinsky", "dance", "diagonal", "chaos"),
        "discs": ("disc", "circle", "orphi*", "sun", "wheel", "rhythm"),
    }
    fitting = [kind for kind, words in told.items() if scene.says(*words)] or list(told)
    kind = str(random.choice(fitting))
    shop = _Shop(scene)
    layers = [Layer(90, shop.prepare)]
    if kind == "tiles":
        count = int(random.integers(4, 7))
        return layers + [Layer(17, lambda canvas, r=row: _tiles(canvas, shop, count, r)) for row in range(count)]
    if kind == "discs":
        return layers + [Layer(10 + 3800 * _RADII[index] ** 2, lambda canvas, i=index: _disc(canvas, shop, i)) for index in range(len(_RADII))]
    return layers + [Layer(115, lambda canvas, i=index: _free(canvas, shop, i)) for index in range(9)]


def _tiles(canvas: Canvas, shop: _Shop, count: int, row: int) -> None:
    random = shop.scene.random(f"tiles {row}")
    size = 1 / count
    margin = 0.0
    for column in range(math.ceil(shop.scene.aspect / size)):
        left, top = column * size + margin, row * size + margin
        part = canvas.window(left, top, left + size, top + size)
        if part.empty:
            continue
        u = (part.x - np.float32(left)) / np.float32(size)
        v = (part.y - np.float32(top)) / np.float32(size)
        ground = shop.color(random)
        shop.put(part, np.ones(part.shape, np.float32), ground)
        if random.random() < 0.5:  # noqa: PLR2004
            u, v = np.float32(1) - u, v
        if random.random() < 0.5:  # noqa: PLR2004
            u, v = u, np.float32(1) - v
        _motif(shop, part, random, (u, v), size, ground)


def _motif(
    shop: _Shop, part: Canvas, random: np.random.Generator, uv: tuple[Field, Field], size: float, ground: Color
) -> None:
    u, v = uv
    first = shop.color(random, ground)
    second = shop.color(random, ground, first)
    corner, center = np.hypot(u, v), np.hypot(u - np.float32(0.5), v - np.float32(0.5))
    kind = int(random.integers(8))
    if kind == 0:
        shop.put(part, (1 - corner) * size, first, corner)
        shop.put(part, (np.float32(0.5) - corner) * size, second)
    elif kind == 1:
        shop.put(part, (np.float32(0.42) - center) * size, first, v + 0 * u)
        shop.put(part, (np.float32(0.17) - center) * size, second)
    elif kind == 2:  # noqa: PLR2004
        for step in range(5):
            shop.put(part, (np.float32(1 - step * 0.2) - corner) * size, first if step % 2 == 0 else ground)
    elif kind == 3:  # noqa: PLR2004
        shop.put(part, (u - v) * size * 0.7, first, u + 0 * v)
    elif kind == 4:  # noqa: PLR2004
        leaf = np.minimum(1 - corner, 1 - np.hypot(1 - u, 1 - v))
        shop.put(part, leaf * size, first, u + 0 * v)
    elif kind == 5:  # noqa: PLR2004
        wave = np.abs(((u + 0 * v) * 6) % 2 - 1) - np.float32(0.5)
        shop.put(part, wave * size / 6, first)
        shop.put(part, (np.float32(0.30) - center) * size, second, v + 0 * u)
    elif kind == 6:  # noqa: PLR2004
        shop.put(part, np.minimum(np.float32(0.5) - np.hypot(u - np.float32(0.5), v), 1) * size, first, v + 0 * u)
        shop.put(part, (np.float32(0.5) - np.hypot(u - np.float32(0.5), 1 - v)) * size, second, 1 - v + 0 * u)
    else:
        shop.put(part, (1 - corner) * size, first, corner)
        shop.put(part, (np.float32(0.13) - np.hypot(u - np.float32(0.78), v - np.float32(0.78))) * size, second)


def _disc(canvas: Canvas, shop: _Shop, index: int) -> None:
    """Paint one wheel of rings whose quarters change color."""
    random = shop.scene.random(f"disc {index}")
    scene = shop.scene
    radius = float(_RADII[index] * random.uniform(0.85, 1.15)) * scene.scale
    layout = scene.random("disc layout").uniform(0, math.tau)
    turn = layout + index * 2.4
    away = 0.40 * math.sqrt(index / 7) + 0.05
    x = (0.5 + math.cos(turn) * away) * scene.aspect
    y = 0.5 + math.sin(turn) * away
    part = canvas.around(x, y, radius * 1.02)
    if part.empty:
        return
    dx, dy = part.x - np.float32(x), part.y - np.float32(y)
    spin = float(random.uniform(-0.6, 0.6))
    along = dx * np.float32(math.cos(spin)) + dy * np.float32(math.sin(spin))
    across = dy * np.float32(math.cos(spin)) - dx * np.float32(math.sin(spin))
    distance = np.hypot(dx, dy)
    rings = max(3, round(radius / 0.045))
    for ring in range(rings):
        outer = radius * (1 - ring / rings)
        last: tuple[Color, ...] = ()
        for sign_x in (-1, 1):
            for sign_y in (-1, 1):
                color = shop.color(random, *last)
                last = (color,)
                quarter = np.minimum(along * sign_x, across * sign_y)
                inside = np.minimum(np.float32(outer) - distance, quarter + np.float32(part.pixel))
                shade = distance / np.float32(radius) * np.float32(0.9)
                shop.put(part, inside, color, shade if (ring + sign_x) % 2 else None)


def _free(canvas: Canvas, shop: _Shop, index: int) -> None:
    """Paint one of nine steps: a great circle, beams, arcs, triangles, a chessboard, lines, small circles."""
    random = shop.scene.random(f"free {index}")
    scene = shop.scene
    anchor = scene.random("free anchor")
    ax, ay = float(anchor.uniform(0.3, 0.7)) * scene.aspect, float(anchor.uniform(0.3, 0.6))
    spin = float(anchor.uniform(-0.9, 0.9))
    scale = scene.scale
    x, y = float(random.uniform(0.1, 0.9)) * scene.aspect, float(random.uniform(0.1, 0.9))
    if index == 0:
        beam = (canvas.x - np.float32(ax)) * np.float32(math.sin(spin)) - (canvas.y - np.float32(ay)) * np.float32(math.cos(spin))
        shop.put(canvas, np.float32(0.16 * scale) - np.abs(beam), mix(shop.color(random), shop.paper, 0.45), np.abs(beam) * 5)
        return
    if index == 1:
        distance = np.hypot(canvas.x - np.float32(ax), canvas.y - np.float32(ay))
        halo = shop.color(random)
        shop.put(canvas, np.float32(0.31 * scale) - distance, mix(halo, shop.paper, 0.55))
        shop.put(canvas, np.float32(0.25 * scale) - distance, shop.color(random, halo), distance / np.float32(0.25 * scale))
        shop.put(canvas, np.float32(0.10 * scale) - distance, shop.dark)
        return
    part, distance = canvas, np.hypot(canvas.x - np.float32(x), canvas.y - np.float32(y))
    along = (canvas.x - np.float32(x)) * np.float32(math.cos(spin)) + (canvas.y - np.float32(y)) * np.float32(math.sin(spin))
    across = (canvas.y - np.float32(y)) * np.float32(math.cos(spin)) - (canvas.x - np.float32(x)) * np.float32(math.sin(spin))
    if index in {2, 3}:
        half = np.minimum(np.float32(0.2 * scale) - distance, across)
        shop.put(part, half, shop.color(random, shop.paper), distance * 4)
        shop.put(part, np.minimum(np.float32(0.11 * scale) - distance, across), shop.color(random))
    elif index == 4:  # noqa: PLR2004
        size = np.float32(0.035 * scale)
        board = np.sin(along / size * np.float32(math.pi)) * np.sin(across / size * np.float32(math.pi))
        box = np.minimum(np.float32(4) * size - np.abs(along), np.float32(3) * size - np.abs(across))
        shop.put(part, box, shop.color(random))
        shop.put(part, np.minimum(board * size * np.float32(0.3), box), shop.dark)
    elif index == 5:  # noqa: PLR2004
        triangle = np.minimum(np.minimum(across + np.float32(0.14 * scale), (np.float32(0.16 * scale) - across - along * np.float32(1.2)) * np.float32(0.6)), (np.float32(0.16 * scale) - across + along * np.float32(1.9)) * np.float32(0.45))
        shop.put(part, triangle, shop.color(random, shop.paper), across * 3 + np.float32(0.4))
    elif index == 6:  # noqa: PLR2004
        for step in range(5):
            ring = np.abs(np.hypot(canvas.x - np.float32(ax + 0.35), canvas.y - np.float32(ay + 0.2)) - np.float32(0.3 + step * 0.035))
            shop.put(part, np.minimum(np.float32(0.0045) - ring, along), shop.dark if not shop.night else shop.color(random, shop.dark))
    elif index == 7:  # noqa: PLR2004
        for step in range(7):
            line = np.abs(across - np.float32((step - 3) * 0.022 * scale))
            width = 0.0022 * (1 + (step % 3))
            shop.put(part, np.minimum(np.float32(width) - line, np.float32(0.5 * scale) - np.abs(along)), shop.color(random, shop.paper))
    else:
        for _ in range(13):
            cx, cy = float(random.uniform(0.06, 0.94)) * scene.aspect, float(random.uniform(0.06, 0.94))
            radius = float(random.uniform(0.008, 0.042)) * scale
            spot = canvas.around(cx, cy, radius * 1.3)
            if spot.empty:
                continue
            away = np.hypot(spot.x - np.float32(cx), spot.y - np.float32(cy))
            color = shop.color(random, shop.paper)
            shop.put(spot, np.float32(radius) - away, color, away / np.float32(radius))
            shop.put(spot, np.float32(radius * 0.4) - away, shop.color(random, color))
