"""From an address to attributes: a seed, cut into chunks, each of which chooses a row of a database.

The seed is the address' SHAKE-256 digest. Digits of the address itself would be too alike: addresses are often
short, begin with zeros, or differ in their last digit only, and still their pictures should have nothing in common.
The digest is the same on any machine, and a longer one begins with the shorter, so that an attribute added at the end
of the plan leaves all others as they are. The series is not in it: a series narrows what may be chosen, and the same
address in two series is the same idea seen twice.
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
"""The attributes of a dress, (name, database), in the order in which they are chosen. Append only."""

_CHUNK: Final = 6
"""Hexadecimal digits for each attribute."""

_ANY: Final = "any"
_STEM: Final = 4
"""Letters that two words must share to sound like an echo (softly soft, playfully playful)."""

Record: TypeAlias = Mapping[str, str]


class Attribute(msgspec.Struct, frozen=True):
    """How one row was chosen.

    Attributes:
        database: From which database.
        name: What it is in the dress.
        bytes: Its chunk of the seed, in hexadecimal digits.
        number: The chunk as a number, 0 to 16**6 - 1.
        factor: `number / 16**6`, in [0, 1).
        count: From how many rows it was chosen: those that filters and the attributes before it left.
        selector: Which of these rows, from 0: `factor * count`, rounded down.
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
    """All that follows from a series and an address, before any words are made of it."""

    seed: str
    chunks: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    records: tuple[Record, ...]

    def by_name(self) -> dict[str, Record]:
        """Return the chosen rows by the names of their attributes."""
        return {attribute.name: record for attribute, record in zip(self.attributes, self.records, strict=True)}


def choose(series: Series, address: str) -> Selection:
    """Choose all attributes.

    Args:
        series: Whose filters count.
        address: Valid, in lower case.

    Raises:
        BadSeriesFile: A filter leaves nothing.
    """
    digits = _CHUNK * len(PLAN)
    seed = hashlib.shake_256(address.encode("ascii")).hexdigest(digits // 2)
    chunks = tuple(seed[start : start + _CHUNK] for start in range(0, digits, _CHUNK))
    chosen: dict[str, Row] = {}
    attributes = []
    for (name, database), chunk in zip(PLAN, chunks, strict=True):
        rows = narrowed(database, series.filters.get(database, ()), series=series.name)
        # A series may leave so few rows that none agrees with the rest; then discord is what it asks for.
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
    """Return the rows that go with what is chosen already: no word twice, no echo, no moonlight at noon."""
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
