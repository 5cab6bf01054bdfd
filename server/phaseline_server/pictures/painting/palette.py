"""The palette: the brief's colors as inks, and tones mixed from them."""

import math
from typing import Final

import numpy as np

from phaseline_server.pictures.painting.color import Color, mix, polar, rgb_from_hex, rgb_from_polar

__all__ = ["Palette"]

_GREY: Final = 0.025
"""Chroma below which a color counts as gray, without a hue."""

_CALM: Final = 0.135
"""Maximum chroma of a large area."""

_VIVID: Final = 0.2

_MAIN: Final = 5

_ORANGE: Final = math.radians(62)
_YELLOW: Final = math.radians(95)
_BLUE: Final = math.radians(268)

_HARMONIES: Final = (
    # (hue in degrees from the first, chroma, lightness): used if the brief has fewer than three colors.
    ((0, 0.09, 0.45), (35, 0.12, 0.72), (190, 0.10, 0.55)),
    ((0, 0.11, 0.40), (150, 0.07, 0.70), (210, 0.12, 0.65)),
    ((0, 0.07, 0.35), (-30, 0.10, 0.60), (-60, 0.13, 0.80)),
    ((0, 0.10, 0.50), (180, 0.11, 0.70), (30, 0.06, 0.85)),
)


def _turned(hue: float, own: float, lightness: float) -> float:
    """Return a shifted hue, as in painting: toward blue in darker tones, toward yellow in lighter ones."""
    target = _BLUE if lightness < own else _YELLOW
    most = math.radians(26 if lightness < own else 14)
    away = math.remainder(target - hue, 2 * math.pi)
    return hue + max(-most, min(most, away)) * min(1.0, abs(lightness - own) * 1.6)


class Palette:
    """Inks in the order of their use in this painting.

    The first inks fill large areas. The accent is the ink with the greatest distance from the first.
    """

    def __init__(self, colors: tuple[str, ...], random: np.random.Generator) -> None:
        """Order the brief's colors by the seed, and add related colors until there are three."""
        given = [polar(rgb_from_hex(color)) for color in dict.fromkeys(color.lower() for color in colors)]
        if not given:
            given = [(0.5, 0.1, float(random.uniform(0, 2 * math.pi)))]
        # The brief's first colors are the main ones; the others are for small areas.
        order = [*random.permutation(min(_MAIN, len(given))), *range(_MAIN, len(given))]
        inks = [given[i] for i in order]
        harmony = _HARMONIES[int(random.integers(len(_HARMONIES)))]
        _, chroma, hue = inks[0]
        wanted = 3
        for turn, saturation, lightness in harmony[len(inks) : wanted]:
            strength = saturation if chroma > _GREY else saturation * 0.15
            # A color related to a given one stays close to it, so that the picture keeps the requested colors.
            near = 0.25 if colors else 1.0
            inks.append((lightness, min(strength, chroma) if colors else strength, hue + math.radians(turn * near)))
        self._inks = inks
        self._accent = max(range(1, len(inks)), key=lambda i: (self._distance(0, i), -i))

    def __len__(self) -> int:
        return len(self._inks)

    def _distance(self, one: int, two: int) -> float:
        a, b = self._inks[one], self._inks[two]
        turn = math.fabs(math.remainder(a[2] - b[2], 2 * math.pi)) * min(a[1], b[1])
        return math.fsum((turn, abs(a[1] - b[1]), 0.3 * abs(a[0] - b[0])))

    def ink(self, index: int) -> Color:
        """Return an ink unchanged; the index wraps around."""
        lightness, chroma, hue = self._inks[index % len(self._inks)]
        return rgb_from_polar(lightness, min(chroma, _VIVID), hue)

    def tone(self, index: int, lightness: float, strength: float = 1.0) -> Color:
        """Return an ink at another lightness, with limited chroma for large areas; `strength` scales the chroma."""
        own, chroma, hue = self._inks[index % len(self._inks)]
        # Strong colors near black or white look dirty.
        room = 1.0 - abs(2 * lightness - 1.0) ** 3
        return rgb_from_polar(
            lightness, min(chroma, _CALM) * strength * (0.35 + 0.65 * room), _turned(hue, own, lightness)
        )

    def vivid(self, index: int, lightness: float) -> Color:
        """Return an ink at another lightness with its full chroma, for small areas."""
        own, chroma, hue = self._inks[index % len(self._inks)]
        hue = _turned(hue, own, lightness)
        return rgb_from_polar(lightness, min(max(chroma, min(chroma * 1.3, 0.13)), _VIVID), hue)

    def accent(self, lightness: float) -> Color:
        """Return the accent at another lightness."""
        return self.vivid(self._accent, lightness)

    @property
    def accent_index(self) -> int:
        """The index of the accent."""
        return self._accent

    def lamp(self, warmth: float = 0.5) -> Color:
        """Return the color of light, a pale tone of the warmest ink; `warmth` 0 is nearly white."""
        warm = max(self._inks[:_MAIN], key=lambda ink: math.cos(ink[2] - math.radians(70)) * ink[1])
        own = rgb_from_polar(0.95, min(warm[1], 0.09), warm[2])
        return mix(np.array([1.0, 0.985, 0.96]), own, warmth)

    def paper(self, index: int = 0) -> Color:
        """Return a paper white, tinted with an ink."""
        _, chroma, hue = self._inks[index % len(self._inks)]
        return mix(np.array([0.965, 0.945, 0.905]), rgb_from_polar(0.95, min(chroma, 0.05), hue), 0.45)

    def dark(self, index: int = 0, lightness: float = 0.2) -> Color:
        """Return the darkest paint, which is tinted with an ink and never black."""
        return self.tone(index, lightness, 0.9)

    @property
    def warm(self) -> int:
        """The index of the ink nearest to orange."""
        return max(
            range(min(_MAIN, len(self._inks))), key=lambda i: math.cos(self._inks[i][2] - _ORANGE) * self._inks[i][1]
        )

    @property
    def cool(self) -> int:
        """The index of the ink farthest from orange, preferring dark ones."""
        return min(
            range(min(_MAIN, len(self._inks))),
            key=lambda i: math.cos(self._inks[i][2] - _ORANGE) * self._inks[i][1] + 0.15 * self._inks[i][0],
        )

    @property
    def deep(self) -> int:
        """The index of the darkest ink."""
        return min(range(min(_MAIN, len(self._inks))), key=lambda i: self._inks[i][0])

    @property
    def brightness(self) -> float:
        """The mean lightness of the main inks, 0..1."""
        lightness = [ink[0] for ink in self._inks[:_MAIN]]
        return math.fsum(lightness) / len(lightness)
