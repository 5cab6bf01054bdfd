"""The attribute databases: our own word lists, shipped as CSV files and loaded on first use.

The first column of a database is `name`, which is unique; the headings name the other columns. One of them affects the
selection:

- `time` (`day`, `night` or `any`): all rows of one dress agree in it.

The order of rows matters, because rows are selected by position. Adding, removing or moving a row changes pictures that
are not made yet.
"""

import csv
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from phaseline.errors import shown
from phaseline_server.pictures.errors import BadSeriesFile

__all__ = ["Database", "Row", "database", "database_names", "narrowed"]

_FOLDER: Final = files("phaseline_server.pictures") / "data"
_SUFFIX: Final = ".csv"

Row: TypeAlias = Mapping[str, str]
"""One row: column -> cell. Read-only."""


class Database(NamedTuple):
    """One database."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@cache
def database_names() -> tuple[str, ...]:
    """Return the names of all databases, in alphabetical order."""
    entries = (entry.name for entry in _FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in entries if name.endswith(_SUFFIX)))


@cache
def database(name: str) -> Database:
    """Return the database `name`.

    Raises:
        KeyError: There is no such database.
    """
    if name not in database_names():
        raise KeyError(name)
    columns, *rows = csv.reader((_FOLDER / f"{name}{_SUFFIX}").read_text("utf-8").splitlines())
    return Database(name, tuple(columns), tuple(MappingProxyType(dict(zip(columns, row, strict=True))) for row in rows))


def narrowed(name: str, filters: Sequence[str], *, series: str) -> tuple[Row, ...]:
    """Return the rows of database `name` that match a series' filters, in the database's order.

    Args:
        name: The name of a database.
        filters: Case-insensitive substrings. A row matches if one of its cells contains one of them. A filter with `=`
            is searched in `column=cell`, so `time=night` matches only rows whose time is night. Without filters, every
            row matches.
        series: The series' name, for the error text.

    Raises:
        BadSeriesFile: No row matches.
        KeyError: There is no such database.
    """
    rows = database(name).rows
    if not filters:
        return rows
    wanted = [text.casefold() for text in filters]
    left = tuple(row for row in rows if any(_holds(row, text) for text in wanted))
    if not left:
        raise BadSeriesFile(
            f"series/{series}.json",
            f"filters.{name} of series {series} is {shown(list(filters))}, which matches none of the {len(rows)} rows "
            f"of database {name}; allowed: texts found in its columns {', '.join(database(name).columns)}, "
            f"e.g. {rows[0]['name']}",
        )
    return left


def _holds(row: Row, text: str) -> bool:
    if "=" in text:
        return any(text in f"{column}={cell}".casefold() for column, cell in row.items())
    return any(text in cell.casefold() for cell in row.values())
