"""Progress bars: a line that is thick as far as the job is, so that the bars of neighboring rows don't merge."""

from functools import lru_cache
from typing import Final

from phaseline_tui.drawing.cells import Line, Span
from phaseline_tui.model.jobs import Shares

__all__ = ["EIGHTHS", "bar"]

EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_STYLES: Final = ("past", "now", "past", "rule")
_COLORED: Final = ("━", "━", "─", "─")
_HALF: Final = "╸"
_PLAIN: Final = ("═", "━", "─", "·")
"""Characters for terminals without shades, and for NO_COLOR: there, the parts differ in character."""
_PLAIN_STYLES: Final = tuple(f"{style}/" for style in _STYLES)
"""Styles for them: fills, which keep their colors under the cursor."""


def bar(shares: Shares, width: int, *, shades: bool) -> Line:
    """Return a bar of `width` cells.

    Its parts are: past phases, the finished part of the current phase, its estimated rest, and pending phases.

    Args:
        shares: Boundaries of the parts in percent.
        width: Width in cells.
        shades: Whether the parts differ in color; otherwise they differ in character.
    """
    total = width * 2
    most = total if shares.percent >= 100 else total - 1  # noqa: PLR2004 (percent; full only when done)
    percent = min(int(shares.percent * total / 100), most)
    standing = shares.past >= shares.percent  # no current phase, as of a stalled job
    return _bar(
        -1 if standing else min(round(shares.past * width / 100), percent // 2),
        percent,
        max((percent + 1) // 2, round(shares.phase * width / 100)),
        width,
        shades=shades,
    )


@lru_cache(maxsize=4096)
def _bar(past: int, halves: int, rest: int, width: int, *, shades: bool) -> Line:
    """Return a bar with its parts in whole cells, but for the half cell at which the finished part ends.

    `past` is -1 if all that is finished belongs to past phases.
    """
    characters, styles = (_COLORED, _STYLES) if shades else (_PLAIN, _PLAIN_STYLES)
    done = halves // 2
    half = halves % 2 if shades else 0
    finished = characters[1] * (done - max(0, past)) + _HALF * half
    parts: list[Span] = [
        (characters[0] * past, styles[0]),
        (finished if shades or past >= 0 else characters[0] * done, styles[1] if past >= 0 else styles[0]),
        (characters[2] * (rest - done - half), styles[2]),
        (characters[3] * (width - max(rest, done + half)), styles[3]),
    ]
    return tuple((text, style) for text, style in parts if text)
