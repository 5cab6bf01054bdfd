"""Tables: rows of columns, of which the least important are dropped until a row fits."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from phaseline_tui.drawing.cells import Line, Span, fit, middle

__all__ = ["Column", "columns_that_fit", "heading_of", "row_of"]

_GAP = 2


class Column(NamedTuple):
    """A column of a table."""

    key: str
    title: str
    width: int
    """Width in cells; minimum width of a column that grows."""
    priority: int = 0
    """Columns with the lowest priority are dropped first; 0 is never dropped."""
    align: Literal["left", "right"] = "left"
    grows: int = 0
    """Share of the remaining width."""
    cut: Literal["middle", "end"] = "end"
    """Where a long text is cut; names are cut in the middle, because they often differ only at the end."""


def columns_that_fit(columns: Sequence[Column], width: int) -> list[Column]:
    """Return the columns that fit `width` cells, with widths that fill it."""
    kept = list(columns)
    while sum(column.width + _GAP for column in kept) - _GAP > width:
        spare = [column for column in kept if column.priority]
        if not spare:
            break
        kept.remove(min(spare, key=lambda column: column.priority))
    growing = [column for column in kept if column.grows]
    left = width - (sum(column.width + _GAP for column in kept) - _GAP)
    shares = sum(column.grows for column in growing)
    for column in growing:
        share = max(0, left) * column.grows // shares
        left, shares = left - share, shares - column.grows
        kept[kept.index(column)] = column._replace(width=max(1, column.width + share))
    return kept


def heading_of(columns: Sequence[Column]) -> Line:
    """Return the row of column titles."""
    return row_of(columns, {column.key: (column.title, "label") for column in columns})


def row_of(columns: Sequence[Column], cells: Mapping[str, Span]) -> Line:
    """Return a row; `cells` holds the text and style of each column."""
    spans: list[Span] = []
    for column in columns:
        if spans:
            spans.append((" " * _GAP, ""))
        text, style = cells.get(column.key, ("", ""))
        text = middle(text, column.width) if column.cut == "middle" else fit(text, column.width, column.align)
        spans.append((text, style))
    return tuple(spans)
