"""The maximum size of a decoded picture of a provider."""

from typing import Final

import msgspec

__all__ = ["Bounds"]

_FREE_SIDE: Final = 2048
"""Providers round up small sizes, so a picture of this side is always accepted."""
_GROWTH: Final = 2
_LONGEST_SIDE: Final = 8192
"""The longest side that a setting or a series may request."""


class Bounds(msgspec.Struct, frozen=True):
    """The maximum size of a picture: `pixels` in all, and `side` of them in a row or a column."""

    pixels: int
    side: int

    @classmethod
    def near(cls, width: int, height: int) -> "Bounds":
        """Return the bounds for a request of `width` x `height`: twice each side, and never less than 2048 x 2048."""
        pixels = max(_GROWTH**2 * width * height, _FREE_SIDE**2)
        side = max(_GROWTH * max(width, height), _GROWTH * _FREE_SIDE)
        return cls(min(pixels, _LONGEST_SIDE**2), min(side, _LONGEST_SIDE))

    def allow(self, width: int, height: int) -> bool:
        """Return whether a picture of `width` x `height` is within the bounds."""
        return width * height <= self.pixels and max(width, height) <= self.side

    def __str__(self) -> str:
        """Return the bounds for an error text."""
        return f"at most {self.pixels:,} pixels, and {self.side:,} a side"
