"""Strokes along a current: ribbons that never touch, or fine overlapping lines like hair."""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from phaseline_server.pictures.painting.canvas import Canvas, looked_up
from phaseline_server.pictures.painting.color import Color, Field, mix, ramp
from phaseline_server.pictures.painting.noise import fbm, sampled
from phaseline_server.pictures.painting.scene import Layer, Plan, Scene, each
from phaseline_server.pictures.painting.sketch import Points, Sheet, bytes_of

__all__ = ["plan"]

_GRID = 420
"""Cells per height of the map that keeps ribbons apart."""


class _Current:
    """A field of directions, and the strokes along it."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.random = scene.random("flow")
        self.dark = scene.light.horizon < 0.6 or self.random.random() < 0.25  # noqa: PLR2004
        shape = (256, max(16, round(256 * scene.aspect)))
        self.angle = self._directions(shape)
        zones = fbm(scene.random("zones"), shape, 1.5, 3)
        self.zones = (zones - zones.min()) / (zones.max() - zones.min())
        palette = scene.palette
        self.ground = palette.dark(palette.deep, 0.16) if self.dark else palette.paper(palette.warm)
        self.taken = Image.new("L", (round(_GRID * scene.aspect), _GRID))
        self._cells = np.asarray(self.taken)
        self.inks = self._inks()

    def _directions(self, shape: tuple[int, int]) -> Field:
        """Return the angle at each cell: waves, a whirl around one or two points, or both."""
        random, scene = self.random, self.scene
        angle = fbm(random, shape, float(random.uniform(0.8, 1.5)), 2, gain=0.35) * np.float32(
            random.uniform(0.5, 1.15)
        )
        angle += np.float32(random.uniform(0, math.tau))
        ys = np.linspace(0, 1, shape[0], dtype=np.float32)[:, None]
        xs = np.linspace(0, scene.aspect, shape[1], dtype=np.float32)[None, :]
        for _ in range(int(random.integers(0, 3))):
            x, y = float(random.uniform(0.2, 0.8)) * scene.aspect, float(random.uniform(0.2, 0.8))
            dx, dy = xs - np.float32(x), ys - np.float32(y)
            weight = np.exp(-(dx**2 + dy**2) / np.float32(random.uniform(0.04, 0.14)))
            whirl = np.arctan2(dy, dx) + np.float32(math.pi / 2)
            turn = np.angle(np.exp(1j * (whirl - angle))).astype(np.float32)
            angle += turn * weight
        return angle

    def _inks(self) -> list[Color]:
        palette = self.scene.palette
        inks = []
        for index in range(len(palette)):
            inks += [palette.ink(index), palette.vivid(index, 0.62 if self.dark else 0.52)]
        inks += [
            palette.accent(0.7),
            palette.dark(palette.deep, 0.28) if not self.dark else palette.paper(palette.warm),
        ]
        return inks

    def paths(self, starts: Points, steps: int, length: float) -> Points:
        """Return paths along the current, both ways from each start. Shape (paths, 2 * steps + 1, 2)."""
        rows, columns = self.angle.shape
        sides = []
        unit_x, unit_y = np.cos(self.angle), np.sin(self.angle)
        for sign in (-1.0, 1.0):
            at = starts.astype(np.float32)
            side = []
            for _ in range(steps):
                row, column = at[:, 1] * (rows - 1), at[:, 0] / np.float32(self.scene.aspect) * (columns - 1)
                move = np.stack([sampled(unit_x, row, column), sampled(unit_y, row, column)], axis=1)
                at = at + move * np.float32(sign * length)
                side.append(at)
            sides.append(side)
        return np.stack([*sides[0][::-1], starts.astype(np.float32), *sides[1]], axis=1)

    def zone(self, x: float, y: float) -> float:
        """Return a smooth value 0..1 that differs between regions."""
        rows, columns = self.zones.shape
        row = min(max(int(y * rows), 0), rows - 1)
        column = min(max(int(x / self.scene.aspect * columns), 0), columns - 1)
        return float(self.zones[row, column])

    def prepare(self, canvas: Canvas) -> Iterator[float]:
        """Paint the background."""
        wash = fbm(self.scene.random("flow ground"), canvas.shape, 1.6, 4)
        yield 0.6
        tint = mix(self.ground, self.scene.palette.tone(self.scene.palette.cool, 0.3 if self.dark else 0.8), 0.35)
        canvas.fill(looked_up(ramp([(0, self.ground), (1, tint)]), wash * np.float32(0.2) + np.float32(0.3)))

    def ribbons(self, canvas: Canvas, part: int) -> Iterator[float]:
        """Paint ribbons that do not touch any other; each part has narrower ones."""
        scene, random = self.scene, self.scene.random(f"ribbons {part}")
        width = (0.040, 0.026, 0.015, 0.0085, 0.0052)[part] * scene.scale
        count = (120, 240, 480, 900, 1400)[part]
        steps = 60
        starts = random.uniform(0, 1, (count, 2)) * [scene.aspect, 1]
        paths = self.paths(starts, steps, 0.0065)
        middles, places = self._cells_of(paths[:, steps])
        sheet = Sheet(canvas)
        draw = ImageDraw.Draw(self.taken)
        for index, path in enumerate(paths):
            if index % (count // 3) == 0:
                yield 0.1 + 0.25 * index / count
            own = width * float(random.uniform(0.75, 1.25))
            reach = int(random.integers(14, steps))
            column, row = places[index]
            if middles[index] or self._cells[row, column]:  # most of them
                continue
            free = self._free(path, steps, reach, own)
            if free is None:
                continue
            line = path[free[0] : free[1]]
            cells = (line * _GRID).ravel().tolist()
            draw.line(cells, fill=255, width=max(1, round((own + 0.0045) * _GRID)))
            self._cells = np.asarray(self.taken)
            self._ribbon(sheet, random, line, own)
        yield 0.5
        sheet.lay()

    def _cells_of(self, points: Points) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int_]]:
        """Return which points are far outside the picture, and the cells (column, row) of all, or the nearest ones."""
        rows, columns = self._cells.shape
        cell = (points * _GRID).astype(int)
        outside: npt.NDArray[np.bool_] = np.any((cell < -12) | (cell > [columns + 12, rows + 12]), axis=-1)  # noqa: PLR2004
        return outside, np.clip(cell, 0, [columns - 1, rows - 1])

    def _free(self, path: Points, middle: int, reach: int, width: float) -> tuple[int, int] | None:
        """Return the free length of the ribbon on both sides of its middle, or None if it is too short."""
        along = np.gradient(path, axis=0)
        along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
        across = np.stack([-along[:, 1], along[:, 0]], axis=1) * (width / 2)
        outside, cell = self._cells_of(np.stack([path - across, path, path + across]))
        hit: npt.NDArray[np.bool_] = np.any(outside | (self._cells[cell[..., 1], cell[..., 0]] > 0), axis=0)
        if hit[middle]:
            return None
        blocked = np.flatnonzero(hit)
        low = max(int(blocked[blocked < middle].max(initial=-1)) + 1, middle - reach)
        high = min(int(blocked[blocked > middle].min(initial=len(path))), middle + reach)
        shortest = 9 if width > 0.01 else 6  # noqa: PLR2004
        return (low, high) if high - low >= shortest else None

    def _ribbon(self, sheet: Sheet, random: np.random.Generator, line: Points, width: float) -> None:
        x, y = line[len(line) // 2]
        pick = self.zone(float(x), float(y)) * 0.75 + float(random.uniform(0, 0.25)) + float(random.normal(0, 0.06))
        color = self.inks[int(min(max(pick, 0), 0.999) * len(self.inks))]
        color = mix(color, self.ground, float(random.uniform(0, 0.16)))
        along = np.gradient(line, axis=0)
        along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
        across = np.stack([-along[:, 1], along[:, 0]], axis=1) * (width / 2)
        sheet.polygon(np.concatenate([line + across, (line - across)[::-1]]), color)
        lit, shade = mix(color, self.scene.palette.lamp(0.4), 0.22), mix(color, self.scene.palette.dark(0, 0.2), 0.20)
        sheet.polygon(np.concatenate([line + across, (line + across * 0.62)[::-1]]), lit)
        sheet.polygon(np.concatenate([line - across, (line - across * 0.62)[::-1]]), shade)
        if width > 0.012 and random.random() < 0.22:  # noqa: PLR2004
            band = mix(color, self.inks[int(random.integers(len(self.inks)))], 0.8)
            for start in range(2, len(line) - 3, 4):
                piece = slice(start, start + 2)
                sheet.polygon(np.concatenate([line[piece] + across[piece], (line[piece] - across[piece])[::-1]]), band)

    def hair(self, canvas: Canvas, part: int, parts: int) -> None:
        """Paint many fine lines, dark ones first and bright ones last."""
        scene, random = self.scene, self.scene.random(f"hair {part}")
        count = scene.many(620)
        starts = random.uniform(-0.05, 1.05, (count, 2)) * [scene.aspect, 1]
        paths = self.paths(starts, 34, 0.006)
        late = part / (parts - 1)
        palette = scene.palette
        light = (0.22 + 0.62 * late) if self.dark else (0.86 - 0.52 * late)
        table = [palette.vivid(int(i), light) for i in scene.random("hair colors").permutation(len(palette))]
        sheet = Sheet(canvas)
        widths = (0.0044 - 0.0030 * late) * random.uniform(0.5, 1.4, count)
        t = np.linspace(-1, 1, paths.shape[1])
        taper = (1 - np.abs(t) ** 2.5)[:, None]
        along = np.gradient(paths, axis=1)
        along /= np.maximum(np.hypot(along[..., 0], along[..., 1]), 1e-9)[..., None]
        across = np.stack([-along[..., 1], along[..., 0]], axis=-1) * taper[None] * (widths / 2)[:, None, None]
        outlines = np.concatenate([paths + across, (paths - across)[:, ::-1]], axis=1)
        colors = []
        for x, y in starts:
            share = min(max(self.zone(float(x), float(y)) + float(random.normal(0, 0.07)), 0), 0.999) * (len(table) - 1)
            first = int(share)
            colors.append(bytes_of(mix(table[first], table[min(first + 1, len(table) - 1)], share - first)))
        sheet.polygons(outlines, colors)
        sheet.lay(0.78)


def plan(scene: Scene) -> Plan:
    """Plan a background, and either ribbons or hair."""
    current = _Current(scene)
    layers = [Layer(55, current.prepare)]
    wanted = scene.mentions("ink", "line", "hair", "silk", "wind", "fine", "delicate")
    fine = wanted or scene.random("kind").random() < 0.4  # noqa: PLR2004
    if fine:
        parts = 9
        return layers + each(range(parts), 260, lambda canvas, part: current.hair(canvas, part, parts))
    return layers + each(range(5), 275, current.ribbons)
