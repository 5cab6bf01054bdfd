"""The brief: everything that a painting depends on, as plain data for JSON."""

import hashlib
import re
from typing import Final

import msgspec

from phaseline.errors import InvalidField

__all__ = ["LARGEST_SIDE", "SMALLEST_SIDE", "Brief"]

SMALLEST_SIDE: Final = 64
LARGEST_SIDE: Final = 4096
_MOST_COLORS: Final = 16
_FINEST: Final = 5
_SEED = re.compile(r"(0[xX])?[0-9a-fA-F]{1,128}")
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


class Brief(msgspec.Struct, frozen=True, kw_only=True):
    """The description of a painting. The same brief gives the same bytes in every process.

    Attributes:
        seed: 1 to 128 hexadecimal digits, optionally after `0x`.
        width, height: Size in pixels, 64 to 4096 each.
        colors: Up to 16 colors as `#rrggbb`; without any, the seed selects a palette.
        words: Free text by kind (`noun`, `place`, `weather`, `composition`, `emotion`, `artstyle`, …).
        detail: Level of detail, 1 (a sketch) to 5 (slow and fine).
    """

    seed: str
    width: int = 1024
    height: int = 1024
    colors: tuple[str, ...] = ()
    words: dict[str, str] = {}
    detail: int = 2

    def __post_init__(self) -> None:
        """Validate the fields.

        Raises:
            InvalidField: A field is not valid.
        """
        if not _SEED.fullmatch(self.seed):
            raise InvalidField("seed", self.seed, "1 to 128 hexadecimal digits")
        for name, side in (("width", self.width), ("height", self.height)):
            if not SMALLEST_SIDE <= side <= LARGEST_SIDE:
                raise InvalidField(name, side, f"{SMALLEST_SIDE} to {LARGEST_SIDE} pixels")
        if len(self.colors) > _MOST_COLORS:
            raise InvalidField("colors", len(self.colors), f"at most {_MOST_COLORS} colors")
        for color in self.colors:
            if not _COLOR.fullmatch(color):
                raise InvalidField("colors", color, "#rrggbb with hexadecimal digits")
        if not 1 <= self.detail <= _FINEST:
            raise InvalidField("detail", self.detail, f"1 to {_FINEST}")

    def entropy(self, purpose: str) -> int:
        """Return 256 bits for one `purpose`, always the same.

        Purposes are independent, so that drawing more numbers for one does not change another. Size and detail are not
        used: a larger or finer painting is the same picture.
        """
        seed = self.seed.lower().removeprefix("0x")
        source = [purpose, seed, [color.lower() for color in self.colors], sorted(self.words.items())]
        return int.from_bytes(hashlib.sha256(msgspec.json.encode(source)).digest(), "big")
