"""Progress bars with a precision of an eighth of a cell, in four shades, or in four characters without shades."""

from typing import Final

from phaseline_tui.drawing.cells import Line, Span
from phaseline_tui.jobs import Shares

__all__ = ["EIGHTHS", "bar", "eighths"]

EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_FILLS: Final = ("past", "now", "rest", "track")
_TO_COME: Final = _FILLS.index("rest")
_CHARACTERS: Final = ("█", "▓", "░", "·")
"""For terminals without shades, and for those who read with NO_COLOR."""


def eighths(length: float) -> str:
    """Return a solid bar of `length` cells, to the nearest eighth; never nothing for a length above zero."""
    units = max(1, round(length * 8)) if length > 0 else 0
    return "█" * (units // 8) + (EIGHTHS[units % 8] if units % 8 else "")


def bar(shares: Shares, width: int, *, shades: bool) -> Line:
    """Return a bar of `width` cells.

    What earlier phases did has one shade, what the current phase did another, what it will likely still do a
    third, and what later phases will do is the track.

    Args:
        shares: where the shades change, 0 to 100.
        width: cells.
        shades: whether the terminal shows shades; otherwise characters tell the parts apart.
    """
    ends = [round(share * width * 8 / 100) for share in shares] + [width * 8]
    if shares.percent < 100:  # noqa: PLR2004  percent
        ends[1] = min(ends[1], width * 8 - 1)  # Full only when done.
    for at in (1, 2):
        ends[at] = max(ends[at - 1], ends[at])
    spans: list[Span] = []
    for cell in range(width):
        text, style = _cell(cell * 8, ends, shades=shades)
        if spans and spans[-1][1] == style:
            spans[-1] = (spans[-1][0] + text, style)
        else:
            spans.append((text, style))
    return tuple(spans)


def _cell(start: int, ends: list[int], *, shades: bool) -> Span:
    """Return the cell of the eighths from `start` on: two parts at most can share it, the largest do."""
    begin = start
    parts: list[tuple[int, int]] = []
    for fill, end in enumerate(ends):
        if end > begin and begin < start + 8:
            size = min(end, start + 8) - begin
            parts.append((fill, size))
            begin += size
    if not shades:
        return _plain_cell(parts)
    while len(parts) > 2:  # noqa: PLR2004  a cell has a foreground and a background
        middle = parts.pop(1)
        grown = 0 if parts[0][1] >= parts[-1][1] else -1
        parts[grown] = (parts[grown][0], parts[grown][1] + middle[1])
    if parts[0][0] >= _TO_COME:
        # Nothing done in this cell: no character, so that a screen copied as text shows the bar only.
        ground = _FILLS[max(parts, key=lambda part: part[1])[0]]
        return (" ", f"{ground}/{ground}")
    if len(parts) == 1:
        only = _FILLS[parts[0][0]]
        return ("█", f"{only}/{only}")  # The ground too: some terminals leave a seam between two full blocks.
    (first, size), (second, _) = parts
    return (EIGHTHS[size], f"{_FILLS[first]}/{_FILLS[second]}")


def _plain_cell(parts: list[tuple[int, int]]) -> Span:
    done = [part for part in parts if part[0] < _TO_COME]
    eighths_done = sum(size for _, size in done)
    if 0 < eighths_done < 8:  # noqa: PLR2004  eighths of a cell
        return (EIGHTHS[eighths_done], f"{_FILLS[done[-1][0]]}/")
    fill = max(parts, key=lambda part: part[1])[0]
    return (_CHARACTERS[fill], f"{_FILLS[fill]}/")
