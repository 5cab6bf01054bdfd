"""The input and output of a family of compositions: a scene, and a plan of layers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias, TypeVar

import numpy as np

from phaseline_server.pictures.painting.brief import Brief
from phaseline_server.pictures.painting.canvas import Canvas
from phaseline_server.pictures.painting.palette import Palette
from phaseline_server.pictures.painting.vocabulary import fits

__all__ = ["Family", "Layer", "Light", "Plan", "Scene", "Steps", "chance", "each"]


Steps: TypeAlias = Iterable[float] | None
"""The result of painting a layer: None, or an iterator that continues to paint and yields the completed share."""

_Item = TypeVar("_Item")


class Layer(NamedTuple):
    """One step of a painting.

    `cost` is its time in milliseconds at 1024 x 1024 and detail 2. It was measured once on one machine: only the ratios
    matter, for even progress reports. A long layer is a generator that yields the completed share at intervals.
    """

    cost: float
    paint: Callable[[Canvas], Steps]


Plan: TypeAlias = list[Layer]


def each(items: Iterable[_Item], cost: float, paint: Callable[[Canvas, _Item], Steps]) -> Plan:
    """Return a layer of this cost for each item; `paint` takes the canvas and the item."""

    def layer(item: _Item) -> Layer:
        return Layer(cost, lambda canvas: paint(canvas, item))

    return [layer(item) for item in items]


class Light(NamedTuple):
    """A time of day and weather, as lightness (0..1) of the zenith, the horizon, distant and near objects."""

    name: str
    zenith: float
    horizon: float
    far: float
    near: float
    sun: float
    """Strength of the sun or moon."""
    haze: float
    """Strength of the haze in the distance."""


def chance(brief: Brief, purpose: str) -> np.random.Generator:
    """Return the random stream of a brief for one purpose."""
    return np.random.Generator(np.random.PCG64(brief.entropy(purpose)))


_MANY: Final = (0.55, 1.0, 1.5, 2.1, 3.0)


@dataclass(frozen=True)
class Scene:
    """A brief with its palette and light."""

    brief: Brief
    palette: Palette
    light: Light
    words: frozenset[str]
    """All significant words of the brief, in lower case."""

    @property
    def aspect(self) -> float:
        """The ratio of width to height."""
        return self.brief.width / self.brief.height

    @property
    def scale(self) -> float:
        """The factor for the size of objects: 1, or less on a canvas that is higher than wide."""
        return min(1.0, self.aspect)

    def random(self, purpose: str) -> np.random.Generator:
        """Return the random stream for one purpose."""
        return chance(self.brief, purpose)

    def many(self, count: float) -> int:
        """Return `count`, scaled by the level of detail; it is unchanged at detail 2."""
        return max(1, round(count * _MANY[self.brief.detail - 1]))

    def mentions(self, *keywords: str) -> bool:
        """Return whether one of the keywords is among the words; `galax*` matches every word with this beginning."""
        return any(fits(keyword, self.words) for keyword in keywords)


Family: TypeAlias = Callable[[Scene], Plan]
"""Returns the plan of a painting, its layers in order, without painting."""
