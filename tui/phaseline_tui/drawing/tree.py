"""Decoded JSON as lines that can be folded: what is inside something stands further in, or in a few words behind it."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from phaseline_tui.drawing.cells import Line, Span, fit, width_of_text, wrap
from phaseline_tui.model.words import count_of, words_of_value

__all__ = ["FOLDED", "UNFOLDED", "Folds", "Path", "Row", "facts", "text_of"]

FOLDED: Final = ("▸ ", "muted")
UNFOLDED: Final = ("▾ ", "muted")
_MOST_KEY: Final = 22
_MOST_LIST: Final = 72
_MOST_OPEN: Final = 12
"""What has more values in it is folded until somebody unfolds it."""
_MOST_APART: Final = 3
"""Of more things in a list, each is told in one line at first."""

Path = tuple[str, ...]
"""Where something is: the section, then keys and numbers."""


class Row(NamedTuple):
    """A line of the details."""

    line: Line
    path: Path = ()
    """What it belongs to; of several lines of one thing, the same."""
    value: object = None
    """What is copied; None for the line's own text."""
    folded: bool | None = None
    """Of a line that heads what can be folded: whether it is. None for any other."""


class Folds:
    """What is folded: as somebody chose; otherwise what is long."""

    def __init__(self, *, everything: bool | None = None) -> None:
        """Fold what is long; or `everything`, or nothing."""
        self._everything = everything
        self._chosen: dict[Path, bool] = {}

    def folded(self, path: Path, *, usually: bool) -> bool:
        """Return whether what is at `path` is folded."""
        usually = usually if self._everything is None else self._everything
        return self._chosen.get(path, usually)

    def fold(self, path: Path, *, folded: bool) -> None:
        """Fold what is at `path`, or unfold it."""
        self._chosen[path] = folded

    def show(self, path: Path) -> None:
        """Unfold whatever `path` lies in."""
        for length in range(1, len(path) + 1):
            self._chosen[path[:length]] = False

    def fold_all(self, *, folded: bool) -> None:
        """Fold everything, or unfold it."""
        self._chosen.clear()
        self._everything = folded


def facts(value: object, width: int, path: Path, folds: Folds, depth: int = 0) -> Iterator[Row]:
    """Yield a decoded JSON value as rows of `key  value`, at most `width` cells wide.

    Args:
        value: what to tell.
        width: cells.
        path: where it is.
        folds: what of it is folded.
        depth: how far in it stands.
    """
    if isinstance(value, dict):
        pairs = [(str(key), each) for key, each in value.items()]
        longest = max((width_of_text(key) for key, each in pairs if not _nested(each)), default=0)
        yield from _pairs(pairs, min(_MOST_KEY, longest), width, path, folds, depth)
    elif isinstance(value, list):
        many = sum(_nested(each) for each in value) > _MOST_APART
        for number, each in enumerate(value, 1):
            if _nested(each):
                yield from _inside(f"{number}", each, width, (*path, f"{number}"), folds, depth, usually=many)
            else:
                yield from _leaf(each, "- ", width, (*path, f"{number}"), depth)
    else:
        yield from _leaf(value, "", width, path, depth)


def text_of(line: Line) -> str:
    """Return a line without its styles."""
    return "".join(text for text, _ in line)


def _pairs(
    pairs: list[tuple[str, object]], key_width: int, width: int, path: Path, folds: Folds, depth: int
) -> Iterator[Row]:
    for key, each in pairs:
        where = (*path, key)
        if _nested(each):
            yield from _inside(key, each, width, where, folds, depth, usually=_large(each))
        else:
            yield from _leaf(each, f"{fit(key, key_width)}  ", width, where, depth)


def _inside(
    key: str, value: object, width: int, path: Path, folds: Folds, depth: int, *, usually: bool
) -> Iterator[Row]:
    """Yield something with a head of its own, and what is in it unless it is folded."""
    folded = folds.folded(path, usually=usually)
    indent: Span = ("  " * depth, "")
    summary = f"  {_summary(value, width)}" if folded else ""
    yield Row((indent, FOLDED if folded else UNFOLDED, (key, "muted"), (summary, "text")), path, value, folded)
    if not folded:
        yield from facts(value, width, path, folds, depth + 1)


def _leaf(value: object, label: str, width: int, path: Path, depth: int) -> Iterator[Row]:
    indent: Span = ("  " * (depth + 1), "")
    label_width = width_of_text(label)
    for number, text in enumerate(wrap(words_of_value(value), max(8, width - 2 * (depth + 1) - label_width))):
        before = label if number == 0 else " " * label_width
        yield Row((indent, (before, "muted"), (text, "text")), path, words_of_value(value))


def _summary(value: object, width: int) -> str:
    """Return what is in something that is folded, in a few words."""
    if isinstance(value, list):
        return count_of(len(value), "item")
    if not isinstance(value, dict):
        return ""
    plain = [f"{key} {words_of_value(each)}" for key, each in value.items() if not _nested(each)]
    words = ""
    for each in plain:
        words = f"{words} · {each}" if words else each
        if len(words) > width:
            break
    return words[:width] or count_of(len(value), "item")


def _nested(value: object) -> bool:
    """Return whether a value takes lines of its own; a short list of plain values doesn't."""
    if isinstance(value, list):
        plain = not any(isinstance(each, dict | list) for each in value)
        return not plain or len(words_of_value(value)) > _MOST_LIST
    return isinstance(value, dict) and bool(value)


def _large(value: object) -> bool:
    """Return whether there are many values in a value; looks no further than it must."""
    return next((True for number, _ in enumerate(_leaves(value), 1) if number > _MOST_OPEN), False)


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict | list) and value:
        for each in value.values() if isinstance(value, dict) else value:
            yield from _leaves(each)
    else:
        yield value
