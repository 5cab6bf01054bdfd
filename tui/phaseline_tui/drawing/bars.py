"""Progress bars with a precision of an eighth of a cell, in four shades, or in four characters without shades."""

from typing import Final

from phaseline_tui.drawing.cells import Line, Span
from phaseline_tui.jobs import Shares

__all__ = ["EIGHTHS", "bar", "eighths"]

EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_FILLS: Final = ("past", "now", "rest", "track")
_DONE: Final = frozenset({"past", "now"})
_CHARACTERS: Final = dict(zip(_FILLS, "█▓░·", strict=True))
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
    """Return the cell of the eighths from `start` on.

    Its character shows how much of it is done, to the eighth; of what is done, and of what is to come, the larger
    part in this cell has it to itself, because a cell has but a foreground and a background.
    """
    begin = start
    done: list[tuple[int, str]] = []
    to_come: list[tuple[int, str]] = []
    for fill, end in zip(_FILLS, ends, strict=True):
        size = min(end, start + 8) - begin
        if size > 0:
            (done if fill in _DONE else to_come).append((size, fill))
            begin += size
    part = sum(size for size, _ in done)
    front = max(done)[1] if done else max(to_come)[1]
    back = max(to_come)[1] if to_come else front
    if not shades:
        character = EIGHTHS[part] if 0 < part < 8 else _CHARACTERS[front]  # noqa: PLR2004  eighths of a cell
        return (character, f"{front}/")
    # Where nothing is done there is no character, so that a screen copied as text shows the bar only. A full block
    # has its own ground, because some terminals leave a seam between two of them.
    return (EIGHTHS[part], f"{front}/{back}")
