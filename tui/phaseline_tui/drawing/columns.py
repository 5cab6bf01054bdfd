"""Which columns the list has at which width: fewer at 80 than at 200, but never less meaning."""

from functools import lru_cache
from typing import Final, NamedTuple

from phaseline_tui.drawing.cells import Line, fit

__all__ = ["Columns", "columns_for", "heading"]


class _Column(NamedTuple):
    least: int
    most: int
    title: str


_COLUMNS: Final = {
    "mark": _Column(1, 1, ""),
    "state": _Column(9, 9, "STATE"),
    "name": _Column(16, 34, "JOB"),
    "source": _Column(14, 24, "WORKFLOW"),
    "phase": _Column(14, 22, "PHASE"),
    "bar": _Column(8, 32, "PROGRESS"),
    "percent": _Column(4, 4, ""),
    "elapsed": _Column(7, 7, "ELAPSED"),
    "eta": _Column(15, 15, "ETA"),
    "band": _Column(8, 8, ""),
    "message": _Column(20, 400, "MESSAGE"),
}
"""In the order on the screen."""

_NEEDED: Final = ("mark", "name", "percent", "eta")
_BY_WORTH: Final = ("bar", "phase", "elapsed", "state", "source", "band", "message")
_GROWING: Final = (("phase", 4), ("name", 2), ("bar", 2), ("source", 1))
"""What gets the room that is left, and in which shares."""


class Columns(NamedTuple):
    """The columns shown, with their widths in cells; one cell stands between two."""

    widths: dict[str, int]
    joined: dict[str, int]
    """The same with bar and percent as one, for jobs of which words say more than a bar."""
    has_state: bool
    has_source: bool
    width: int


@lru_cache(maxsize=64)
def columns_for(width: int) -> Columns:
    """Return the columns for a list of `width` cells."""
    widths = {name: _COLUMNS[name].least for name in _NEEDED}
    left = width - sum(widths.values()) - (len(widths) - 1)
    for name in _BY_WORTH:
        least = _COLUMNS[name].least
        if left < least + 1:
            break  # What is worth less does not come before it.
        widths[name] = least
        left -= least + 1
    if left < 0:
        widths["name"] = max(1, widths["name"] + left)
    while left > 0:
        before = left
        for name, share in _GROWING:
            if name in widths:
                grown = min(share, left, _COLUMNS[name].most - widths[name])
                widths[name] += grown
                left -= grown
        if left == before:
            last = "message" if "message" in widths else "name"
            widths[last] += left
            left = 0
    ordered = {name: widths[name] for name in _COLUMNS if name in widths}
    joined = ordered.copy()
    if "bar" in joined:
        joined["bar"] += 1 + joined.pop("percent")
    return Columns(ordered, joined, "state" in widths, "source" in widths, width)


def heading(columns: Columns) -> Line:
    """Return the line of the columns' titles."""
    cells = []
    for name, width in columns.widths.items():
        title = _COLUMNS[name].title
        # An ETA is a duration flushed right, then a clock time: its title stands over the first.
        cells.append(fit(fit(title, 7, "right"), width) if name in {"eta", "elapsed"} else fit(title, width))
    return ((" ".join(cells), "label"),)
