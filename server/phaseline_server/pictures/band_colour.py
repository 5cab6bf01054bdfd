"""Colors of the band: the background from the picture's lower edge, the text by contrast."""

from typing import Final

import numpy as np
from PIL import Image

__all__ = ["BLACK", "WHITE", "Colour", "contrast", "edge_colour", "luminance", "type_colour"]

Colour = tuple[int, int, int]

BLACK: Final[Colour] = (0, 0, 0)
WHITE: Final[Colour] = (255, 255, 255)

# The edge as a share of the picture's height, and the number of samples taken from it.
_EDGE: Final = 0.05
_SAMPLES: Final = (128, 4)
# Standard deviation of the density kernel, of 255: colors within it count as shades of one color.
_SHADE: Final = 24.0
# Black or white reaches 4.58 on any background. Small text needs more, so mid-tone backgrounds are adjusted.
_COMFORTABLE: Final = 7.0
_STEPS: Final = 20


def luminance(colour: Colour) -> float:
    """Return the relative luminance of an sRGB color, 0 for black to 1 for white.

    L = 0.2126 R + 0.7152 G + 0.0722 B, where each of R, G and B is c / 12.92 for c <= 0.04045 and
    ((c + 0.055) / 1.055) ** 2.4 above, c being the channel's value / 255
    (WCAG 2.2, "relative luminance", https://www.w3.org/TR/WCAG22/#dfn-relative-luminance).
    """
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 (constants of the formula)
        for c in (channel / 255 for channel in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Colour, other: Colour) -> float:
    """Return the contrast ratio of two sRGB colors, 1 to 21, in any order.

    (L1 + 0.05) / (L2 + 0.05), where L1 is the greater relative luminance
    (WCAG 2.2, "contrast ratio", https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio). For text, success criterion 1.4.3
    requires at least 4.5, and 1.4.6 requires 7.
    """
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def type_colour(ground: Colour) -> Colour:
    """Return black or white, whichever contrasts more with `ground`: at least 4.58, the square root of 21."""
    return max(BLACK, WHITE, key=lambda ink: contrast(ink, ground))


def edge_colour(picture: Image.Image) -> Colour:
    """Return the most common color at the lower edge of an RGB picture, adjusted for the contrast of the text.

    This is the densest color, not the mean: the mean of a blue and an orange is a gray that is not in the picture.
    Similar shades add to each other's density, so that a small object of one flat color does not outweigh them.
    """
    width, height = picture.size
    edge = picture.crop((0, height - max(1, round(height * _EDGE)), width, height)).resize(
        _SAMPLES, Image.Resampling.BOX
    )
    samples = np.asarray(edge, dtype=np.float64).reshape(-1, 3)
    distances = ((samples[:, None, :] - samples[None, :, :]) ** 2).sum(axis=2)
    densest = np.exp(-distances / (2 * _SHADE**2)).sum(axis=1).argmax()
    red, green, blue = (round(float(channel)) for channel in samples[densest])
    return _eased((red, green, blue))


def _eased(colour: Colour) -> Colour:
    """Return `colour`, moved in steps away from the color of its text until the contrast is sufficient."""
    ink = type_colour(colour)
    target = BLACK if ink == WHITE else WHITE
    for step in range(_STEPS + 1):
        share = step / _STEPS
        red, green, blue = (round(c + (t - c) * share) for c, t in zip(colour, target, strict=True))
        if contrast((red, green, blue), ink) >= _COMFORTABLE:
            return red, green, blue
    return target
