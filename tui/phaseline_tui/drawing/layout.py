"""The choice and the widths of the job list's columns: as wide as their texts, as far as there is room."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from operator import is_
from typing import Final

from phaseline_tui.drawing.cells import Line, Span, fit
from phaseline_tui.drawing.columns import COLUMNS, EXTRA, Columns, JobColumn
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.model.jobs import JobView

__all__ = ["EVERYTHING", "Needs", "Room", "column_at", "columns_for", "heading"]

Needs = tuple[int, ...]
"""The width that the texts of each column need, in the order of `COLUMNS`; 0 for a column without texts."""

EVERYTHING: Final[Needs] = tuple(column.most for column in COLUMNS)
_NOTHING: Final[Needs] = tuple(0 if column.need else column.most for column in COLUMNS)
_JOINED: Final = ("percent", "count", "rate", "elapsed", "eta")
_HOST_PRIORITY: Final = 3
"""Priority of the host if jobs run on several; it then helps to distinguish jobs."""
_MEASURE_AFTER: Final = 3.0
"""Seconds after which the texts of the same rows are measured again."""
_FORGET_AFTER: Final = 30.0
"""Seconds for which a column stays as wide as its widest text was."""


class Room:
    """The widths that the columns need for the rows shown lately.

    While the user scrolls, columns only get wider, so that they don't jump; they get narrower after a while.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Drop the rows shown before, because the list shows others now."""
        self._needs = self._recent = _NOTHING
        self._since: float | None = None
        self._place: tuple[object, ...] = ()
        self._measured = 0.0

    def measure(
        self, rows: Callable[[], Iterable[tuple[JobView, Scene]]], place: tuple[object, ...], now: float
    ) -> Needs:
        """Return the widths for the rows on the screen and those shown lately.

        Args:
            rows: Returns the jobs of the rows on the screen, each with its moment.
            place: Objects that change when the screen shows other rows; compared by identity.
            now: Monotonic seconds.
        """
        same = len(place) == len(self._place) and all(map(is_, place, self._place))
        if same and now - self._measured < _MEASURE_AFTER:
            return self._needs
        self._place, self._measured = place, now
        seen = needs_of(rows())
        self._recent = _wider(self._recent, seen)
        self._needs = _wider(self._needs, seen)
        if self._since is None:
            self._since = now
        elif now - self._since >= _FORGET_AFTER:
            self._since, self._needs, self._recent = now, self._recent, seen
        return self._needs


def needs_of(rows: Iterable[tuple[JobView, Scene]]) -> Needs:
    """Return the widths that these rows need."""
    needs = list(_NOTHING)
    for job, scene in rows:
        for at, need in _MEASURED:
            cells = need(job, scene)
            needs[at] = max(needs[at], cells)
    return tuple(needs)


def _wider(one: Needs, other: Needs) -> Needs:
    return one if one == other else tuple(map(max, one, other))


_MEASURED: Final = tuple((at, column.need) for at, column in enumerate(COLUMNS) if column.need is not None)


@lru_cache(maxsize=64)
def columns_for(width: int, needs: Needs = EVERYTHING, *, several_hosts: bool = False) -> Columns:
    """Return the columns for a list of `width` cells.

    Args:
        width: Width in cells.
        needs: Width that the texts of each column need.
        several_hosts: Whether jobs run on more than one host.
    """
    wanted = {
        column.name: min(column.most, max(need, len(column.title))) if need else 0
        for column, need in zip(COLUMNS, needs, strict=True)
    }
    by_priority = [
        (column if column.name != "host" or not several_hosts else column._replace(priority=_HOST_PRIORITY))
        for column in COLUMNS
        if wanted[column.name] or not column.priority
    ]
    by_priority.sort(key=lambda column: column.priority)
    widths, left = _chosen(width, by_priority, wanted)
    _distribute(widths, left, wanted)
    if "band" in widths:  # the ETA cell shows the band too
        widths["eta"] += 1 + widths.pop("band")
    ordered = {column.name: widths[column.name] for column in COLUMNS if column.name in widths}
    joined = ordered.copy()
    if "bar" in joined:
        for name in _JOINED:
            joined["bar"] += 1 + joined.pop(name) if name in joined else 0
    return Columns(ordered, joined, "state" in widths, "source" in widths, width)


def _chosen(width: int, by_priority: list[JobColumn], wanted: dict[str, int]) -> tuple[dict[str, int], int]:
    """Return the columns that fit with their minimum widths, and the number of remaining cells."""
    widths = {column.name: _least(column, wanted) for column in by_priority if not column.priority}
    left = width - sum(widths.values()) - (len(widths) - 1)
    whole = False
    for column in by_priority:
        if not column.priority:
            continue
        if column.priority >= EXTRA and not whole:
            left = _widen(by_priority, widths, left, wanted)
            whole = True
        least = _least(column, wanted)
        if left < least + 1:
            break  # a column of lower priority never replaces it
        widths[column.name] = least
        left -= least + 1
    return widths, left


def _least(column: JobColumn, wanted: dict[str, int]) -> int:
    return max(1, min(column.least, wanted[column.name]))


def _widen(by_priority: list[JobColumn], widths: dict[str, int], left: int, wanted: dict[str, int]) -> int:
    """Make texts long enough to read; return the number of remaining cells."""
    for column in by_priority:
        if column.name in widths:
            more = max(0, min(left, min(column.enough, wanted[column.name]) - widths[column.name]))
            widths[column.name] += more
            left -= more
    return left


def _distribute(widths: dict[str, int], left: int, wanted: dict[str, int]) -> None:
    """Distribute the remaining cells among the columns whose texts need them; what is left then, to bar and ETA."""
    if left < 0:
        widths["name"] = max(1, widths["name"] + left)
    while left > 0:
        before = left
        for column in COLUMNS:
            if column.share and column.name in widths:
                grown = max(0, min(column.share, left, wanted[column.name] - widths[column.name]))
                widths[column.name] += grown
                left -= grown
        if left == before:
            break
    if left <= 0:
        return
    if "message" in widths:
        more = max(0, min(left, wanted["message"] - widths["message"]))
        widths["message"] += more
        left -= more
    if "bar" in widths:
        more = min(left, wanted["bar"] - widths["bar"])
        widths["bar"] += more
        left -= more
    widths["message" if "message" in widths else "eta"] += left


def heading(columns: Columns, sorted_by: str = "", *, reverse: bool = False) -> Line:
    """Return the line of column titles, with an arrow at the sort column."""
    spans: list[Span] = []
    for column in COLUMNS:
        width = columns.widths.get(column.name)
        if width is None:
            continue
        title, style = column.title, "label"
        if column.name == sorted_by and width > 1:
            arrow = "▼" if reverse else "▲"
            title = f"{title[: width - 1]}{arrow}"
            style = "key"
        spans += [(fit(title, width, "right" if column.align == "right" else "left"), style), (" ", "label")]
    return tuple(spans[:-1])


def column_at(columns: Columns, cell: int) -> str:
    """Return the column to sort by when `cell` of the titles is clicked; empty if there is none."""
    end = 0
    for column in COLUMNS:
        width = columns.widths.get(column.name)
        if width is None:
            continue
        end += width + 1  # including the gap after it
        if 0 <= cell < end:
            return column.sorted_by or column.name
    return ""
