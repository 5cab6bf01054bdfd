"""Parts of plants as outlines: petals, flower heads and leaves, independent of any composition."""

import math

import numpy as np

from phaseline_server.pictures.painting.color import Color, mix
from phaseline_server.pictures.painting.sketch import Points, Sheet

__all__ = ["bell", "blossom", "curve", "daisy", "fern", "leaf", "petal", "placed", "poppy", "spike", "stalk", "umbel"]


def placed(outline: Points, at: tuple[float, float], angle: float, size: float) -> Points:
    """Return an outline (drawn along +x, length 1) turned by `angle`, scaled and moved; y grows downward."""
    cos, sin = math.cos(angle) * size, math.sin(angle) * size
    x = outline[:, 0] * cos - outline[:, 1] * sin + at[0]
    y = outline[:, 0] * sin + outline[:, 1] * cos + at[1]
    return np.stack([x, y], axis=1)


def petal(width: float, *, tip: float = 0.62, notch: float = 0.0, points: int = 15) -> Points:
    """Return a petal's outline: base at 0, tip at 1; widest at `tip`; a `notch` splits the tip."""
    t = np.linspace(0, 1, points)
    power = math.log(0.5) / math.log(tip)
    half = width / 2 * np.sin(np.pi * t**power) ** 0.85
    end = t - notch * np.exp(-(((t - 1) / 0.12) ** 2))
    upper = np.stack([t, half], axis=1)
    lower = np.stack([t, -half], axis=1)[::-1]
    upper[-1, 0] = lower[0, 0] = end[-1]
    return np.concatenate([upper, lower])


def blossom(
    sheet: Sheet, random: np.random.Generator, at: tuple[float, float], size: float, tones: tuple[Color, Color, Color]
) -> None:
    """Draw a cherry blossom from a random angle; tones: petal, center, stamens."""
    outer, heart, stamen = tones
    turn = float(random.uniform(0, math.tau))
    squash = float(random.uniform(0.55, 1.0))
    lean = float(random.uniform(0, math.pi))
    axis = np.array([math.cos(lean), math.sin(lean)])
    shape = petal(0.82, tip=0.64, notch=0.12)

    def flat(points: Points) -> Points:
        offset = points - np.array(at)
        along = (offset * axis).sum(axis=1, keepdims=True)
        return np.asarray(np.array(at) + offset - along * axis * (1 - squash))

    for index in range(5):
        angle = turn + index * math.tau / 5 + float(random.normal(0, 0.07))
        length = size * float(random.uniform(0.9, 1.08))
        tone = mix(outer, heart, float(random.uniform(0, 0.22)))
        sheet.polygon(flat(placed(shape, at, angle, length)), tone)
        sheet.polygon(flat(placed(shape * [0.62, 0.62], at, angle, length)), mix(tone, heart, 0.28))
        sheet.polygon(flat(placed(shape * [0.36, 0.45], at, angle, length)), mix(tone, heart, 0.65))
    for angle in random.uniform(0, math.tau, 9):
        tip = np.array([[math.cos(angle), math.sin(angle)]]) * size * float(random.uniform(0.25, 0.5)) + np.array(at)
        end = flat(tip)[0]
        sheet.line([at, (float(end[0]), float(end[1]))], size * 0.025, mix(heart, stamen, 0.4))
        sheet.disc(float(end[0]), float(end[1]), size * 0.045, stamen)


def daisy(
    sheet: Sheet, random: np.random.Generator, at: tuple[float, float], size: float, tones: tuple[Color, Color, Color]
) -> None:
    """Draw a daisy; tones: petal, its shade, the middle."""
    outer, shade, middle = tones
    count = int(random.integers(12, 20))
    shape = petal(0.26, tip=0.7)
    flat = float(random.uniform(0.6, 1.0))
    for ring in range(2):
        for index in range(count):
            angle = (index + ring * 0.5) * math.tau / count + float(random.normal(0, 0.05))
            points = placed(shape, (0, 0), angle, size * (1.0 - 0.12 * ring) * float(random.uniform(0.9, 1.05)))
            tone = mix(outer, shade, (0.35 if ring == 0 else 0.0) + float(random.uniform(0, 0.2)))
            sheet.polygon(points * [1, flat] + np.array(at), tone)
    sheet.polygon(_oval(at, size * 0.27, size * 0.27 * flat), mix(middle, shade, 0.35))
    sheet.polygon(_oval((at[0] - size * 0.03, at[1] - size * 0.04), size * 0.2, size * 0.2 * flat), middle)


def poppy(
    sheet: Sheet, random: np.random.Generator, at: tuple[float, float], size: float, tones: tuple[Color, Color, Color]
) -> None:
    """Draw a poppy; tones: petal, its shade, the middle."""
    outer, shade, middle = tones
    shape = petal(1.25, tip=0.72)
    for index, angle in enumerate((-math.pi / 2, math.pi, 0.0, math.pi / 2)):
        wobble = angle + float(random.normal(0, 0.16))
        length = size * float(random.uniform(0.85, 1.05)) * (0.8 if index == 3 else 1.0)  # noqa: PLR2004
        tone = mix(outer, shade, (0.42, 0.22, 0.18, 0.0)[index])
        points = placed(shape, (0, 0), wobble, length)
        points[:, 1] *= 0.78
        ragged = points * (1 + random.normal(0, 0.02, (len(points), 1)))
        sheet.polygon(ragged + np.array(at), tone)
        inner = placed(shape * [0.55, 0.6], (0, 0), wobble, length) * [1, 0.78]
        sheet.polygon(inner + np.array(at), mix(tone, shade, 0.35))
    sheet.polygon(_oval(at, size * 0.16, size * 0.14), middle)
    for angle in random.uniform(0, math.tau, 16):
        reach = size * float(random.uniform(0.18, 0.30))
        sheet.disc(at[0] + math.cos(angle) * reach, at[1] + math.sin(angle) * reach * 0.78, size * 0.022, middle)


def spike(
    sheet: Sheet, random: np.random.Generator, spine: Points, size: float, tones: tuple[Color, Color, Color]
) -> None:
    """Draw lavender or lupin along the upper part of a stalk; tones: petal, its shade, the tip."""
    outer, shade, tip = tones
    shape = petal(0.75, tip=0.55)
    count = 34
    for index in range(count):
        t = index / (count - 1)
        place = spine[int((0.55 + 0.45 * t) * (len(spine) - 1))]
        for side in (-1, 1):
            angle = -math.pi / 2 + side * float(random.uniform(0.5, 1.3)) * (1 - 0.5 * t)
            tone = mix(mix(shade, outer, float(random.uniform(0.3, 1.0))), tip, t**2 * 0.5)
            bud = size * (0.80 - 0.5 * t) * float(random.uniform(0.8, 1.15))
            sheet.polygon(placed(shape, (float(place[0]), float(place[1])), angle, bud), tone)


def umbel(
    sheet: Sheet, random: np.random.Generator, at: tuple[float, float], size: float, tones: tuple[Color, Color, Color]
) -> None:
    """Draw an umbel, as of a wild carrot; tones: flower, its shade, the rays."""
    outer, shade, stem = tones
    for index in range(17):
        angle = -math.pi / 2 + (index - 8) / 8 * 1.15 + float(random.normal(0, 0.05))
        reach = size * (1.0 - 0.18 * abs(index - 8) / 8) * float(random.uniform(0.85, 1.05))
        end = (at[0] + math.cos(angle) * reach * 1.15, at[1] + math.sin(angle) * reach)
        sheet.line([at, end], size * 0.022, stem)
        for _ in range(11):
            dx, dy = random.normal(0, size * 0.10, 2)
            tone = mix(outer, shade, float(random.uniform(0, 0.6)))
            sheet.disc(end[0] + float(dx), end[1] + float(dy) * 0.6, size * float(random.uniform(0.022, 0.045)), tone)


def bell(
    sheet: Sheet, random: np.random.Generator, at: tuple[float, float], size: float, tones: tuple[Color, Color, Color]
) -> None:
    """Draw a tulip; tones: petal, its shade, the inside."""
    outer, shade, inside = tones
    shape = petal(0.62, tip=0.42)
    lean = float(random.normal(0, 0.1))
    base = (at[0], at[1] + size * 0.5)
    for offset, tone in ((0.0, inside), (-0.34, mix(shade, outer, 0.35)), (0.34, mix(shade, outer, 0.55))):
        sheet.polygon(placed(shape, base, -math.pi / 2 + lean + offset, size * (1.1 if offset else 1.0)), tone)
    sheet.polygon(placed(shape * [0.94, 0.92], base, -math.pi / 2 + lean, size), outer)
    sheet.polygon(placed(shape * [0.86, 0.26], base, -math.pi / 2 + lean, size), mix(outer, shade, 0.25))


def _oval(at: tuple[float, float], wide: float, high: float) -> Points:
    angle = np.linspace(0, math.tau, 25)[:-1]
    return np.stack([at[0] + np.cos(angle) * wide, at[1] + np.sin(angle) * high], axis=1)


def curve(start: tuple[float, float], end: tuple[float, float], bend: float, points: int = 24) -> Points:
    """Return a curve from start to end; `bend` is its height relative to its length."""
    one, two = np.array(start), np.array(end)
    across = np.array([-(two - one)[1], (two - one)[0]]) * bend
    t = np.linspace(0, 1, points)[:, None]
    middle = (one + two) / 2 + across
    return np.asarray((1 - t) ** 2 * one + 2 * t * (1 - t) * middle + t**2 * two)


def stalk(sheet: Sheet, spine: Points, width: float, color: Color) -> None:
    """Draw a stalk that thins toward its end."""
    along = np.gradient(spine, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    thin = np.linspace(width, width * 0.55, len(spine))[:, None] / 2
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) * thin
    sheet.polygon(np.concatenate([spine + across, (spine - across)[::-1]]), color)


def leaf(sheet: Sheet, spine: Points, width: float, tones: tuple[Color, Color, Color], *, veins: int = 6) -> None:
    """Draw a leaf along its midrib, one half lighter than the other; tones: dark half, light half, veins."""
    dark, lit, vein = tones
    t = np.linspace(0, 1, len(spine))
    along = np.gradient(spine, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    half = (np.sin(np.pi * t**0.8) ** 0.9 * width / 2)[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) * half
    sheet.polygon(np.concatenate([spine + across, spine[::-1]]), dark)
    sheet.polygon(np.concatenate([spine - across, spine[::-1]]), lit)
    for index in range(1, veins):
        i = int(len(spine) * (0.12 + 0.72 * index / veins))
        ahead = min(len(spine) - 1, i + max(1, len(spine) // 7))
        for sign in (1, -1):
            end = spine[ahead] + sign * across[ahead] * 0.78
            sheet.line([spine[i], end], width * 0.016, mix(dark if sign > 0 else lit, vein, 0.55))
    stalk(sheet, spine, width * 0.045, vein)


def fern(sheet: Sheet, spine: Points, width: float, tones: tuple[Color, Color, Color]) -> None:
    """Draw a frond: small leaves on both sides of a rib; tones: dark, light, rib."""
    dark, lit, rib = tones
    shape = petal(0.30, tip=0.45)
    count = 22
    along = np.gradient(spine, axis=0)
    for index in range(count):
        t = (index + 1) / (count + 1)
        i = int(t * (len(spine) - 1))
        heading = math.atan2(along[i, 1], along[i, 0])
        length = width * math.sin(math.pi * (0.12 + 0.88 * (1 - t)) * 0.62) ** 0.8
        for side, tone in ((-1, lit), (1, dark)):
            angle = heading + side * (1.25 - 0.45 * t)
            sheet.polygon(
                placed(shape, (float(spine[i, 0]), float(spine[i, 1])), angle, length), mix(tone, rib, 0.15 * t)
            )
    stalk(sheet, spine, width * 0.05, rib)
