"""The selection of attributes for an address: a seed is divided into chunks, and each chunk selects a row.

The seed is the SHAKE-256 digest of the address. The digits of the address are too similar for this: addresses are often
short, begin with zeros or differ only in the last digit, but their pictures should have nothing in common. The digest
is the same on every machine. A longer digest begins with the shorter one, so adding an attribute at the end of the plan
does not change the others. The seed does not depend on the series, which only limits the selection: the same address in
two series is the same idea twice.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

import msgspec

from phaseline_server.pictures.databases import Row, narrowed
from phaseline_server.pictures.series import Series

__all__ = ["PLAN", "Attribute", "Record", "Selection", "choose"]

PLAN: Final[tuple[tuple[str, str], ...]] = (
    ("adverb", "adverbs"),
    ("adjective", "adjectives"),
    ("noun", "nouns"),
    ("occupation", "occupations"),
    ("action", "actions"),
    ("prop", "props"),
    ("emotion", "emotions"),
    ("gaze", "gazes"),
    ("place", "places"),
    ("light", "lights"),
    ("weather", "weather"),
    ("era", "eras"),
    ("artstyle1", "artstyles"),
    ("artstyle2", "artstyles"),
    ("litstyle", "litstyles"),
    ("composition", "compositions"),
    ("palette", "palettes"),
    ("color1", "colors"),
    ("color2", "colors"),
    ("texture", "textures"),
    ("pattern", "patterns"),
)
"""The attributes of a dress, (name, database), in the order of selection. Append only."""

_CHUNK: Final = 6
"""Hexadecimal digits per attribute."""

_ANY: Final = "any"
_STEM: Final = 4
"""Length of a common beginning that makes two words an echo (softly soft, playfully playful)."""

Record: TypeAlias = Mapping[str, str]


class Attribute(msgspec.Struct, frozen=True):
    """The selection of one row.

    Attributes:
        database: The name of the database.
        name: The name of the attribute in the dress.
        bytes: Its chunk of the seed, in hexadecimal digits.
        number: The chunk as a number, 0 to 16**6 - 1.
        factor: `number / 16**6`, in [0, 1).
        count: The number of candidate rows, after filters and the constraints of earlier attributes.
        selector: The index of the row among the candidates: `factor * count`, rounded down.
        value: The row's name.
    """

    database: str
    name: str
    bytes: str
    number: int
    factor: float
    count: int
    selector: int
    value: str


class Selection(NamedTuple):
    """The complete selection for a series and an address."""

    seed: str
    chunks: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    records: tuple[Record, ...]

    def by_name(self) -> dict[str, Record]:
        """Return the selected rows by attribute name."""
        return {attribute.name: record for attribute, record in zip(self.attributes, self.records, strict=True)}


def choose(series: Series, address: str) -> Selection:
    """Return the selection of all attributes.

    Args:
        series: The series, whose filters apply.
        address: A valid address, in lower case.

    Raises:
        BadSeriesFile: A filter matches no row.
    """
    digits = _CHUNK * len(PLAN)
    seed = hashlib.shake_256(address.encode("ascii")).hexdigest(digits // 2)
    chunks = tuple(seed[start : start + _CHUNK] for start in range(0, digits, _CHUNK))
    chosen: dict[str, Row] = {}
    attributes = []
    for (name, database), chunk in zip(PLAN, chunks, strict=True):
        rows = narrowed(database, series.filters.get(database, ()), series=series.name)
        # If the filters leave no row that fits the earlier ones, the filters have priority.
        rows = _agreeing(rows, name, chosen) or rows
        number = int(chunk, 16)
        selector = number * len(rows) >> 4 * _CHUNK
        chosen[name] = rows[selector]
        attributes.append(
            Attribute(
                database=database,
                name=name,
                bytes=chunk,
                number=number,
                factor=number / 16**_CHUNK,
                count=len(rows),
                selector=selector,
                value=rows[selector]["name"],
            )
        )
    return Selection(seed, chunks, tuple(attributes), tuple(dict(row) for row in chosen.values()))


def _agreeing(rows: Sequence[Row], name: str, chosen: Mapping[str, Row]) -> tuple[Row, ...]:
    """Return the rows that fit the rows already chosen: no duplicate names, no echo, the same time of day."""
    taken = {row["name"] for row in chosen.values()}
    times = {row.get("time", _ANY) for row in chosen.values()} - {_ANY}
    echo = chosen["adverb"]["name"][:_STEM] if name == "adjective" else None
    return tuple(
        row
        for row in rows
        if row["name"] not in taken
        and row["name"][:_STEM] != echo
        and (not times or row.get("time", _ANY) in {_ANY, *times})
    )
