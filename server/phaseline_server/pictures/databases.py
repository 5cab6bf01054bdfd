"""The attribute databases: our own word lists, shipped as CSV files and read when first asked for.

A database's first column is `name`, unique in it; what its other columns are is told by their headings. Columns that
the choice of a dress looks at:

- `time` (`day`, `night` or `any`): rows of one dress agree in it.

The order of rows matters: a dress is chosen by position, so a row that is added, removed or moved changes pictures
that have not been made yet.
"""

import csv
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from phaseline.errors import BadSeriesFile, shown

__all__ = ["Database", "Row", "database", "database_names", "narrowed"]

_FOLDER: Final = files("phaseline_server.pictures") / "data"
_SUFFIX: Final = ".csv"

Row: TypeAlias = Mapping[str, str]
"""One row: column -> cell. Read-only."""


class Database(NamedTuple):
    """One database, as it is shipped."""

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
    """Return the database `name`, read from the package the first time.

    Raises:
        KeyError: There is none of this name.
    """
    if name not in database_names():
        raise KeyError(name)
    columns, *rows = csv.reader((_FOLDER / f"{name}{_SUFFIX}").read_text("utf-8").splitlines())
    return Database(name, tuple(columns), tuple(MappingProxyType(dict(zip(columns, row, strict=True))) for row in rows))


def narrowed(name: str, filters: Sequence[str], *, series: str) -> tuple[Row, ...]:
    """Return the rows of database `name` that a series' filters leave, in the database's order.

    Args:
        name: A database.
        filters: Substrings, upper or lower case alike; a row stays if one of its cells contains one of them. A filter
            with `=` is searched in `column=cell`, so `time=night` leaves only rows whose time is night. None at all
            leaves every row.
        series: Whose filters these are, for the error's text.

    Raises:
        BadSeriesFile: They leave no row.
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
            f"filters.{name} of series {series} is {shown(list(filters))} and leaves none of the {len(rows)} rows of "
            f"database {name}; allowed: texts found in its columns {', '.join(database(name).columns)}, "
            f"e.g. {rows[0]['name']}",
        )
    return left


def _holds(row: Row, text: str) -> bool:
    if "=" in text:
        return any(text in f"{column}={cell}".casefold() for column, cell in row.items())
    return any(text in cell.casefold() for cell in row.values())
