"""Totals of past runs by workflow and series, decoded from `/progress/totals`.

Pure. All texts are cleaned and all numbers finite. Durations are in seconds.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from phaseline.filtering import Filter
from phaseline.text import one_line
from phaseline_tui.model.decoding import decode_answer
from phaseline_tui.model.jobs import JobView
from phaseline_tui.model.wire_values import measured_seconds

__all__ = ["RunTotals", "TotalLine", "Trend", "read_totals", "sum_of", "trend"]

_MAX_LINES: Final = 2000
_ENOUGH: Final = 3
"""Number of runs from which a median is compared."""
_SAME: Final = 0.02
"""Relative change of a median up to which it is the same."""


class TotalLine(msgspec.Struct, frozen=True):
    """The runs of a series. Durations are those of completed runs; `…_before` is the week before the range."""

    workflow: str
    series: str | None = ""
    runs: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    lost: int = 0
    median_seconds: float | None = None
    p95_seconds: float | None = None
    median_before_seconds: float | None = None
    runs_before: int = 0


class _Totals(msgspec.Struct):
    workflows: list[TotalLine] = []
    since: str | None = None
    until: str | None = None


class RunTotals(NamedTuple):
    """The totals of one server."""

    lines: tuple[TotalLine, ...] = ()
    """One for each workflow and series, most runs first."""
    since: str | None = None
    until: str | None = None
    problem: str = ""
    """The reason why there are no totals; empty if there are."""


def read_totals(body: bytes, lines: Filter) -> RunTotals:
    """Decode an answer of `/progress/totals`.

    Args:
        body: The answer.
        lines: Filter of workflows and series.

    Raises:
        ValueError: The body is invalid.
    """
    read = decode_answer(body, _Totals)
    found = [_cleaned(line) for line in read.workflows[:_MAX_LINES]]
    kept = [line for line in found if lines.keeps(JobView("", workflow=line.workflow, series=line.series or ""))]
    kept.sort(key=lambda line: (-line.runs, line.workflow, line.series))
    return RunTotals(tuple(kept), read.since, read.until)


def sum_of(totals: Iterable[RunTotals]) -> TotalLine:
    """Return the numbers of all runs, without durations."""
    lines = [line for each in totals for line in each.lines]
    names = ("runs", "completed", "failed", "cancelled", "lost")
    return TotalLine("", **{name: sum(getattr(line, name) for line in lines) for name in names})


class Trend(NamedTuple):
    """The change of a series' median against the week before."""

    words: str
    change: float | None
    """Relative change; None if there is nothing to compare."""


def trend(line: TotalLine) -> Trend:
    """Return the trend of a series. It is in words where an arrow alone would not be clear."""
    now, before = line.median_seconds, line.median_before_seconds
    if now is None:
        return Trend("", None)
    if not line.runs_before or not before:
        return Trend("none before", None)
    if min(line.completed, line.runs_before) < _ENOUGH:
        return Trend("few runs", None)
    change = now / before - 1.0
    if abs(change) < _SAME:
        return Trend("as before", change)
    return Trend(f"▲ {change:.0%} slower" if change > 0 else f"▼ {-change:.0%} faster", change)


def _cleaned(line: TotalLine) -> TotalLine:
    counts = ("runs", "completed", "failed", "cancelled", "lost", "runs_before")
    durations = ("median_seconds", "p95_seconds", "median_before_seconds")
    changes: dict[str, object] = {name: max(0, getattr(line, name)) for name in counts}
    changes |= {name: measured_seconds(getattr(line, name)) for name in durations}
    changes |= {"workflow": one_line(line.workflow), "series": one_line(line.series or "")}
    return msgspec.structs.replace(line, **changes)
