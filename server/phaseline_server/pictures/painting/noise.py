"""Smooth random fields, and operations on them: warping, blurring and streaks along a direction."""

import math

import numpy as np
from PIL import Image

from phaseline_server.pictures.painting.color import Field

__all__ = ["blurred", "fbm", "lattice", "line_noise", "resized", "sampled", "scattered", "trail"]


def resized(field: Field, shape: tuple[int, int], box: tuple[float, float, float, float] | None = None) -> Field:
    """Return a field (h, w) stretched to `shape` with bicubic interpolation, or only `box` (x0, y0, x1, y1) of it."""
    image = Image.fromarray(field).resize((shape[1], shape[0]), Image.Resampling.BICUBIC, box=box)
    return np.asarray(image, dtype=np.float32)


def lattice(random: np.random.Generator, shape: tuple[int, int], across: float, down: float) -> Field:
    """Return smooth noise of about `across` x `down` blobs over the whole shape; mean 0, deviation about 0.75."""
    grid = random.standard_normal((math.ceil(down) + 4, math.ceil(across) + 4), dtype=np.float32)
    left, top = (float(v) for v in random.uniform(1, 2, 2))
    return resized(grid, shape, (left, top, left + across, top + down))


def fbm(
    random: np.random.Generator,
    shape: tuple[int, int],
    cells: float,
    octaves: int = 5,
    *,
    gain: float = 0.5,
    stretch: float = 1.0,
) -> Field:
    """Return fractal noise with mean 0 and deviation 1.

    Args:
        random: The source of randomness.
        shape: Rows and columns.
        cells: Blobs per height of the picture in the coarsest octave.
        octaves: Number of octaves. Each doubles the frequency and has `gain` times the amplitude; octaves finer than
            pixels are skipped.
        gain: Ratio of amplitudes; 0.3 is very soft, 0.6 rough.
        stretch: Ratio of the width of blobs to their height.
    """
    rows, columns = shape
    total = np.zeros(shape, np.float32)
    amplitude = 1.0
    for octave in range(octaves):
        # One random stream per octave, so that skipping the finest at a small size does not change the others.
        child = np.random.Generator(np.random.PCG64(int(random.integers(1 << 62))))
        down = cells * 2**octave
        across = down * columns / rows / stretch
        if octave and (down > rows / 2 or across > columns / 2):
            continue
        total += np.float32(amplitude) * lattice(child, shape, across, down)
        amplitude *= gain
    total -= total.mean()
    total /= max(float(total.std()), 1e-6)
    return total


def line_noise(random: np.random.Generator, at: Field, cells: float, octaves: int, gain: float = 0.5) -> Field:
    """Return fractal noise along a line at positions `at` (any unit), `cells` bumps per unit; about -1..1."""
    total = np.zeros_like(at)
    scale = sum(gain**octave for octave in range(octaves))
    span = float(at.max()) if at.size else 0.0
    for octave in range(octaves):
        frequency = cells * 2**octave
        knots = random.uniform(-1, 1, math.ceil(span * frequency) + 3).astype(np.float32)
        position = np.maximum(at * np.float32(frequency), 0)
        whole = position.astype(np.int32)
        t = position - whole
        t = t * t * t * (t * (t * 6 - 15) + 10)
        total += np.float32(gain**octave) * (knots[whole] * (1 - t) + knots[whole + 1] * t)
    return np.asarray(total / np.float32(scale) * np.float32(1.4), dtype=np.float32)


def sampled(field: Field, row: Field, column: Field) -> Field:
    """Return `field` (..., h, w) at fractional pixel positions, bilinear, clamped to its edges."""
    rows, columns = field.shape[-2:]
    row = np.clip(row, 0, rows - 1.001)
    column = np.clip(column, 0, columns - 1.001)
    r0, c0 = row.astype(np.int32), column.astype(np.int32)
    fr, fc = (row - r0).astype(np.float32), (column - c0).astype(np.float32)
    index = r0 * columns + c0
    flat = field.reshape(*field.shape[:-2], rows * columns)
    top = np.take(flat, index, axis=-1) * (1 - fc) + np.take(flat, index + 1, axis=-1) * fc
    index += columns
    low = np.take(flat, index, axis=-1) * (1 - fc) + np.take(flat, index + 1, axis=-1) * fc
    return np.asarray(top * (1 - fr) + low * fr, dtype=np.float32)


def scattered(random: np.random.Generator, shape: tuple[int, int], step: float) -> tuple[Field, Field]:
    """Return (x, y) of points over the whole shape, one at a random position in each square of `step` pixels."""
    rows, columns = np.indices((math.ceil(shape[0] / step), math.ceil(shape[1] / step))) * step
    x = columns + random.uniform(0, step, columns.shape)
    y = rows + random.uniform(0, step, rows.shape)
    return x.ravel().astype(np.float32), y.ravel().astype(np.float32)


def blurred(field: Field, radius: float) -> Field:
    """Return `field` (..., h, w), blurred with a standard deviation of about `radius` pixels.

    Wide blurs use a reduced copy, which is fast and has no visible difference.
    """
    rows, columns = field.shape[-2:]
    factor = max(1, int(radius // 2.5))
    planes = field.reshape(-1, rows, columns)
    done = np.empty_like(planes)
    small = (max(4, rows // factor), max(4, columns // factor))
    for plane, into in zip(planes, done, strict=True):
        if factor == 1:
            into[...] = _gauss(plane, radius)
        else:
            reduced = Image.fromarray(plane).resize((small[1], small[0]), Image.Resampling.BOX)
            into[...] = resized(_gauss(np.asarray(reduced, dtype=np.float32), radius / factor), (rows, columns))
    return done.reshape(field.shape)


def _gauss(plane: Field, deviation: float) -> Field:
    reach = max(1, math.ceil(deviation * 2.6))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(deviation, 1e-3)) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    rows, columns = plane.shape
    wide = np.pad(plane, ((reach, reach), (0, 0)), mode="edge")
    down = np.zeros_like(plane)
    for i, weight in enumerate(weights):
        down += weight * wide[i : i + rows]
    wide = np.pad(down, ((0, 0), (reach, reach)), mode="edge")
    across = np.zeros_like(plane)
    for i, weight in enumerate(weights):
        across += weight * wide[:, i : i + columns]
    return across


def trail(field: Field, along_x: Field, along_y: Field, reach: float) -> Field:
    """Return the mean of `field` along a direction (unit vectors), from each pixel to `reach` pixels ahead.

    Two trails, ahead and back, are a line integral convolution, which looks like brush marks along the direction.
    """
    rows, columns = field.shape
    flat = field.ravel()
    total = field.copy()
    step = np.float32(1.6)
    count = max(2, round(reach / float(step)))
    row = np.repeat(np.arange(rows, dtype=np.float32), columns)
    column = np.tile(np.arange(columns, dtype=np.float32), rows)
    dx, dy = along_x.ravel() * step, along_y.ravel() * step
    index = np.arange(rows * columns, dtype=np.int32)
    for _ in range(count):
        column += dx[index]
        row += dy[index]
        np.clip(column, 0, columns - 1, out=column)
        np.clip(row, 0, rows - 1, out=row)
        index = row.astype(np.int32) * np.int32(columns) + column.astype(np.int32)
        total += flat[index].reshape(rows, columns)
    return np.asarray(total / np.float32(count + 1), dtype=np.float32)
