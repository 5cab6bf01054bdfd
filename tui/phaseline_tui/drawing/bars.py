"""Progress bars with a precision of an eighth of a cell, in four shades, or in four characters without shades."""

from functools import lru_cache
from typing import Final

from phaseline_tui.drawing.cells import Line, Span
from phaseline_tui.model.jobs import Shares

__all__ = ["EIGHTHS", "bar"]

EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_FILLS: Final = ("past", "now", "rest", "track")
_DONE: Final = frozenset({"past", "now"})
_SOLID: Final = {"past": "█", "now": "█", "rest": " ", "track": " "}
"""Where nothing is done there is no character, so that a screen copied as text shows the bar only. A full block has
its own ground too, because some terminals leave a seam between two of them."""
_CHARACTERS: Final = dict(zip(_FILLS, "█▓░·", strict=True))
"""For terminals without shades, and for those who read with NO_COLOR."""


def bar(shares: Shares, width: int, *, shades: bool) -> Line:
    """Return a bar of `width` cells.

    What earlier phases did has one shade, what the current phase did another, what it will likely still do a
    third, and what later phases will do is the track.

    Args:
        shares: where the shades change, 0 to 100.
        width: cells.
        shades: whether the terminal shows shades; otherwise characters tell the parts apart.
    """
    total = width * 8
    most = total if shares.percent >= 100 else total - 1  # noqa: PLR2004  percent; full only when done
    percent = min(round(shares.percent * total / 100), most)
    past = min(round(shares.past * total / 100), percent)
    ends = (past, percent, max(percent, round(shares.phase * total / 100)), total)
    spans: list[Span] = []
    cell = 0
    for fill, end in zip(_FILLS, ends, strict=True):
        count = (end >> 3) - cell
        if count > 0:
            character, ground = (_SOLID[fill], fill) if shades else (_CHARACTERS[fill], "")
            _put(spans, character * count, f"{fill}/{ground}")
            cell += count
        start = cell * 8
        if start < end:  # This fill ends within a cell.
            shared = tuple([0 if each < start else min(each - start, 8) for each in ends])
            _put(spans, *_mixed(shared, shades=shades))
            cell += 1
    return tuple(spans)


def _put(spans: list[Span], text: str, style: str) -> None:
    if spans and spans[-1][1] == style:
        spans[-1] = (spans[-1][0] + text, style)
    else:
        spans.append((text, style))


@lru_cache(maxsize=1024)
def _mixed(ends: tuple[int, ...], *, shades: bool) -> Span:
    """Return a cell that several fills share, of which each ends at its eighth of `ends`.

    Its character shows how much of it is done, to the eighth; of what is done, and of what is to come, the larger
    part in this cell has it to itself, because a cell has but a foreground and a background.
    """
    begin = 0
    done: list[tuple[int, str]] = []
    to_come: list[tuple[int, str]] = []
    for fill, end in zip(_FILLS, ends, strict=True):
        size = end - begin
        if size > 0:
            (done if fill in _DONE else to_come).append((size, fill))
            begin = end
    part = sum(size for size, _ in done)
    front = max(done)[1] if done else max(to_come)[1]
    back = max(to_come)[1] if to_come else front
    if not shades:
        character = EIGHTHS[part] if 0 < part < 8 else _CHARACTERS[front]  # noqa: PLR2004  eighths of a cell
        return (character, f"{front}/")
    return (EIGHTHS[part], f"{front}/{back}")
