"""The brief: everything a painting depends on, as plain data that goes through JSON."""

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
    """What to paint. The same brief gives the same bytes, in any process.

    Attributes:
        seed: 1 to 128 hexadecimal digits, `0x` before them or not.
        width, height: pixels, 64 to 4096 each.
        colors: up to 16 of `#rrggbb`; with none, the seed chooses a palette.
        words: free text by kind (`noun`, `place`, `weather`, `composition`, `emotion`, `artstyle`, …).
        detail: 1 (a sketch) to 5 (slow and fine).
    """

    seed: str
    width: int = 1024
    height: int = 1024
    colors: tuple[str, ...] = ()
    words: dict[str, str] = {}
    detail: int = 2

    def __post_init__(self) -> None:
        """Refuse what can't be painted.

        Raises:
            InvalidField: names the field, shows its value, says what is allowed.
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
        """Return 256 bits for one `purpose`, always the same ones.

        Purposes are apart, so that drawing more numbers in one place moves nothing in another. Size and detail
        don't enter: a larger or finer painting is the same picture.
        """
        seed = self.seed.lower().removeprefix("0x")
        told = [purpose, seed, [color.lower() for color in self.colors], sorted(self.words.items())]
        return int.from_bytes(hashlib.sha256(msgspec.json.encode(told)).digest(), "big")
