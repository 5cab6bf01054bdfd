"""Encoding of changed cells as terminal sequences, in as few bytes as possible.

Textual sends a changed row from its left edge, and each segment with its full style and a reset. On a slow line, these
are most of the bytes. This module sends only the changed cells, grouped by style, and only the differences between
styles.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from rich.color import Color, ColorSystem
from rich.console import Console
from rich.style import Style
from textual.strip import Strip

from phaseline_tui.drawing.cells import width_of_text
from phaseline_tui.terminal.textual_internals import ChopsUpdate, CompositorUpdate, color_system

__all__ = ["Cells", "CellsUpdate", "encode"]

_NO_STYLE: Final = Style()
_ATTRIBUTES: Final = (
    ("bold", "1"), ("dim", "2"), ("italic", "3"), ("underline", "4"), ("blink", "5"), ("reverse", "7"),
    ("strike", "9"),
)  # fmt: skip


Cells = tuple[int, int, str, Style]
"""Adjacent cells of the screen: line, first column, text, style."""


class CellsUpdate(CompositorUpdate):
    """An update of Textual, reduced to the changed cells."""

    def __init__(self, update: ChopsUpdate) -> None:
        self._chops: Sequence[Mapping[int, Strip | None]] = update.chops
        self._spans = update.spans
        self._ends = update.chop_ends

    def render_segments(self, console: Console) -> str:
        """Return the bytes to send, as text (called by Textual)."""
        return encode(self._cells(), color_system(console))

    def _cells(self) -> Iterator[Cells]:
        for y, first, last in self._spans:
            for end, (start, strip) in zip(self._ends[y], self._chops[y].items(), strict=False):
                if strip is None or start >= last or end <= first:
                    continue
                x, stop = max(start, first), min(end, last)
                for text, style, control in strip.crop(x - start, stop - start):
                    if not control:
                        yield y, x, text, style or _NO_STYLE
                        x += width_of_text(text)

    def __rich_console__(self, *_: object) -> Iterable[Strip]:
        """Yield nothing, because this update is only written to a terminal (called by Rich)."""
        return ()


def encode(cells: Iterable[Cells], system: ColorSystem) -> str:
    """Return the sequences that draw `cells` and then reset the style.

    Cells are grouped by style, because moving the cursor takes at most nine bytes and changing the style up to forty.
    For a list in which every line changes, this saves two thirds of the bytes.

    Args:
        cells: Cells to draw.
        system: Colors that the terminal supports.
    """
    parts: list[str] = []
    style = _NO_STYLE
    for wanted, found in _by_style(cells):
        parts.append(_change(style, wanted, system))
        style = wanted
        row = column = -1
        for y, x, text in found:
            if y != row:
                parts.append(f"\x1b[{y + 1};{x + 1}H")
            elif x != column:
                # An absolute column, because terminals disagree on the widths of some characters.
                parts.append(f"\x1b[{x + 1}G")
            parts.append(text)
            row, column = y, x + width_of_text(text)
    if style is not _NO_STYLE:
        parts.append("\x1b[0m")
    return "".join(parts)


def _by_style(cells: Iterable[Cells]) -> list[tuple[Style, list[tuple[int, int, str]]]]:
    """Return each style with its cells: line, column, text."""
    # By identity, because Rich computes hashes of styles in Python, and a palette has one object per style.
    found: dict[int, tuple[Style, list[tuple[int, int, str]]]] = {}
    for y, x, text, style in cells:
        group = found.get(id(style))
        if group is None:
            group = found[id(style)] = (style, [])
        group[1].append((y, x, text))
    return sorted(found.values(), key=lambda item: _rank(item[0]))


@lru_cache(maxsize=1024)
def _rank(style: Style) -> tuple[bool, str]:
    """Return the sort key of a style; it minimizes the changes of attributes and backgrounds between neighbors."""
    return (any(getattr(style, name) for name, _ in _ATTRIBUTES), str(style.bgcolor))


@lru_cache(maxsize=4096)
def _change(before: Style, after: Style, system: ColorSystem) -> str:
    """Return the sequence that changes the terminal from one style to another."""
    codes: list[str] = []
    dropped = any(getattr(before, name) and not getattr(after, name) for name, _ in _ATTRIBUTES)
    if dropped:
        codes.append("0")
        before = _NO_STYLE
    codes += [code for name, code in _ATTRIBUTES if getattr(after, name) and not getattr(before, name)]
    if after.color != before.color:
        codes += _codes(after.color, system, foreground=True)
    if after.bgcolor != before.bgcolor:
        codes += _codes(after.bgcolor, system, foreground=False)
    return f"\x1b[{';'.join(codes)}m" if codes else ""


def _codes(color: Color | None, system: ColorSystem, *, foreground: bool) -> tuple[str, ...]:
    if color is None:
        return ("39" if foreground else "49",)
    return color.downgrade(system).get_ansi_codes(foreground)
