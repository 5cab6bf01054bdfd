"""Comparison of lines: finds the changed cells, so that only these are sent to the terminal."""

import sys
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from phaseline_tui.drawing.cells import Line, Span, width_of, width_of_text

__all__ = ["Stretch", "changed", "cut"]

_NEAR: Final = 4
"""Maximum number of unchanged cells between two changes that are cheaper to send than to skip."""

_END: Final = ("", None)


class Stretch(NamedTuple):
    """Adjacent cells of one line."""

    start: int
    end: int
    """The cell after the last one."""


_NOWHERE: Final = Stretch(sys.maxsize, sys.maxsize)


def changed(before: Line, after: Line) -> list[Stretch]:
    """Return the stretches in which two lines of equal width differ, from left to right, not adjacent.

    A span with characters that are not one cell wide is compared as a whole, so that no stretch starts or ends within a
    character of either line.
    """
    found: list[Stretch] = []
    same, at = _beginning(before, after)
    olds, news = iter(before[same:]), iter(after[same:])
    # The rest of the current spans, at cell `at` of both lines; a style of None marks the end of a line.
    was = now = ""
    was_style: str | None
    now_style: str | None
    was_style = now_style = ""
    while True:
        while not was and was_style is not None:
            was, was_style = next(olds, _END)
        while not now and now_style is not None:
            now, now_style = next(news, _END)
        if was_style is None or now_style is None:
            break
        if was == now and was_style == now_style:  # the usual case
            at += width_of_text(now)
            was = now = ""
            continue
        width, length = width_of_text(now), min(len(was), len(now))
        if width != len(now) or width_of_text(was) != len(was):
            end = _realigned(at + width_of_text(was), olds, at + width, news)
            if end is None:
                break
            _add(found, at, end)
            at, was, now = end, "", ""
            continue
        if was_style != now_style:
            _add(found, at, at + length)
        else:
            _compare(found, at, was[:length], now[:length])
        at += length
        was, now = was[length:], now[length:]
    if was or now:  # different widths, or not aligned again: repaint the rest
        _add(found, at, max(width_of(before), width_of(after)))
    return found


def _beginning(before: Line, after: Line) -> tuple[int, int]:
    """Return the number of equal spans at the start of two lines, and their width in cells."""
    spans = cells = 0
    for old, new in zip(before, after, strict=False):
        if old != new:
            break
        spans += 1
        cells += width_of_text(new[0])
    return spans, cells


def _realigned(was_end: int, olds: Iterator[Span], now_end: int, news: Iterator[Span]) -> int | None:
    """Skip whole spans until both lines are at the same cell and return it; None if this never happens."""
    while was_end != now_end:
        span = next(olds if was_end < now_end else news, None)
        if span is None:
            return None
        if was_end < now_end:
            was_end += width_of_text(span[0])
        else:
            now_end += width_of_text(span[0])
    return now_end


def _compare(found: list[Stretch], start: int, was: str, now: str) -> None:
    """Add the stretch in which two texts of equal length differ; `start` is the cell of the first character."""
    if was == now:
        return
    first, last = 0, len(now)
    while was[first] == now[first]:
        first += 1
    while was[last - 1] == now[last - 1]:
        last -= 1
    _add(found, start + first, start + last)


def _add(found: list[Stretch], start: int, end: int) -> None:
    if found and start - found[-1].end < _NEAR:
        found[-1] = Stretch(found[-1].start, max(end, found[-1].end))
    elif end > start:
        found.append(Stretch(start, end))


def cut(line: Line, stretches: Iterable[Stretch]) -> Iterator[tuple[int, str, str]]:
    """Yield the contents of `stretches` from left to right: cell, text, style.

    Each end of a stretch must be between two spans, or in a span whose characters are one cell wide.
    """
    rest = iter(stretches)
    start, end = next(rest, _NOWHERE)
    at = 0
    for text, style in line:
        after = at + width_of_text(text)
        while start < after:
            if start <= at and after <= end:
                yield at, text, style
            else:
                yield max(at, start), text[max(0, start - at) : end - at], style
            if after < end:  # the stretch continues in the next span
                break
            start, end = next(rest, _NOWHERE)
        at = after
