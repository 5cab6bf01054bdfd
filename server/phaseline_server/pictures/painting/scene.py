"""What a family of compositions is given, and what it gives back."""

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
"""What painting a layer returns: nothing, or an iterator that paints on and yields which share is done."""

_Item = TypeVar("_Item")


class Layer(NamedTuple):
    """One step of a painting.

    `cost` is the time it takes, in milliseconds at 1024 x 1024 and detail 2 (measured once, on one machine: only the
    proportions matter, they keep the reported progress even). A long layer is a generator, and yields from time to
    time which share of it is done.
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
    """An hour and its weather, as lightness (0..1) of the sky's top, its horizon, far things and near things."""

    name: str
    zenith: float
    horizon: float
    far: float
    near: float
    sun: float
    """Strength of the sun or moon."""
    haze: float
    """How much distance fades."""


def chance(brief: Brief, purpose: str) -> np.random.Generator:
    """Return the stream of random numbers that a brief has for one purpose."""
    return np.random.Generator(np.random.PCG64(brief.entropy(purpose)))


_MANY: Final = (0.55, 1.0, 1.5, 2.1, 3.0)


@dataclass(frozen=True)
class Scene:
    """The brief, made ready for painting."""

    brief: Brief
    palette: Palette
    light: Light
    words: frozenset[str]
    """All words of the brief that tell something, in lower case."""

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.brief.width / self.brief.height

    @property
    def scale(self) -> float:
        """Factor for the size of things: 1, or less on a canvas that is higher than wide."""
        return min(1.0, self.aspect)

    def random(self, purpose: str) -> np.random.Generator:
        """Return the stream of random numbers of one purpose."""
        return chance(self.brief, purpose)

    def many(self, count: float) -> int:
        """Return `count` as it is at detail 2, fewer or more at others."""
        return max(1, round(count * _MANY[self.brief.detail - 1]))

    def says(self, *keywords: str) -> bool:
        """Return whether one of these is among the words; `galax*` stands for every word that begins so."""
        return any(fits(keyword, self.words) for keyword in keywords)


Family: TypeAlias = Callable[[Scene], Plan]
"""Plans a painting: which layers, in which order. Nothing is painted yet."""
