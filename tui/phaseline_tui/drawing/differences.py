"""Which cells of a line changed: what need not be sent over a slow line is not sent."""

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
        start = new.at
        if not (old.plain and new.plain):
            if old.span == new.span and old.whole and new.whole:
                old.skip(old.left)
                new.skip(new.left)
                continue
            _realign(old, new)
            _add(found, start, max(old.at, new.at))
            continue
        length = min(old.left, new.left)
        was, now = old.peek(length), new.peek(length)
        if old.span[1] != new.span[1]:
            _add(found, start, start + length)
        elif was != now:
            first = next(at for at in range(length) if was[at] != now[at])
            last = next(at for at in range(length - 1, -1, -1) if was[at] != now[at])
            _add(found, start + first, start + last + 1)
        old.skip(length)
        new.skip(length)
    if old.at != new.at or old.left or new.left:  # Of different widths: from here on, everything.
        _add(found, min(old.at, new.at), max(width_of(before), width_of(after)))
    return found


def cut(line: Line, start: int, end: int) -> list[Span]:
    """Return what stands in the cells from `start` to before `end`, which lie at a span's ends or in plain spans."""
    found: list[Span] = []
    at = 0
    for span in line:
        text, style = span
        after = at + width_of_text(text)
        if after > start:
            found.append((text[max(0, start - at) : end - at], style) if at < start or after > end else span)
        if after >= end:
            break
        at = after
    return found


def _add(found: list[Stretch], start: int, end: int) -> None:
    if found and start - found[-1].end < _NEAR:
        found[-1] = Stretch(found[-1].start, max(end, found[-1].end))
    elif end > start:
        found.append(Stretch(start, end))


def _realign(old: "_Reader", new: "_Reader") -> None:
    """Skip whole spans until both readers stand at the same cell, or one is at its end."""
    old.skip(old.left)
    new.skip(new.left)
    while old.at != new.at:
        behind = old if old.at < new.at else new
        if not behind.left:
            return
        behind.skip(behind.left)


class _Reader:
    """Reads a line's spans from left to right."""

    __slots__ = ("_line", "_next", "_offset", "at", "left", "plain", "span")

    def __init__(self, line: Line) -> None:
        self._line = line
        self._next = 0
        self._offset = 0
        self.at = 0
        """The cell that comes next."""
        self.left = 0
        """Cells left of the present span."""
        self.span = ("", "")
        self.plain = True
        """Whether every character of the present span takes one cell."""
        self._advance()

    @property
    def whole(self) -> bool:
        """Whether nothing of the present span has been read."""
        return not self._offset

    def peek(self, cells: int) -> str:
        """Return the next `cells` characters of a plain span."""
        return self.span[0][self._offset : self._offset + cells]

    def skip(self, cells: int) -> None:
        """Go on by so many cells, at most to the span's end."""
        self.at += cells
        self._offset += cells
        self.left -= cells
        if not self.left:
            self._advance()

    def _advance(self) -> None:
        while not self.left and self._next < len(self._line):
            self.span = self._line[self._next]
            self._next += 1
            self._offset = 0
            self.left = width_of_text(self.span[0])
            self.plain = self.left == len(self.span[0])
