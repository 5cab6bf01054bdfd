"""The strip of a job's phases along its time, each against its average."""

from typing import Final, NamedTuple

from phaseline_tui.drawing.bars import EIGHTHS
from phaseline_tui.drawing.cells import Line, Span
from phaseline_tui.jobs import JobView, PhaseState, PhaseView

__all__ = ["Strip", "strips"]

_STYLES: Final = {
    PhaseState.DONE: "past",
    PhaseState.CURRENT: "now",
    PhaseState.FAILED: "bad",
}
_MARK: Final = "│"
_TO_COME: Final = "╌"
_BEYOND_AVERAGE: Final = 1.05
"""A phase is called slow from here on; below, it is as long as always."""


class Strip(NamedTuple):
    """Where a phase lies in time, in seconds from the job's start."""

    start: float
    end: float
    average_end: float | None
    state: PhaseState

    def draw(self, width: int, total: float) -> Line:
        """Return the strip in `width` cells that stand for `total` seconds.

        A solid bar is the time taken, in a warning colour where it goes beyond the average; the upright mark is
        the average; a dashed line is what is expected.
        """
        scale = width * 8 / total if total > 0 else 0.0
        start = min(width - 1, int(self.start * scale) // 8)
        mark = None if self.average_end is None else min(width - 1, int(self.average_end * scale) // 8)
        if self.state is PhaseState.PENDING:
            return _expected(start, mark, width)
        units = max(1, round(self.end * scale) - start * 8)
        units = min(units, (width - start) * 8)
        slow = self.average_end is not None and (
            self.end - self.start > _BEYOND_AVERAGE * (self.average_end - self.start)
        )
        style = _STYLES.get(self.state, "muted")
        cells: list[Span] = [(" ", "")] * width
        for cell in range(start, min(width, start + (units + 7) // 8)):
            filled = min(8, units - (cell - start) * 8)
            beyond = slow and mark is not None and cell > mark
            cells[cell] = (EIGHTHS[filled], "over" if beyond else style)
        if mark is not None:
            covered = cells[mark][0] != " "
            cells[mark] = (_MARK, f"mark/{cells[mark][1]}" if covered and cells[mark][0] == "█" else "muted")
            if self.state is PhaseState.CURRENT and not covered:
                for cell in range(start + (units + 7) // 8, mark):
                    cells[cell] = (_TO_COME, "rest")
        return _merged(cells)


def strips(job: JobView, now: float) -> tuple[list[Strip | None], float]:
    """Return where each phase of `job` lies, None for those that never were, and the seconds that all of it spans."""
    found: list[Strip | None] = []
    at = 0.0
    elapsed = job.elapsed_at(now)
    for phase in job.phases:
        strip = _place(job, phase, at, now)
        found.append(strip)
        if strip is not None:
            at = max(at, strip.end)
        if phase.state is PhaseState.CURRENT and strip is not None:
            at = max(at, strip.average_end or 0.0)
    left = job.remaining_at(now)
    ends = [strip.average_end or 0.0 for strip in found if strip is not None]
    return found, max([elapsed, at, elapsed + (left.likely if left else 0.0), *ends, 1e-3])


def _place(job: JobView, phase: PhaseView, at: float, now: float) -> Strip | None:
    if phase.state is PhaseState.SKIPPED:
        return None
    if phase.state is PhaseState.PENDING:
        if job.over or phase.average is None:
            return None
        start = max(at, job.elapsed_at(now))
        return Strip(start, start + phase.average, start + phase.average, phase.state)
    spent = job.phase_elapsed_at(phase, now) or 0.0
    start = phase.offset if phase.offset is not None else at
    return Strip(start, start + spent, None if phase.average is None else start + phase.average, phase.state)


def _expected(start: int, mark: int | None, width: int) -> Line:
    end = max(start + 1, mark if mark is not None else start + 1)
    return ((" " * start, ""), (_TO_COME * (end - start), "rest"), (" " * (width - end), ""))


def _merged(cells: list[Span]) -> Line:
    spans: list[Span] = []
    for text, style in cells:
        if spans and spans[-1][1] == style:
            spans[-1] = (spans[-1][0] + text, style)
        else:
            spans.append((text, style))
    return tuple(spans)
