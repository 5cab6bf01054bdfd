"""What a job shows of each program, from the data of the adapters: the table in `docs/run.md` and `phaseline adapters`.

`python -m phaseline_cli.run.catalog` prints the table of the documentation.
"""

import sys
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from phaseline_cli.run.adapter import Adapter, load
from phaseline_cli.run.hooked import TRAININGS

NOTHING: Final = "\u2013"
_COUNTING: Final = frozenset({"done", "each", "left"})
_UNITS: Final = {"": "items", "time": "seconds"}


class Shown(NamedTuple):
    """What a job shows of one program; empty: nothing."""

    program: str
    progress: str
    """What its progress is of."""
    counts: str
    """What it counts as done, and usually of how many."""
    estimate: str
    """The run that has the first estimate of the remaining time: `1st` or `2nd`."""
    error: str
    """`yes` if the program's own error lines are known; else they are recognized by their words."""
    channel: str
    """What makes the program report more than it prints."""
    phases: str


def shown(adapter: Adapter) -> Shown:
    """Return what a job shows of a program."""
    words = adapter.shows
    parts = "one for each" in words.phases  # the number of later phases is unknown at first
    return Shown(
        program=adapter.name,
        progress=words.progress,
        counts=words.counts or _counted(adapter),
        estimate="1st" if words.progress.startswith("job") and not parts else "2nd",
        error="yes" if adapter.errors else "",
        channel=_channel(adapter),
        phases=words.phases or ", ".join(adapter.phases),
    )


def table(rows: Iterable[Shown]) -> Iterator[str]:
    """Yield the lines of a table for a terminal."""
    head = tuple(name.upper() for name in Shown._fields)
    cells = [head, *(tuple(cell or "-" for cell in row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def markdown(rows: Iterable[Shown]) -> Iterator[str]:
    """Yield the lines of a table for the documentation."""
    yield "| " + " | ".join(Shown._fields) + " |"
    yield "|---" * len(Shown._fields) + "|"
    for row in rows:
        yield "| " + " | ".join(cell or NOTHING for cell in row) + " |"


def _counted(adapter: Adapter) -> str:
    counting = [rule for rule in adapter.rules if _COUNTING & rule.pattern.groupindex.keys()]
    return " or ".join(dict.fromkeys(rule.label or _UNITS.get(rule.unit, rule.unit) for rule in counting))


def _channel(adapter: Adapter) -> str:
    if adapter.name in TRAININGS:
        return "Python hook"
    inject = adapter.inject
    return "" if inject is None else ", ".join([*inject.arguments[:1], *inject.environment])


if __name__ == "__main__":
    for line in markdown(shown(adapter) for _, adapter in sorted(load().items())):
        sys.stdout.write(f"{line}\n")
