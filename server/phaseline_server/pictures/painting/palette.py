"""The palette: the brief's colors as inks, and every tone that is mixed from them."""

import math
from typing import Final

import numpy as np

from phaseline_server.pictures.painting.color import Color, mix, polar, rgb_from_hex, rgb_from_polar

__all__ = ["Palette"]

_GREY: Final = 0.025
"""Below this chroma a color has no hue worth keeping."""

_CALM: Final = 0.135
"""Chroma that a large area may have; more tires the eye."""

_VIVID: Final = 0.2

_MAIN: Final = 5

_ORANGE: Final = math.radians(62)
_YELLOW: Final = math.radians(95)
_BLUE: Final = math.radians(268)

_HARMONIES: Final = (
    # (hue in degrees from the first, chroma, lightness): used when the brief brings fewer than three colors.
    ((0, 0.09, 0.45), (35, 0.12, 0.72), (190, 0.10, 0.55)),
    ((0, 0.11, 0.40), (150, 0.07, 0.70), (210, 0.12, 0.65)),
    ((0, 0.07, 0.35), (-30, 0.10, 0.60), (-60, 0.13, 0.80)),
    ((0, 0.10, 0.50), (180, 0.11, 0.70), (30, 0.06, 0.85)),
)


def _turned(hue: float, own: float, lightness: float) -> float:
    """Turn a hue as painters do: darker than its own lightness toward blue, lighter toward yellow."""
    target = _BLUE if lightness < own else _YELLOW
    most = math.radians(26 if lightness < own else 14)
    away = math.remainder(target - hue, 2 * math.pi)
    return hue + max(-most, min(most, away)) * min(1.0, abs(lightness - own) * 1.6)


class Palette:
    """Inks in the order in which this painting uses them.

    The first ones fill the large areas; the accent is the one that tells itself apart the most from the very first.
    """

    def __init__(self, colors: tuple[str, ...], random: np.random.Generator) -> None:
        """Order the brief's colors by the seed, and add relatives until there are three."""
        given = [polar(rgb_from_hex(color)) for color in dict.fromkeys(color.lower() for color in colors)]
        if not given:
            given = [(0.5, 0.1, float(random.uniform(0, 2 * math.pi)))]
        # The brief names its main colors first; what comes after is for small areas.
        order = [*random.permutation(min(_MAIN, len(given))), *range(_MAIN, len(given))]
        inks = [given[i] for i in order]
        harmony = _HARMONIES[int(random.integers(len(_HARMONIES)))]
        _, chroma, hue = inks[0]
        wanted = 3
        for turn, saturation, lightness in harmony[len(inks) : wanted]:
            strength = saturation if chroma > _GREY else saturation * 0.15
            # A relative of a given color stays near: the picture must keep what was asked for.
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
        """Return an ink as it was given; the index wraps round."""
        lightness, chroma, hue = self._inks[index % len(self._inks)]
        return rgb_from_polar(lightness, min(chroma, _VIVID), hue)

    def tone(self, index: int, lightness: float, strength: float = 1.0) -> Color:
        """Return an ink at another lightness, calm enough for a large area; `strength` scales its chroma."""
        own, chroma, hue = self._inks[index % len(self._inks)]
        # Neither near-black nor near-white can carry much color without looking dirty.
        room = 1.0 - abs(2 * lightness - 1.0) ** 3
        return rgb_from_polar(
            lightness, min(chroma, _CALM) * strength * (0.35 + 0.65 * room), _turned(hue, own, lightness)
        )

    def vivid(self, index: int, lightness: float) -> Color:
        """Return an ink at another lightness, as strong as it was given: for small areas."""
        own, chroma, hue = self._inks[index % len(self._inks)]
        hue = _turned(hue, own, lightness)
        return rgb_from_polar(lightness, min(max(chroma, min(chroma * 1.3, 0.13)), _VIVID), hue)

    def accent(self, lightness: float) -> Color:
        """Return the ink that stands out from the first one."""
        return self.vivid(self._accent, lightness)

    @property
    def accent_index(self) -> int:
        """Which ink stands out from the first one."""
        return self._accent

    def lamp(self, warmth: float = 0.5) -> Color:
        """Return the color of light: a pale tone of the warmest ink; `warmth` 0 is nearly white."""
        warm = max(self._inks[:_MAIN], key=lambda ink: math.cos(ink[2] - math.radians(70)) * ink[1])
        own = rgb_from_polar(0.95, min(warm[1], 0.09), warm[2])
        return mix(np.array([1.0, 0.985, 0.96]), own, warmth)

    def paper(self, index: int = 0) -> Color:
        """Return a paper white that leans toward an ink."""
        _, chroma, hue = self._inks[index % len(self._inks)]
        return mix(np.array([0.965, 0.945, 0.905]), rgb_from_polar(0.95, min(chroma, 0.05), hue), 0.45)

    def dark(self, index: int = 0, lightness: float = 0.2) -> Color:
        """Return the darkest paint: never black, it leans toward an ink."""
        return self.tone(index, lightness, 0.9)

    @property
    def warm(self) -> int:
        """Which ink is nearest to orange."""
        return max(
            range(min(_MAIN, len(self._inks))), key=lambda i: math.cos(self._inks[i][2] - _ORANGE) * self._inks[i][1]
        )

    @property
    def cool(self) -> int:
        """Which ink is farthest from orange, dark ones first."""
        return min(
            range(min(_MAIN, len(self._inks))),
            key=lambda i: math.cos(self._inks[i][2] - _ORANGE) * self._inks[i][1] + 0.15 * self._inks[i][0],
        )

    @property
    def deep(self) -> int:
        """Which ink is the darkest."""
        return min(range(min(_MAIN, len(self._inks))), key=lambda i: self._inks[i][0])

    @property
    def brightness(self) -> float:
        """Mean lightness of the inks, 0..1."""
        lightness = [ink[0] for ink in self._inks[:_MAIN]]
        return math.fsum(lightness) / len(lightness)
