"""The columns of the job list for each width."""

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
"""All columns, from left to right."""

_NEEDED: Final = ("mark", "name", "percent", "eta")
_WHOLE: Final = {"whole names": ("name", 26), "whole phases": ("phase", 20)}
"""Extra width for long names. It has priority over the state column, because the mark already shows the state."""
_BY_PRIORITY: Final = ("bar", "phase", "elapsed", "source", "band", *_WHOLE, "state", "message", "host")
_BY_PRIORITY_WITH_HOSTS: Final = ("bar", "phase", "host", "elapsed", "source", "band", *_WHOLE, "state", "message")
"""Priorities if jobs run on several hosts; the host then helps to tell jobs apart."""
_GROWING: Final = (("phase", 4), ("name", 2), ("bar", 2), ("source", 1), ("host", 1))
"""Columns that share the remaining width, and their shares."""
_JOINED: Final = ("percent", "elapsed", "eta")

_SORTED_BY: Final = {"mark": "state", "bar": "percent"}
"""Sort columns of the columns that have no order of their own."""


class Columns(NamedTuple):
    """The columns shown, with their widths in cells, separated by one cell."""

    widths: dict[str, int]
    joined: dict[str, int]
    """The same columns with those from the bar to the ETA joined, for jobs that show text there."""
    has_state: bool
    has_source: bool
    width: int


@lru_cache(maxsize=64)
def columns_for(width: int, *, several_hosts: bool = False) -> Columns:
    """Return the columns for a list of `width` cells.

    Args:
        width: Width in cells.
        several_hosts: Whether jobs run on more than one host.
    """
    widths, left = _chosen(width, _BY_PRIORITY_WITH_HOSTS if several_hosts else _BY_PRIORITY)
    _distribute(widths, left)
    if "band" in widths:  # the ETA cell shows the band too
        widths["eta"] += 1 + widths.pop("band")
    ordered = {name: widths[name] for name in _COLUMNS if name in widths}
    joined = ordered.copy()
    if "bar" in joined:
        for name in _JOINED:
            joined["bar"] += 1 + joined.pop(name) if name in joined else 0
    return Columns(ordered, joined, "state" in widths, "source" in widths, width)


def _chosen(width: int, by_priority: Sequence[str]) -> tuple[dict[str, int], int]:
    """Return the columns that fit with their minimum widths, and the number of remaining cells."""
    widths = {name: _COLUMNS[name].least for name in _NEEDED}
    left = width - sum(widths.values()) - (len(widths) - 1)
    for name in by_priority:
        if name in _WHOLE:
            column, enough = _WHOLE[name]
            wider = min(max(0, left), enough - widths[column])
            widths[column] += wider
            left -= wider
            continue
        least = _COLUMNS[name].least
        if left < least + 1:
            break  # a column of lower priority never replaces it
        widths[name] = least
        left -= least + 1
    return widths, left


def _distribute(widths: dict[str, int], left: int) -> None:
    """Distribute the remaining cells among the columns."""
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
    """Return the line of column titles, with an arrow at the sort column."""
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
    """Return the column to sort by when `cell` of the titles is clicked; empty if there is none."""
    end = 0
    for name, width in columns.widths.items():
        end += width + 1  # including the gap after it
        if 0 <= cell < end:
            return _SORTED_BY.get(name, name)
    return ""
