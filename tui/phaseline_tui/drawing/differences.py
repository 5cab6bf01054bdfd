"""Which cells of a line changed: what need not be sent over a slow line is not sent."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from phaseline_tui.drawing.cells import Line, Span, width_of, width_of_text

__all__ = ["Stretch", "changed", "cut"]

_NEAR: Final = 4
"""Cells between two changes that cost less to send again than to jump over."""


class Stretch(NamedTuple):
    """Neighbouring cells of one line."""

    start: int
    end: int
    """After the last."""


def changed(before: Line, after: Line) -> list[Stretch]:
    """Return the stretches in which two lines of one width differ, from left to right, none touching another.

    A span with characters that are not one cell wide is taken as a whole, so that no stretch begins or ends within a
    character, neither in the old line nor in the new one.
    """
    found: list[Stretch] = []
    old, new = _Reader(before), _Reader(after)
    while old.left and new.left:
        was, now = old.span, new.span
        # Most spans are as they were: by far the shortest way.
        if old.left == new.left and was == now and old.whole and new.whole:
            old.skip()
            new.skip()
            continue
        start = new.at
        if not (old.plain and new.plain):
            _realign(old, new)
            _add(found, start, max(old.at, new.at))
            continue
        length = min(old.left, new.left)
        if was[1] != now[1]:
            _add(found, start, start + length)
        else:
            _compare(found, start, old.peek(length), new.peek(length))
        old.go(length)
        new.go(length)
    if old.at != new.at or old.left or new.left:  # Of different widths: from here on, everything.
        _add(found, min(old.at, new.at), max(width_of(before), width_of(after)))
    return found


def _compare(found: list[Stretch], start: int, was: str, now: str) -> None:
    """Add where two texts of one length differ, the first character standing at `start`."""
    if was == now:
        return
    first, last = 0, len(now)
    while was[first] == now[first]:
        first += 1
    while was[last - 1] == now[last - 1]:
        last -= 1
    _add(found, start + first, start + last)


def cut(line: Line, stretches: Iterable[Stretch]) -> Iterator[list[Span]]:
    """Yield what stands in each of `stretches`, from left to right; their ends lie at a span's or in plain spans."""
    rest = iter(line)
    text, style = "", ""
    at = after = 0
    for start, end in stretches:
        found: list[Span] = []
        while True:
            if after > start:
                found.append(
                    (text[max(0, start - at) : end - at], style) if at < start or after > end else (text, style)
                )
            if after >= end:
                break
            span = next(rest, None)
            if span is None:
                break
            text, style = span
            at, after = after, after + width_of_text(text)
        yield found


def _add(found: list[Stretch], start: int, end: int) -> None:
    if found and start - found[-1].end < _NEAR:
        found[-1] = Stretch(found[-1].start, max(end, found[-1].end))
    elif end > start:
        found.append(Stretch(start, end))


def _realign(old: "_Reader", new: "_Reader") -> None:
    """Skip whole spans until both readers stand at the same cell, or one is at its end."""
    old.skip()
    new.skip()
    while old.at != new.at:
        behind = old if old.at < new.at else new
        if not behind.left:
            return
        behind.skip()


class _Reader:
    """Reads a line's spans from left to right."""

    __slots__ = ("_offset", "_spans", "at", "left", "plain", "span", "whole")

    def __init__(self, line: Line) -> None:
        self._spans = iter(line)
        self._offset = 0
        self.at = 0
        """The cell that comes next."""
        self.left = 0
        """Cells left of the present span; 0 behind the last."""
        self.span = ("", "")
        self.plain = True
        """Whether every character of the present span takes one cell."""
        self.whole = True
        """Whether nothing of the present span has been read."""
        self.skip()

    def peek(self, cells: int) -> str:
        """Return the next `cells` characters of a plain span."""
        return self.span[0] if cells == len(self.span[0]) else self.span[0][self._offset : self._offset + cells]

    def go(self, cells: int) -> None:
        """Go on by so many cells, at most to the span's end."""
        if cells == self.left:
            self.skip()
            return
        self.at += cells
        self._offset += cells
        self.left -= cells
        self.whole = False

    def skip(self) -> None:
        """Go to the next span that has any cell."""
        self.at += self.left
        self.left = self._offset = 0
        self.whole = True
        for span in self._spans:
            text = span[0]
            width = width_of_text(text)
            if width:
                self.span, self.left, self.plain = span, width, width == len(text)
                return
