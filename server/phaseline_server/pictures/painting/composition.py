"""The composition for a brief: its family, light and medium, and all layers in order."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from phaseline_server.pictures.painting.brief import Brief
from phaseline_server.pictures.painting.families import (
    botanical,
    city,
    figures,
    flow,
    geometry,
    glass,
    landscape,
    pond,
    sea,
    space,
    still_life,
)
from phaseline_server.pictures.painting.finish import bloom, grade, grain, vignette
from phaseline_server.pictures.painting.media import dry, oil, printed, watercolor
from phaseline_server.pictures.painting.palette import Palette
from phaseline_server.pictures.painting.scene import Family, Layer, Light, Plan, Scene, chance
from phaseline_server.pictures.painting.vocabulary import FAMILY_WORDS, LIGHT_WORDS, MEDIUM_WORDS, WEIGHTS, fits, tokens

__all__ = ["FAMILIES", "MEDIA", "Composition", "compose"]

FAMILIES: Final[dict[str, Family]] = {
    "landscape": landscape.plan,
    "sea": sea.plan,
    "city": city.plan,
    "space": space.plan,
    "botanical": botanical.plan,
    "glass": glass.plan,
    "geometry": geometry.plan,
    "flow": flow.plan,
    "figures": figures.plan,
    "still_life": still_life.plan,
    "pond": pond.plan,
}

MEDIA: Final[dict[str, Callable[[Scene], Plan]]] = {
    "glaze": lambda _: [],
    "oil": oil.plan,
    "watercolor": watercolor.plan,
    "print": printed.plan,
    "pastel": dry.plan_pastel,
    "dots": dry.plan_dots,
}

_LIGHTS: Final = {
    light.name: light
    for light in (
        Light("day", 0.60, 0.93, 0.72, 0.30, 0.8, 0.75),
        Light("dawn", 0.58, 0.92, 0.70, 0.26, 0.9, 0.85),
        Light("dusk", 0.36, 0.84, 0.56, 0.18, 1.0, 0.75),
        Light("night", 0.16, 0.44, 0.35, 0.11, 0.7, 0.6),
        Light("mist", 0.76, 0.92, 0.82, 0.32, 0.55, 1.0),
        Light("storm", 0.36, 0.74, 0.52, 0.17, 0.5, 0.7),
    )
}

# Weights of the media of each family if no word names a medium; media that are not listed are never used.
_HABITS: Final[dict[str, Mapping[str, float]]] = {
    "landscape": {"glaze": 2, "oil": 4, "watercolor": 3, "print": 2, "pastel": 1, "dots": 1},
    "sea": {"glaze": 2, "oil": 3, "watercolor": 2, "print": 3, "pastel": 1, "dots": 1},
    "city": {"glaze": 2, "oil": 3, "watercolor": 3, "print": 2, "pastel": 1, "dots": 0.5},
    "space": {"glaze": 4, "oil": 2, "watercolor": 1, "print": 0.5, "pastel": 1, "dots": 1},
    "botanical": {"glaze": 2, "oil": 2, "watercolor": 3, "print": 3, "pastel": 1, "dots": 0.5},
    "glass": {"glaze": 1},
    "geometry": {"glaze": 3, "print": 3, "watercolor": 1},
    "flow": {"glaze": 3, "print": 2, "watercolor": 1},
    "figures": {"glaze": 3, "oil": 2, "watercolor": 1, "print": 2, "pastel": 1},
    "still_life": {"glaze": 2, "oil": 4, "watercolor": 1, "pastel": 2, "dots": 1},
    "pond": {"glaze": 3, "oil": 2, "watercolor": 2, "print": 1, "dots": 1},
}


class Composition:
    """The composition for a brief.

    Attributes:
        family, light, medium: The names of the selected ones.
        scene: The brief with its palette and light.
        layers: All layers to paint, in order.
    """

    def __init__(self, brief: Brief) -> None:
        """Select by the brief's words, and by its seed where the words do not decide."""
        random = chance(brief, "composition")
        weighted = {
            kind: (WEIGHTS.get(kind.rstrip("0123456789"), 1.0), tokens(text)) for kind, text in brief.words.items()
        }
        self.family = _chosen(random, _scores(FAMILY_WORDS, weighted), dict.fromkeys(FAMILIES, 1.0))
        palette = Palette(brief.colors, chance(brief, "palette"))
        self.light = _chosen(random, _scores(LIGHT_WORDS, weighted), _usual_lights(palette))
        habits = _HABITS[self.family]
        asked = {name: score for name, score in _scores(MEDIUM_WORDS, weighted).items() if name in habits}
        self.medium = _chosen(random, asked, habits)
        words = frozenset[str]().union(*(words for weight, words in weighted.values() if weight > 0))
        self.scene = Scene(brief, palette, _LIGHTS[self.light], words)
        self.layers = [
            *FAMILIES[self.family](self.scene),
            *_light_layers(self.scene, self.family),
            *MEDIA[self.medium](self.scene),
            *_last_layers(self.scene, self.medium),
        ]


def compose(brief: Brief) -> Composition:
    """Return the composition for a brief, without painting it."""
    return Composition(brief)


def _scores(vocabulary: Mapping[str, str], weighted: Mapping[str, tuple[float, frozenset[str]]]) -> dict[str, float]:
    """Return the score of each name for the words; names without a matching word are omitted."""
    scores = {
        name: sum(weight for weight, words in weighted.values() if any(fits(word, words) for word in keywords.split()))
        for name, keywords in vocabulary.items()
    }
    return {name: score for name, score in scores.items() if score > 0}


def _chosen(random: np.random.Generator, scores: Mapping[str, float], fallback: Mapping[str, float]) -> str:
    """Return a random name, weighted by score, or by the fallback's weights if there are no scores."""
    weights = {name: score**2 for name, score in scores.items()} or dict(fallback)
    names = sorted(weights)
    total = sum(weights.values())
    return str(random.choice(names, p=[weights[name] / total for name in names]))


def _usual_lights(palette: Palette) -> dict[str, float]:
    """Return the probability of each light: dark inks suit the night, bright ones the day."""
    bright = min(1.0, max(0.0, (palette.brightness - 0.3) / 0.45))
    return {
        "day": 0.4 + 2 * bright,
        "dawn": 0.5 + 1.5 * bright,
        "dusk": 2.0 - bright,
        "night": 2.2 - 1.9 * bright,
        "mist": 0.2 + bright,
        "storm": 0.7 - 0.4 * bright,
    }


def _light_layers(scene: Scene, family: str) -> Plan:
    """Return the layers of glow and color grading, which come before those of the medium."""
    palette = scene.palette
    dark, lamp = palette.dark(palette.cool, 0.15), palette.lamp(0.6)
    flat = family in {"geometry", "flow"}
    return [
        Layer(200, lambda canvas: bloom(canvas, 0.1 if flat else 0.33)),
        Layer(40, lambda canvas: grade(canvas, dark, lamp, 0.04 if flat else 0.09)),
        Layer(17, lambda canvas: vignette(canvas, 0.16 if flat else 0.30, palette.dark(palette.cool, 0.3))),
    ]


def _last_layers(scene: Scene, medium: str) -> Plan:
    strength = {"glaze": 0.011, "pastel": 0.008}.get(medium, 0.005)
    return [Layer(60, lambda canvas: grain(canvas, scene.random("grain"), strength))]
