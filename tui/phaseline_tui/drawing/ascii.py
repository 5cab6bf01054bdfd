"""Conversion of the screen to ASCII, for terminals, fonts and screen readers without Unicode."""

from functools import lru_cache
from typing import Final

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

__all__ = ["AsciiFilter", "to_ascii"]

_SYMBOLS: Final = str.maketrans(
    "╵◆►✓✗■·…–—│─━═╸╌█▓░▌▏▎▍▋▊▉●○◌◐◦↑↓←→↷▲▼▸▾┃",  # noqa: RUF001 (the symbols of this program)
    "'*>+x#.~--|-#=#-#=-||||||#*oo(o^v<>/^v>v|",
)
_FIRST_NON_ASCII: Final = 0x80


class AsciiFilter(LineFilter):
    """Converts lines that Textual draws."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return `segments` in ASCII (called by Textual)."""
        del background
        return [Segment(to_ascii(text), style, control) for text, style, control in segments]


@lru_cache(maxsize=8192)
def to_ascii(text: str) -> str:
    """Return `text` in ASCII and of the same width. Our symbols have replacements; other characters become `?`."""
    if text.isascii():
        return text
    return "".join(
        character if ord(character) < _FIRST_NON_ASCII else "?" * cell_len(character)
        for character in text.translate(_SYMBOLS)
    )
