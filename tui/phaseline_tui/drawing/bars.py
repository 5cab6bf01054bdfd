"""Progress bars with a precision of an eighth of a cell, in four colors or four characters."""

from functools import lru_cache
from typing import Final

from phaseline_tui.drawing.cells import Line, Span
from phaseline_tui.model.jobs import Shares

__all__ = ["EIGHTHS", "bar"]

EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_FILLS: Final = ("past", "now", "rest", "track")
_DONE: Final = frozenset({"past", "now"})
_SOLID: Final = {"past": "█", "now": "█", "rest": " ", "track": " "}
"""Parts that are not done are spaces, so that text copied from the screen shows only the bar. A full block has its own
color as background too, because some terminals leave a gap between two blocks."""
_CHARACTERS: Final = dict(zip(_FILLS, "█▓░·", strict=True))
"""Characters for terminals without shades, and for NO_COLOR."""


def bar(shares: Shares, width: int, *, shades: bool) -> Line:
    """Return a bar of `width` cells.

    Its parts are: past phases, the finished part of the current phase, its estimated rest, and pending phases.

    Args:
        shares: Boundaries of the parts in percent.
        width: Width in cells.
        shades: Whether the parts differ in color; otherwise they differ in character.
    """
    total = width * 8
    most = total if shares.percent >= 100 else total - 1  # noqa: PLR2004 (percent; full only when done)
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
        if start < end:  # this fill ends within a cell
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
    """Return a cell that several fills share, each of which ends at its eighth in `ends`.

    The character shows the finished part in eighths. A cell has only a foreground and a background, so the largest
    finished fill and the largest other fill determine the two colors.
    """
    begin = 0
    done: list[tuple[int, str]] = []
    pending: list[tuple[int, str]] = []
    for fill, end in zip(_FILLS, ends, strict=True):
        size = end - begin
        if size > 0:
            (done if fill in _DONE else pending).append((size, fill))
            begin = end
    part = sum(size for size, _ in done)
    front = max(done)[1] if done else max(pending)[1]
    back = max(pending)[1] if pending else front
    if not shades:
        character = EIGHTHS[part] if 0 < part < 8 else _CHARACTERS[front]  # noqa: PLR2004 (eighths of a cell)
        return (character, f"{front}/")
    return (EIGHTHS[part], f"{front}/{back}")
