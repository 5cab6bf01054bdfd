"""Drawing of JSON values as indented rows that can be folded; a folded value has a summary."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from phaseline_tui.drawing.cells import Line, Span, fit, width_of_text, wrap
from phaseline_tui.model.words import count_of, words_of_value

__all__ = ["FOLDED", "UNFOLDED", "Folds", "Path", "Row", "facts", "text_of"]

FOLDED: Final = ("▸ ", "muted")
UNFOLDED: Final = ("▾ ", "muted")
_MAX_KEY: Final = 22
_MAX_LIST: Final = 72
_MAX_OPEN: Final = 12
"""Values with more leaves are folded by default."""
_MAX_UNFOLDED: Final = 3
"""In a list with more nested items, each is folded by default."""

Path = tuple[str, ...]
"""Path of a value: the section, then keys and numbers."""


class Row(NamedTuple):
    """A line of the details."""

    line: Line
    path: Path = ()
    """Path of its value; lines of one value have the same path."""
    value: object = None
    """Value to copy; None for the text of the line."""
    folded: bool | None = None
    """Whether the row's value is folded; None if it can't be folded."""


class Folds:
    """The folding state. By default, long values are folded."""

    def __init__(self, *, everything: bool | None = None) -> None:
        """Start with long values folded (None), everything (True) or nothing (False)."""
        self._everything = everything
        self._chosen: dict[Path, bool] = {}

    def folded(self, path: Path, *, default: bool) -> bool:
        """Return whether the value at `path` is folded."""
        default = default if self._everything is None else self._everything
        return self._chosen.get(path, default)

    def fold(self, path: Path, *, folded: bool) -> None:
        """Fold or unfold the value at `path`."""
        self._chosen[path] = folded

    def show(self, path: Path) -> None:
        """Unfold all values that contain `path`."""
        for length in range(1, len(path) + 1):
            self._chosen[path[:length]] = False

    def fold_all(self, *, folded: bool) -> None:
        """Fold or unfold everything."""
        self._chosen.clear()
        self._everything = folded


def facts(value: object, width: int, path: Path, folds: Folds, depth: int = 0) -> Iterator[Row]:
    """Yield a decoded JSON value as rows of `key  value`, at most `width` cells wide.

    Args:
        value: Value to draw.
        width: Width in cells.
        path: Path of the value.
        folds: Folding state.
        depth: Depth of nesting, for the indentation.
    """
    if isinstance(value, dict):
        pairs = [(str(key), each) for key, each in value.items()]
        longest = max((width_of_text(key) for key, each in pairs if not _nested(each)), default=0)
        yield from _pairs(pairs, min(_MAX_KEY, longest), width, path, folds, depth)
    elif isinstance(value, list):
        many = sum(_nested(each) for each in value) > _MAX_UNFOLDED
        for number, each in enumerate(value, 1):
            if _nested(each):
                yield from _inside(f"{number}", each, width, (*path, f"{number}"), folds, depth, default=many)
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
            yield from _inside(key, each, width, where, folds, depth, default=_large(each))
        else:
            yield from _leaf(each, f"{fit(key, key_width)}  ", width, where, depth)


def _inside(
    key: str, value: object, width: int, path: Path, folds: Folds, depth: int, *, default: bool
) -> Iterator[Row]:
    """Yield the heading of a nested value, and its content unless it is folded."""
    folded = folds.folded(path, default=default)
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
    """Return a short summary of a folded value."""
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
    """Return whether a value needs its own rows. A short list of plain values does not."""
    if isinstance(value, list):
        plain = not any(isinstance(each, dict | list) for each in value)
        return not plain or len(words_of_value(value)) > _MAX_LIST
    return isinstance(value, dict) and bool(value)


def _large(value: object) -> bool:
    """Return whether a value has many leaves; stops counting at the limit."""
    return next((True for number, _ in enumerate(_leaves(value), 1) if number > _MAX_OPEN), False)


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict | list) and value:
        for each in value.values() if isinstance(value, dict) else value:
            yield from _leaves(each)
    else:
        yield value
