"""Stained glass: panes along the lines of a view or a rose, lit from behind, with lead between them."""

import math
from collections.abc import Iterator

import numpy as np

from phaseline_server.pictures.painting.canvas import Canvas, looked_up, smooth
from phaseline_server.pictures.painting.color import Color, Field, mix, ramp
from phaseline_server.pictures.painting.noise import fbm, line_noise
from phaseline_server.pictures.painting.scene import Layer, Plan, Scene, each
from phaseline_server.pictures.painting.sketch import Points

__all__ = ["plan"]


class _Window:
    """The sites (n, 2) and colors of the panes, which one of the designs defines."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.random = scene.random("glass")
        self.sites: list[tuple[float, float]] = []
        self.colors: list[Color] = []
        self.owner: Field = np.zeros((1, 1), np.float32)
        self.edge: Field = np.zeros((1, 1), np.float32)
        keywords = {
            "rose": ("rose", "mandala", "circle", "cathedral", "radial", "symmetr*", "center"),
            "view": ("land", "sea", "sun", "hill", "view"),
        }
        fitting = [kind for kind, words in keywords.items() if scene.mentions(*words)] or list(keywords)
        self.light = (0.5 * scene.aspect, 0.45)
        self.rose = str(self.random.choice(fitting)) == "rose"
        if self.rose:
            self._rose()
        else:
            self._view()

    def _put(self, x: float, y: float, color: Color) -> None:
        self.sites.append((x, y))
        self.colors.append(color)

    def _tone(self, index: int, lightness: float) -> Color:
        wobble = float(self.random.normal(0, 0.045))
        return self.scene.palette.vivid(index, min(0.93, max(0.16, lightness + wobble)))

    def _rose(self) -> None:
        """Add rings of panes around a center, with a periodic sequence of colors."""
        random, scene = self.random, self.scene
        center = (0.5 * scene.aspect, 0.5)
        self.light = center
        petals = int(random.choice([8, 10, 12, 16]))
        rings = int(random.integers(5, 8))
        turn = float(random.uniform(0, math.tau))
        self._put(*center, scene.palette.lamp(0.6))
        order = random.permutation(len(scene.palette))
        for ring in range(1, rings + 6):
            count = petals * (1 if ring < 3 else 2 if ring < 6 else 3)  # noqa: PLR2004
            radius = 0.47 / rings * ring * scene.scale
            shift = 0.5 if ring % 2 else 0.0
            for index in range(count):
                angle = turn + (index + shift) * math.tau / count
                ink = int(order[(ring // 2 + (index % 2 if ring % 3 else 0)) % len(order)])
                light = 0.82 - 0.42 * ring / rings + (0.16 if (index + ring) % 2 else 0.0)
                if ring > rings:
                    ink, light = scene.palette.cool, 0.26 + 0.07 * (index % 2)
                self._put(
                    center[0] + math.cos(angle) * radius, center[1] + math.sin(angle) * radius, self._tone(ink, light)
                )

    def _view(self) -> None:
        """Add panes on both sides of a sun's rim, its rays and hills, so that the lead outlines them."""
        random, scene, palette = self.random, self.scene, self.scene.palette
        sun = (float(random.uniform(0.3, 0.7)) * scene.aspect, float(random.uniform(0.24, 0.4)), 0.13 * scene.scale)
        self.light = (sun[0], sun[1])
        crests = self._hills()
        rays = int(random.integers(9, 15))
        order = [int(i) for i in random.permutation(len(palette))]
        for index in range(6):
            angle = index * math.tau / 6 + 0.3
            self._put(
                sun[0] + math.cos(angle) * sun[2] * 0.45,
                sun[1] + math.sin(angle) * sun[2] * 0.45,
                self._tone(palette.warm, 0.86),
            )
        for index in range(rays * 2):
            angle = index * math.tau / (rays * 2)
            rim = sun[2] * 1.55
            for step in range(12):
                x, y = sun[0] + math.cos(angle) * rim, sun[1] + math.sin(angle) * rim
                if y < self._crest_at(crests[0], x) - 0.03:
                    ink = order[(index + (step > 1)) % 2] if index % 2 else palette.warm
                    self._put(x, y, self._tone(ink, 0.84 - 0.05 * step - (0.1 if index % 2 else 0.0)))
                rim += 0.075 * scene.scale * (1 + step * 0.22)
        for depth, crest in enumerate(crests):
            self._band(crest, crests[depth + 1] if depth + 1 < len(crests) else None, depth, order)

    def _hills(self) -> list[Field]:
        """Return the crests of hills (y at 257 positions across), far ones first."""
        at = np.linspace(0, self.scene.aspect, 257, dtype=np.float32)
        first, step = float(self.random.uniform(0.55, 0.64)), float(self.random.uniform(0.10, 0.14))
        return [
            np.float32(first + step * i) - line_noise(self.random, at, 1.5 + 0.4 * i, 2) * np.float32(0.055)
            for i in range(3)
        ]

    def _crest_at(self, crest: Field, x: float) -> float:
        return float(np.interp(x / self.scene.aspect, np.linspace(0, 1, 257), crest))

    def _band(self, crest: Field, lower: Field | None, depth: int, order: list[int]) -> None:
        random, scene = self.random, self.scene
        gap = 0.020
        x = -0.05
        ink = order[(depth + 1) % len(order)]
        while x < scene.aspect + 0.05:
            top = self._crest_at(crest, x)
            pane = float(random.uniform(0.05, 0.09))
            if depth == 0:
                self._put(x, top - gap, self._tone(scene.palette.warm, 0.82))
            else:
                self._put(x, top - gap, self._tone(order[depth % len(order)], 0.62 - 0.13 * (depth - 1)))
            self._put(x, top + gap, self._tone(ink, 0.58 - 0.13 * depth))
            bottom = self._crest_at(lower, x) - 2 * gap if lower is not None else 1.06
            y = top + gap + 0.055
            while y < bottom:
                self._put(x + float(random.normal(0, 0.02)), y, self._tone(ink, 0.54 - 0.13 * depth))
                y += float(random.uniform(0.05, 0.085))
            x += pane

    def cut(self, canvas: Canvas, part: int, parts: int) -> None:
        """Compute the pane and the distance to the nearest lead, for a share of the rows."""
        rows, columns = canvas.shape
        if part == 0:
            self.owner = np.zeros((rows, columns), np.float32)
            self.edge = np.zeros((rows, columns), np.float32)
        sites = np.array(self.sites)
        tile = max(16, round(0.055 / canvas.pixel))
        tops = list(range(0, rows, tile))
        wobble = _wobble(self.scene, canvas)
        for top in tops[part::parts]:
            for left in range(0, columns, tile):
                here = np.s_[top : top + tile, left : left + tile]
                xs = canvas.x[:, here[1]] + wobble[0][here]
                ys = canvas.y[here[0]] + wobble[1][here]
                self.owner[here], self.edge[here] = _nearest(sites, xs, ys)

    def paint(self, canvas: Canvas) -> Iterator[float]:
        """Paint the panes, with the light behind them and the streaks in them."""
        random = self.scene.random("panes")
        index = self.owner.astype(np.int32)
        table = np.array(self.colors, np.float32).T
        canvas.fill(np.take(table, index, axis=1))
        yield 0.2
        streak = fbm(random, canvas.shape, 7, 5, gain=0.6, stretch=0.35)
        yield 0.45
        tilt = random.normal(0, 1, (2, len(self.sites))).astype(np.float32)
        sites = np.array(self.sites, np.float32)
        across = (canvas.x - sites[index, 0]) * tilt[0][index] + (canvas.y - sites[index, 1]) * tilt[1][index]
        canvas.rgb *= 1 + np.clip(streak * np.float32(0.075) + across * np.float32(2.2), -0.3, 0.3)
        yield 0.65
        away = np.hypot(canvas.x - np.float32(self.light[0]), canvas.y - np.float32(self.light[1]))
        canvas.light(self.scene.palette.lamp(0.5), np.exp(-away / np.float32(0.26)) * np.float32(0.42))
        seeds = smooth(2.3, 2.9, fbm(random, canvas.shape, 90, 2, gain=0.5))
        yield 0.85
        canvas.light(self.scene.palette.lamp(0.3), seeds * np.float32(0.25))
        canvas.shade(
            self.scene.palette.dark(self.scene.palette.cool, 0.2), smooth(0.022, 0.0, self.edge) * np.float32(0.42)
        )

    def lead(self, canvas: Canvas) -> Iterator[float]:
        """Paint the rounded lead, dark with a thin highlight."""
        random = self.scene.random("lead")
        width = np.float32(0.0036) + fbm(random, canvas.shape, 9, 2) * np.float32(0.0006)
        mask = smooth(1.12, 0.85, self.edge / width)
        yield 0.5
        metal = mix(self.scene.palette.dark(self.scene.palette.cool, 0.15), np.array([0.1, 0.1, 0.11]), 0.5)
        canvas.cover(metal, mask)
        gleam = np.exp(-(((self.edge / width - np.float32(0.35)) / np.float32(0.28)) ** 2)) * mask
        canvas.light(self.scene.palette.lamp(0.3), gleam * np.float32(0.13))
        if self.rose:
            yield 0.8
            self._wall(canvas)

    def _wall(self, canvas: Canvas) -> None:
        """Paint a stone wall around the rose, which its light slightly touches."""
        random = self.scene.random("wall")
        palette = self.scene.palette
        away = np.hypot(canvas.x - np.float32(self.light[0]), canvas.y - np.float32(self.light[1]))
        outside = np.asarray(away - np.float32(0.482 * self.scene.scale), np.float32)
        grain = fbm(random, canvas.shape, 14, 5, gain=0.62)
        stone = mix(palette.tone(palette.cool, 0.30, 0.6), np.array([0.26, 0.25, 0.25]), 0.5)
        table = ramp(
            [
                (0, mix(stone, palette.dark(palette.cool, 0.1), 0.75)),
                (0.6, stone),
                (1, mix(stone, palette.lamp(0.8), 0.4)),
            ]
        )
        # A round molding, lit on its inner slope, and then the flat wall, which fades into the dark.
        moulding = np.sin(np.clip(outside / np.float32(0.034), 0, 1) * np.float32(math.pi))
        tone = np.float32(0.34) + moulding * np.float32(0.42) + grain * np.float32(0.05)
        tone -= np.clip(outside - np.float32(0.03), 0, 1) * np.float32(0.9)
        canvas.cover(looked_up(table, np.asarray(tone, np.float32)), smooth(-canvas.pixel, canvas.pixel, outside))
        seam = np.exp(-np.abs(outside) / np.float32(0.0035)) * np.float32(0.8)
        canvas.shade(palette.dark(palette.cool, 0.08), np.asarray(seam, np.float32))


def _wobble(scene: Scene, canvas: Canvas) -> tuple[Field, Field]:
    random = scene.random("cut")
    return (
        fbm(random, canvas.shape, 6, 2) * np.float32(0.0022),
        fbm(random, canvas.shape, 6, 2) * np.float32(0.0022),
    )


def _nearest(sites: Points, xs: Field, ys: Field) -> tuple[Field, Field]:
    """Return (index of the nearest site, distance to the border with the next site) for a small tile."""
    middle = np.array([float(xs.mean()), float(ys.mean())])
    reach = float(np.hypot(xs - middle[0], ys - middle[1]).max())
    away = np.hypot(sites[:, 0] - middle[0], sites[:, 1] - middle[1])
    second = float(np.partition(away, 1)[1])
    # These include the two nearest sites of every pixel of the tile.
    close = np.flatnonzero(away <= second + 2 * reach)
    square = np.stack([(xs - np.float32(x)) ** 2 + (ys - np.float32(y)) ** 2 for x, y in sites[close]])
    first = square.argmin(axis=0)
    nearest = np.take_along_axis(square, first[None], axis=0)[0]
    edge = np.full(nearest.shape, np.inf, np.float32)
    for k, site in enumerate(sites[close]):
        apart = np.hypot(sites[close][first, 0] - site[0], sites[close][first, 1] - site[1]).astype(np.float32)
        border = (square[k] - nearest) / np.maximum(2 * apart, np.float32(1e-6))
        edge = np.minimum(edge, np.where(first == k, np.float32(np.inf), border))
    return close[first].astype(np.float32), edge


def plan(scene: Scene) -> Plan:
    """Plan the panes, their colors and the lead."""
    window = _Window(scene)
    parts = 8
    layers = each(range(parts), 105, lambda canvas, part: window.cut(canvas, part, parts))
    layers.append(Layer(245, window.paint))
    layers.append(Layer(95, window.lead))
    return layers
