"""Which columns the list has at which width: fewer at 80 than at 200, but never less meaning."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from phaseline_tui.drawing.cells import Line, Span, fit

__all__ = ["Columns", "column_at", "columns_for", "heading"]


class _Column(NamedTuple):
    least: int
    most: int
    title: str


_COLUMNS: Final = {
    "mark": _Column(1, 1, ""),
    "state": _Column(9, 9, "STATE"),
    "name": _Column(16, 34, "JOB"),
    "source": _Column(14, 24, "WORKFLOW"),
    "host": _Column(8, 16, "HOST"),
    "phase": _Column(14, 22, "PHASE"),
    "bar": _Column(8, 32, "PROGRESS"),
    "percent": _Column(4, 4, ""),
    "elapsed": _Column(7, 7, "ELAPSED"),
    "eta": _Column(15, 15, "ETA"),
    "band": _Column(9, 9, ""),
    "message": _Column(20, 400, "MESSAGE"),
}
"""In the order on the screen."""

_NEEDED: Final = ("mark", "name", "percent", "eta")
_WHOLE: Final = {"whole names": ("name", 26), "whole phases": ("phase", 20)}
"""No columns, but room for most names: they are worth more than the state in words, which its sign tells already."""
_BY_WORTH: Final = ("bar", "phase", "elapsed", "source", "band", *_WHOLE, "state", "message", "host")
_BY_WORTH_WITH_HOSTS: Final = ("bar", "phase", "host", "elapsed", "source", "band", *_WHOLE, "state", "message")
"""When jobs run on several hosts, which of them tells jobs apart."""
_GROWING: Final = (("phase", 4), ("name", 2), ("bar", 2), ("source", 1), ("host", 1))
"""What gets the room that is left, and in which shares."""
_JOINED: Final = ("percent", "elapsed", "eta")

_POINTED_AT: Final = {"mark": "state", "bar": "percent"}
"""What a column that has no order of its own is sorted by."""


class Columns(NamedTuple):
    """The columns shown, with their widths in cells; one cell stands between two."""

    widths: dict[str, int]
    joined: dict[str, int]
    """The same with all from the bar to the remaining time as one, for jobs of which words say more than these."""
    has_state: bool
    has_source: bool
    width: int


@lru_cache(maxsize=64)
def columns_for(width: int, *, several_hosts: bool = False) -> Columns:
    """Return the columns for a list of `width` cells.

    Args:
        width: cells.
        several_hosts: whether it matters on which host a job runs.
    """
    widths, left = _chosen(width, _BY_WORTH_WITH_HOSTS if several_hosts else _BY_WORTH)
    _share_out(widths, left)
    if "band" in widths:  # They are one text.
        widths["eta"] += 1 + widths.pop("band")
    ordered = {name: widths[name] for name in _COLUMNS if name in widths}
    joined = ordered.copy()
    if "bar" in joined:
        for name in _JOINED:
            joined["bar"] += 1 + joined.pop(name) if name in joined else 0
    return Columns(ordered, joined, "state" in widths, "source" in widths, width)


def _chosen(width: int, by_worth: Sequence[str]) -> tuple[dict[str, int], int]:
    """Return the columns that there is room for, as narrow as they may be, and how many cells are left then."""
    widths = {name: _COLUMNS[name].least for name in _NEEDED}
    left = width - sum(widths.values()) - (len(widths) - 1)
    for name in by_worth:
        if name in _WHOLE:
            column, enough = _WHOLE[name]
            wider = min(max(0, left), enough - widths[column])
            widths[column] += wider
            left -= wider
            continue
        least = _COLUMNS[name].least
        if left < least + 1:
            break  # What is worth less does not come before it.
        widths[name] = least
        left -= least + 1
    return widths, left


def _share_out(widths: dict[str, int], left: int) -> None:
    """Share out the cells that are left."""
    if left < 0:
        widths["name"] = max(1, widths["name"] + left)
    while left > 0:
        before = left
        for name, share in _GROWING:
            if name in widths:
                grown = max(0, min(share, left, _COLUMNS[name].most - widths[name]))
                widths[name] += grown
                left -= grown
        if left == before:
            widths["message" if "message" in widths else "name"] += left
            left = 0


def heading(columns: Columns, sorted_by: str = "", *, reverse: bool = False) -> Line:
    """Return the line of the columns' titles; an arrow stands at the one that the list is sorted by."""
    spans: list[Span] = []
    for name, width in columns.widths.items():
        title = _COLUMNS[name].title
        style = "label"
        if name == sorted_by and width > 1:
            arrow = "▼" if reverse else "▲"
            title = f"{title[: width - 1]}{arrow}"
            style = "key"
        spans += [(fit(title, width, "right" if name in {"elapsed", "percent"} else "left"), style), (" ", "label")]
    return tuple(spans[:-1])


def column_at(columns: Columns, cell: int) -> str:
    """Return the column to sort by when somebody points at `cell` of the titles; empty if there is none."""
    end = 0
    for name, width in columns.widths.items():
        end += width + 1  # with the gap behind it
        if 0 <= cell < end:
            return _POINTED_AT.get(name, name)
    return ""
