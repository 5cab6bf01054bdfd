"""Drawing of statistics: a row for each phase, and a summary of a workflow."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from phaseline_tui.drawing.cells import Line, middle
from phaseline_tui.drawing.hosts import sparkline
from phaseline_tui.drawing.tables import Column, columns_that_fit, heading_of, row_of
from phaseline_tui.model.figures import EtaFigures, Failures, PhaseFigures, SlowRun
from phaseline_tui.model.words import UNKNOWN, count_of, fine_duration_of

__all__ = ["eta_lines", "failure_lines", "figures_heading", "figures_row", "slow_lines"]

_COLUMNS: Final = (
    Column("workflow", "WORKFLOW", 10),
    Column("series", "SERIES", 10, priority=9),
    Column("phase", "PHASE", 14, grows=1, cut="middle"),
    Column("count", "RUNS", 5, priority=7, align="right"),
    Column("ema", "EMA", 7, align="right"),
    Column("p50", "P50", 7, priority=8, align="right"),
    Column("p95", "P95", 7, priority=6, align="right"),
    Column("p99", "P99", 7, priority=5, align="right"),
    Column("recent", "LAST RUNS", 20, priority=3),
    Column("share", "SHARE", 10, priority=2),
)
_RECENT: Final = 20
_SHARE: Final = 10
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_GOOD_ERROR: Final = 0.25
_FAIR_ERROR: Final = 0.5
_MAX: Final = 5


def figures_heading(width: int) -> Line:
    """Return the column titles."""
    return heading_of(columns_that_fit(_COLUMNS, width))


def figures_row(figures: PhaseFigures, before: PhaseFigures | None, total: float, width: int) -> Line:
    """Return the row of a phase.

    Args:
        figures: Statistics of the phase.
        before: The row above; equal names are not repeated.
        total: Sum of the average seconds of all phases of the series.
        width: Width in cells.
    """
    same_workflow = before is not None and before.workflow == figures.workflow
    same_series = same_workflow and before is not None and before.series == figures.series
    share = (figures.avg_seconds or 0.0) / total if total > 0 else 0.0
    return row_of(
        columns_that_fit(_COLUMNS, width),
        {
            "workflow": ("" if same_workflow else figures.workflow, "strong"),
            "series": ("" if same_series else figures.series or "", "text"),
            "phase": (figures.phase, "text"),
            "count": (f"{figures.count}" if figures.count else UNKNOWN, "muted"),
            "ema": (fine_duration_of(figures.avg_seconds), "strong"),
            "p50": (fine_duration_of(figures.p50_seconds), "text"),
            "p95": (fine_duration_of(figures.p95_seconds), "text"),
            "p99": (fine_duration_of(figures.p99_seconds), "muted"),
            "recent": (sparkline(figures.recent_seconds[-_RECENT:]), "past"),
            "share": (_bar(share), "now"),
        },
    )


def failure_lines(failures: Iterable[Failures], workflow: str) -> list[Line]:
    """Return the number of failed jobs of `workflow` by phase."""
    mine = sorted((each for each in failures if each.workflow == workflow), key=lambda each: -each.count)
    lines: list[Line] = [((" FAILED IN", "label"),)]
    if not mine:
        lines.append(((" no failures", "muted"),))
    top = max((each.count for each in mine), default=0)
    for each in mine[:_MAX]:
        name = f"{each.phase or 'no phase':<18.18}"
        lines.append(((f" {name} ", "text"), (f"{each.count:>4} ", "bad-strong"), (_bar(each.count / top), "bad")))
    return lines


def slow_lines(
    slowest: Iterable[SlowRun], workflow: str, name_of: Callable[[str], str], name_width: int = 28
) -> list[Line]:
    """Return the longest runs of `workflow`; `name_of` returns the name of a job by its id."""
    mine = sorted((each for each in slowest if each.workflow == workflow), key=lambda each: -each.seconds)
    lines: list[Line] = [((f" SLOWEST RUNS OF {workflow}", "label"),)]
    if not mine:
        lines.append(((" none yet", "muted"),))
    for each in mine[:_MAX]:
        name = middle(name_of(each.job_id), name_width)
        ended = (each.ended_at or "").replace("T", " ")[:16]
        lines.append(((f" {fine_duration_of(each.seconds):>7} ", "strong"), (f"{name} ", "text"), (ended, "muted")))
    return lines


def eta_lines(eta: Sequence[EtaFigures], workflow: str) -> list[Line]:
    """Return the accuracy of the estimated remaining times of `workflow`."""
    lines: list[Line] = [((" ETA ACCURACY", "label"),)]
    mine = [each for each in eta if each.workflow == workflow and each.runs]
    if not mine:
        lines.append(((" not measured yet", "muted"),))
    for each in mine[:_MAX]:
        error, coverage = each.model.median_error, each.model.coverage
        spans: list[tuple[str, str]] = [(f" {each.series or workflow}: ", "text")]
        spans.append((UNKNOWN if error is None else f"±{error:.0%}", _tone(error)))
        if coverage is not None:
            spans.append((f" · {coverage:.0%} in the band", "text"))
        spans.append((f" · {count_of(each.runs or 0, 'run')}", "muted"))
        if each.ema.median_error is not None:
            spans.append((f" · EMA ±{each.ema.median_error:.0%}", "muted"))
        lines.append(tuple(spans))
    return lines


def _tone(error: float | None) -> str:
    if error is None:
        return "muted"
    return "good" if error <= _GOOD_ERROR else "warn" if error <= _FAIR_ERROR else "bad"


def _bar(share: float) -> str:
    eighths = round(min(1.0, max(0.0, share)) * _SHARE * 8)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()
