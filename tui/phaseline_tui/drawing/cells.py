"""Lines of styled text, and functions that fit text to a number of terminal cells."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Final, Literal

from rich.cells import cell_len, set_cell_size

__all__ = ["Line", "Span", "blank", "fit", "join", "middle", "pad_line", "width_of", "width_of_text", "wrap"]

Span = tuple[str, str]
"""A text and the name of its style in the `Palette`."""
Line = tuple[Span, ...]

_ELLIPSIS: Final = "…"
_SEPARATORS: Final = ("_", "-", " ", "/", "·")
_MAX_LOST: Final = 4
"""Cells of a cut word that are given up, so that the head ends with a whole word."""
_WHOLE_WORD: Final = 5
_MARGIN: Final = 32
"""Cells beyond a cut that are looked at, so that it falls within no combined character."""
_DIGIT: Final = 2
"""Numbers distinguish names."""


def width_of(line: Line) -> int:
    """Return the width of a line in cells."""
    return sum([width_of_text(text) for text, _ in line])


@lru_cache(maxsize=16384)
def width_of_text(text: str) -> int:
    """Return the width of a text in cells."""
    return len(text) if text.isascii() else cell_len(text)


@lru_cache(maxsize=8192)
def fit(text: str, width: int, align: Literal["left", "right"] = "left") -> str:
    """Return `text` in exactly `width` cells: padded with spaces, or cut at its end with an ellipsis."""
    if width <= 0:
        return ""
    length = width_of_text(text)
    if length > width:
        return f"{_start(text, width - 1).rstrip()}{_ELLIPSIS}".ljust(1) if width == 1 else _cut(text, width)
    space = " " * (width - length)
    return text + space if align == "left" else space + text


def _cut(text: str, width: int) -> str:
    cut = f"{_start(text, width - 1).rstrip()}{_ELLIPSIS}"
    return cut + " " * (width - width_of_text(cut))


@lru_cache(maxsize=8192)
def middle(text: str, width: int) -> str:
    """Return `text` in exactly `width` cells, cut in the middle, because names often differ only at the end.

    If possible, whole words and numbers remain, as in `SC024_…_v07.blend` and `DSC_8422_…l.NEF`.
    """
    if width_of_text(text) <= width or width < 5:  # noqa: PLR2004 (too narrow for both ends)
        return fit(text, width)
    tails = [_tail(text, (width - 1) * 2 // 5)]
    long = _tail(text, (width - 1) * 3 // 4)
    # The digits of an id or an address are not worth keeping whole.
    digit = _DIGIT if "0x" not in text and any(each in _SEPARATORS for each in text) else 0
    begins = [at for at in range(len(long)) if long[at] in _SEPARATORS or (digit and _begins_number(long, at))]
    tails += [long[at:] for at in begins if len(long) - at > width // 4]
    kept = [(_head(text, width - 1 - width_of_text(tail)), tail) for tail in tails]
    head, tail = max(kept, key=lambda ends: (_worth(ends[0], -1, digit) + _worth(ends[1], 0, digit), len(ends[1])))
    return fit(f"{head}{_ELLIPSIS}{tail}", width)


def _head(text: str, width: int) -> str:
    """Return as much of the start of `text` as fits `width` cells, up to the end of a word if this is near."""
    head = _start(text, width).rstrip()
    end = max(map(head.rfind, _SEPARATORS)) + 1
    return head[:end] if 0 < end >= len(head) - _MAX_LOST else head


def _begins_number(text: str, at: int) -> bool:
    """Return whether a number begins at an index."""
    return text[at].isdecimal() and not text[at - 1 : at].isdecimal()


def _worth(part: str, end: int, digit: int) -> int:
    """Return the worth of one end of a cut text: whole words and digits are worth a few characters more."""
    whole = part[end : end + 1 or None] in _SEPARATORS
    return len(part) + digit * sum(map(str.isdecimal, part)) + _WHOLE_WORD * whole


def _tail(text: str, width: int) -> str:
    """Return as much of the end of `text` as fits `width` cells."""
    tail = ""
    for character in reversed(text):
        if width_of_text(character + tail) > width:
            break
        tail = character + tail
    return tail


def blank(width: int) -> Span:
    """Return a span of `width` spaces."""
    return (" " * max(0, width), "")


def pad_line(line: Line, width: int) -> Line:
    """Return a line of exactly `width` cells: padded with spaces, or cut."""
    length = width_of(line)
    if length == width:
        return line
    if length < width:
        return (*line, blank(width - length))
    kept: list[Span] = []
    left = width
    for text, style in line:
        if width_of_text(text) > left:
            kept.append((fit(text, left), style))
            break
        kept.append((text, style))
        left -= width_of_text(text)
    return tuple(kept)


def join(left: Line, right: Line, width: int) -> Line:
    """Return a line of `width` cells with one part at each end; the left part is cut if there is too little room."""
    room = width - width_of(right)
    return (*pad_line(left, max(0, room)), *right) if room > 0 else pad_line(right, width)


def wrap(text: str, width: int, most: int = 20) -> list[str]:
    """Return `text` as at most `most` lines of at most `width` cells, broken at spaces if possible."""
    lines = list(islice(_lines(text, width), most + 1))
    return lines if len(lines) <= most else [*lines[: most - 1], fit(f"{lines[most - 1]} {_ELLIPSIS}", width).rstrip()]


def _lines(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split(" "):
        rest = word
        candidate = f"{line} {rest}" if line else rest
        if width_of_text(candidate) <= width:
            line = candidate
            continue
        if line:
            yield line
        while width_of_text(rest) > width > 0:
            head = _start(rest, width).rstrip()
            head = head or rest[0]
            yield head
            rest = rest[len(head) :]
        line = rest
    yield line


def _start(text: str, width: int) -> str:
    """Return the first `width` cells of `text`, as `set_cell_size` does, which reads all of a long text."""
    size = 2 * width + _MARGIN
    while size < len(text) and width_of_text(text[:size]) < width + _MARGIN:
        size *= 2
    return set_cell_size(text[:size], width)
