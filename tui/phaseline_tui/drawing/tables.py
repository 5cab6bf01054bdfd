"""Tables of lines: columns that give way, the least important first, until a line fits."""

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
    """In cells; of a column that grows, the least."""
    worth: int = 0
    """Of several, the one that is worth least is left out first; 0 is never left out."""
    align: Literal["left", "right"] = "left"
    grows: int = 0
    """How large its share is of the room that is left."""
    cut: Literal["middle", "end"] = "end"
    """Where a text that is too long is cut: the end of a name tells it from its neighbours."""


def columns_that_fit(columns: Sequence[Column], width: int) -> list[Column]:
    """Return the columns to show in `width` cells, with the widths that fill it."""
    kept = list(columns)
    while sum(column.width + _GAP for column in kept) - _GAP > width:
        spare = [column for column in kept if column.worth]
        if not spare:
            break
        kept.remove(min(spare, key=lambda column: column.worth))
    growing = [column for column in kept if column.grows]
    left = width - (sum(column.width + _GAP for column in kept) - _GAP)
    shares = sum(column.grows for column in growing)
    for column in growing:
        share = max(0, left) * column.grows // shares
        left, shares = left - share, shares - column.grows
        kept[kept.index(column)] = column._replace(width=max(1, column.width + share))
    return kept


def heading_of(columns: Sequence[Column]) -> Line:
    """Return the titles."""
    return row_of(columns, {column.key: (column.title, "label") for column in columns})


def row_of(columns: Sequence[Column], cells: Mapping[str, Span]) -> Line:
    """Return a row; a cell is a text with its style."""
    spans: list[Span] = []
    for column in columns:
        if spans:
            spans.append((" " * _GAP, ""))
        text, style = cells.get(column.key, ("", ""))
        text = middle(text, column.width) if column.cut == "middle" else fit(text, column.width, column.align)
        spans.append((text, style))
    return tuple(spans)
