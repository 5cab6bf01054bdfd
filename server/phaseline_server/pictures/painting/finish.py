"""The last steps of every painting: glow, color grading, vignette, grain and conversion to 8 bits."""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from phaseline_server.pictures.painting.canvas import Canvas, smooth
from phaseline_server.pictures.painting.color import Color, Field
from phaseline_server.pictures.painting.noise import blurred, lattice

__all__ = ["as_image", "bloom", "grade", "grain", "luma", "reduced", "vignette"]

_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def luma(rgb: Field) -> Field:
    """Return the brightness of each pixel, 0..1, shape (h, w)."""
    return np.asarray(rgb[0] * _LUMA[0] + rgb[1] * _LUMA[1] + rgb[2] * _LUMA[2], dtype=np.float32)


def bloom(canvas: Canvas, strength: float, reach: float = 0.025, above: float = 0.62) -> Iterator[float]:
    """Let pixels brighter than `above` glow into their surroundings, within `reach` heights."""
    bright = canvas.rgb * smooth(above, 1.0, luma(canvas.rgb))
    yield 0.2
    radius = reach / canvas.pixel
    halo = blurred(bright, radius) * np.float32(0.6) + blurred(bright, radius * 3.5) * np.float32(0.6)
    yield 0.75
    canvas.rgb += (1 - canvas.rgb) * np.clip(halo * np.float32(strength), 0, 1)


def grade(
    canvas: Canvas, shadows: Color, lights: Color, strength: float = 0.12, contrast: float = 1.0
) -> Iterator[float]:
    """Shift dark parts toward one color and bright parts toward another, as if lit by one light."""
    if contrast != 1.0:
        canvas.rgb[...] = np.clip((canvas.rgb - 0.5) * np.float32(contrast) + np.float32(0.5), 0, 1)
    brightness = luma(canvas.rgb)
    yield 0.4
    canvas.cover(shadows, (1 - brightness) ** 3 * np.float32(strength))
    canvas.cover(lights, brightness**3 * np.float32(strength))


def vignette(canvas: Canvas, strength: float, tint: Color) -> Iterator[float]:
    """Darken the corners softly toward a tint."""
    across = (canvas.x / canvas.aspect - 0.5) * 2
    down = (canvas.y - 0.5) * 2
    distance = np.asarray(across**2 + down**2, dtype=np.float32)
    yield 0.3
    canvas.shade(tint, smooth(0.55, 2.1, distance) * np.float32(strength))


def grain(canvas: Canvas, random: np.random.Generator, strength: float) -> Iterator[float]:
    """Add the fine grain of film or paper, strongest in the mid-tones."""
    rows, columns = canvas.shape
    fine = random.standard_normal((rows, columns), dtype=np.float32)
    yield 0.3
    soft = lattice(random, (rows, columns), 420 * canvas.aspect, 420)
    yield 0.6
    brightness = luma(canvas.rgb)
    weight = (np.float32(0.35) + 2.6 * brightness * (1 - brightness)) * np.float32(strength)
    canvas.rgb += (fine * np.float32(0.6) + soft * np.float32(0.9)) * weight


def reduced(canvas: Canvas, size: tuple[int, int], into: list[Field]) -> Iterator[float]:
    """Append the three planes, reduced to `size` (width, height), to `into`."""
    for plane in canvas.rgb:
        whole = plane.shape == (size[1], size[0])
        image = Image.fromarray(plane)
        into.append(plane if whole else np.asarray(image.resize(size, Image.Resampling.LANCZOS), dtype=np.float32))
        yield len(into) / 3


def as_image(planes: list[Field], random: np.random.Generator) -> Image.Image:
    """Return the planes as 8-bit RGB, dithered to avoid visible steps in gradients."""
    rgb = np.stack(planes)
    noise = random.random(rgb.shape[1:], dtype=np.float32)
    pixels = np.clip(rgb * np.float32(255) + noise, 0, 255).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(np.moveaxis(pixels, 0, 2)))
