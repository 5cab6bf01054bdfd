"""Geometry: tiles of quarter circles, free compositions of simple shapes, or discs of split rings."""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from phaseline_server.pictures.painting.canvas import Canvas, smooth
from phaseline_server.pictures.painting.color import Color, Field, mix
from phaseline_server.pictures.painting.noise import fbm
from phaseline_server.pictures.painting.scene import Layer, Plan, Scene, each

__all__ = ["plan"]

_RADII: Final = (0.44, 0.30, 0.24, 0.19, 0.15, 0.11, 0.08)
"""Radii of the discs, in heights, large ones first."""


class _Shop:
    """Colors, and shapes with clean edges and slight shading, as in a print."""

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

    def prepare(self, canvas: Canvas) -> Iterator[float]:
        """Paint the background, and create the stipple that shades every shape."""
        random = self.scene.random("stipple")
        self.stipple = random.standard_normal(canvas.shape, dtype=np.float32)
        yield 0.4
        wash = fbm(random, canvas.shape, 2, 4)
        yield 0.8
        canvas.fill(self.paper)
        canvas.cover(
            mix(self.paper, self.scene.palette.tone(self.scene.palette.warm, 0.6), 0.35),
            np.clip(wash * np.float32(0.12) + np.float32(0.12), 0, 1),
        )

    def color(self, random: np.random.Generator, *but: Color) -> Color:
        """Return an ink that differs from those in `but`."""
        for _ in range(12):
            ink = self.inks[int(random.integers(len(self.inks)))]
            if all(float(np.abs(ink - other).sum()) > 0.25 for other in but):  # noqa: PLR2004
                return ink
        return self.dark

    def put(self, part: Canvas, inside: npt.NDArray[np.floating], color: Color, shading: Field | None = None) -> None:
        """Paint where `inside` (distance in heights, positive within) is positive; `shading` 0..1 darkens by grains."""
        if part.empty:
            return
        mask = smooth(-part.pixel * 0.8, part.pixel * 0.8, np.asarray(inside + 0 * part.x + 0 * part.y, np.float32))
        part.cover(color, mask)
        if shading is not None:
            grains = self._grains(part)
            dark = mix(color, self.dark, 0.55)
            part.cover(
                dark,
                mask * smooth(-0.25, 0.6, shading - np.float32(0.55) + grains * np.float32(0.30)) * np.float32(0.75),
            )

    def _grains(self, part: Canvas) -> Field:
        row = round((float(part.y[0, 0]) - part.pixel / 2) / part.pixel)
        column = round((float(part.x[0, 0]) - part.pixel / 2) / part.pixel)
        rows, columns = part.shape
        return self.stipple[row : row + rows, column : column + columns]


def plan(scene: Scene) -> Plan:
    """Plan one of the three compositions."""
    random = scene.random("geometry kind")
    keywords = {
        "tiles": ("grid", "tile", "pattern", "quilt", "mosaic", "order"),
        "free": ("free", "music", "jazz", "kandinsky", "dance", "diagonal", "chaos"),
        "discs": ("disc", "circle", "orphi*", "sun", "wheel", "rhythm"),
    }
    fitting = [kind for kind, words in keywords.items() if scene.mentions(*words)] or list(keywords)
    kind = str(random.choice(fitting))
    shop = _Shop(scene)
    layers = [Layer(90, shop.prepare)]
    if kind == "tiles":
        count = int(random.integers(4, 7))
        return layers + each(range(count), 20, lambda canvas, row: _tiles(canvas, shop, count, row))
    if kind == "discs":
        for index, radius in enumerate(_RADII):
            layers += each([index], 10 + 3800 * radius**2, lambda canvas, index: _disc(canvas, shop, index))
        return layers
    return layers + each(range(len(_STEPS)), 115, lambda canvas, step: _STEPS[step](_Spot(canvas, shop, step)))


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
            u = np.float32(1) - u
        if random.random() < 0.5:  # noqa: PLR2004
            v = np.float32(1) - v
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


class _Spot:
    """A place and a direction on the canvas for one step of a free composition.

    `anchor` is the center of the composition, and `place` that of this step. `along` and `across` are distances from
    the place in the composition's direction.
    """

    def __init__(self, canvas: Canvas, shop: _Shop, step: int) -> None:
        scene = shop.scene
        self.canvas, self.shop = canvas, shop
        self.random = scene.random(f"free {step}")
        common = scene.random("free anchor")
        self.anchor = (float(common.uniform(0.3, 0.7)) * scene.aspect, float(common.uniform(0.3, 0.6)))
        self.spin = float(common.uniform(-0.9, 0.9))
        self.scale = scene.scale
        place = (float(self.random.uniform(0.1, 0.9)) * scene.aspect, float(self.random.uniform(0.1, 0.9)))
        self.distance = self.from_(*place)
        dx, dy = canvas.x - np.float32(place[0]), canvas.y - np.float32(place[1])
        cos, sin = np.float32(math.cos(self.spin)), np.float32(math.sin(self.spin))
        self.along, self.across = dx * cos + dy * sin, dy * cos - dx * sin

    def from_(self, x: float, y: float) -> Field:
        """Return the distance of each pixel from a point."""
        return np.asarray(np.hypot(self.canvas.x - np.float32(x), self.canvas.y - np.float32(y)), np.float32)

    def color(self, *but: Color) -> Color:
        """Return an ink that differs from those in `but`."""
        return self.shop.color(self.random, *but)

    def put(self, inside: Field, color: Color, shading: Field | None = None) -> None:
        """Paint where `inside` is positive."""
        self.shop.put(self.canvas, inside, color, shading)


def _beam(spot: _Spot) -> None:
    x, y = spot.anchor
    dx, dy = spot.canvas.x - np.float32(x), spot.canvas.y - np.float32(y)
    across = np.abs(dx * np.float32(math.sin(spot.spin)) - dy * np.float32(math.cos(spot.spin)))
    spot.put(np.float32(0.16 * spot.scale) - across, mix(spot.color(), spot.shop.paper, 0.45), across * 5)


def _great_circle(spot: _Spot) -> None:
    distance = spot.from_(*spot.anchor) / np.float32(spot.scale)
    halo = spot.color()
    size = np.float32(spot.scale)
    spot.put((np.float32(0.31) - distance) * size, mix(halo, spot.shop.paper, 0.55))
    spot.put((np.float32(0.25) - distance) * size, spot.color(halo), distance * 4)
    spot.put((np.float32(0.10) - distance) * size, spot.shop.dark)


def _half_disc(spot: _Spot) -> None:
    outer, inner = np.float32(0.2 * spot.scale), np.float32(0.11 * spot.scale)
    spot.put(np.minimum(outer - spot.distance, spot.across), spot.color(spot.shop.paper), spot.distance * 4)
    spot.put(np.minimum(inner - spot.distance, spot.across), spot.color())


def _chessboard(spot: _Spot) -> None:
    size = np.float32(0.035 * spot.scale)
    pitch = np.float32(math.pi) / size
    board = np.sin(spot.along * pitch) * np.sin(spot.across * pitch)
    box = np.minimum(np.float32(4) * size - np.abs(spot.along), np.float32(3) * size - np.abs(spot.across))
    spot.put(box, spot.color())
    spot.put(np.minimum(board * size * np.float32(0.3), box), spot.shop.dark)


def _triangle(spot: _Spot) -> None:
    size = np.float32(0.16 * spot.scale)
    left = (size - spot.across - spot.along * np.float32(1.2)) * np.float32(0.6)
    right = (size - spot.across + spot.along * np.float32(1.9)) * np.float32(0.45)
    low = spot.across + np.float32(0.14 * spot.scale)
    spot.put(np.minimum(np.minimum(low, left), right), spot.color(spot.shop.paper), spot.across * 3 + np.float32(0.4))


def _arcs(spot: _Spot) -> None:
    center = spot.from_(spot.anchor[0] + 0.35, spot.anchor[1] + 0.2)
    for step in range(5):
        ring = np.abs(center - np.float32(0.3 + step * 0.035))
        color = spot.color(spot.shop.dark) if spot.shop.night else spot.shop.dark
        spot.put(np.minimum(np.float32(0.0045) - ring, spot.along), color)


def _lines(spot: _Spot) -> None:
    for step in range(7):
        line = np.abs(spot.across - np.float32((step - 3) * 0.022 * spot.scale))
        width = np.float32(0.0022 * (1 + step % 3))
        end = np.float32(0.5 * spot.scale) - np.abs(spot.along)
        spot.put(np.minimum(width - line, end), spot.color(spot.shop.paper))


def _small_circles(spot: _Spot) -> None:
    for _ in range(13):
        x = float(spot.random.uniform(0.06, 0.94)) * spot.shop.scene.aspect
        y = float(spot.random.uniform(0.06, 0.94))
        radius = float(spot.random.uniform(0.008, 0.042)) * spot.scale
        part = spot.canvas.around(x, y, radius * 1.3)
        if part.empty:
            continue
        away = np.hypot(part.x - np.float32(x), part.y - np.float32(y))
        color = spot.color(spot.shop.paper)
        spot.shop.put(part, np.float32(radius) - away, color, away / np.float32(radius))
        spot.shop.put(part, np.float32(radius * 0.4) - away, spot.color(color))


_STEPS: Final = (
    _beam,
    _great_circle,
    _half_disc,
    _half_disc,
    _chessboard,
    _triangle,
    _arcs,
    _lines,
    _small_circles,
)
