"""The screen without Unicode: for terminals, typefaces and readers that have none."""

from functools import lru_cache
from typing import Final

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

__all__ = ["AsciiFilter", "to_ascii"]

_SIGNS: Final = str.maketrans(
    "╵◆►✓✗■·…–—│─━╌█▓░▌▏▎▍▋▊▉●○◌◐◦↑↓←→↷▲▼▸▾┃",  # noqa: RUF001  the signs of this program
    "'*>+x#.~--|--.#=-||||||#*oo(o^v<>/^v>v|",
)
_FIRST_STRANGE: Final = 0x80


class AsciiFilter(LineFilter):
    """Does the same to what Textual draws by itself."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return `segments` without Unicode."""
        del background
        return [Segment(to_ascii(text), style, control) for text, style, control in segments]


@lru_cache(maxsize=8192)
def to_ascii(text: str) -> str:
    """Return `text` in as many cells, in ASCII alone: our own signs by others, any other character by `?`."""
    if text.isascii():
        return text
    return "".join(
        character if ord(character) < _FIRST_STRANGE else "?" * cell_len(character)
        for character in text.translate(_SIGNS)
    )
