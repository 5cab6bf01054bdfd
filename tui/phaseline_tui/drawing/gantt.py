"""Strips: the phases of a job on a time axis, each with its average."""

from typing import Final, NamedTuple

from phaseline_tui.drawing.bars import EIGHTHS
from phaseline_tui.drawing.cells import Line, Span
from phaseline_tui.model.jobs import JobView, PhaseState, PhaseView

__all__ = ["Strip", "is_slow", "merged", "strips"]

_STYLES: Final = {
    PhaseState.DONE: "past",
    PhaseState.CURRENT: "now",
    PhaseState.FAILED: "bad",
}
_MARK: Final = "│"
_SLOW_MARK: Final = "╵"
_PENDING: Final = "╌"
_SLOW: Final = 1.25
_SLOW_SECONDS: Final = 0.1
_RELIABLE_SHARE: Final = 0.05
"""Fraction of a phase from which its rate of progress predicts its end."""


class Strip(NamedTuple):
    """The times of a phase, in seconds from the start of the job."""

    state: PhaseState
    start: float
    end: float
    """End of the phase, or the current time."""
    usual_end: float | None
    """Its end with the average duration."""
    likely_end: float
    """Its estimated end."""
    label: str = ""
    """Its progress, if its worker reports it."""
    slow_end: float | None = None
    """Its end with the 90th percentile of durations, if known."""

    def draw(self, width: int, total: float, *, shades: bool) -> Line:
        """Return the strip in `width` cells, which represent `total` seconds.

        A solid bar is the time taken, in a warning color beyond the average. A dim bar is the estimated rest of the
        current phase, a dashed line the average of a pending one. The full-height mark is the average end; the
        half-height mark is the 90th percentile.
        """
        scale = width * 8 / total if total > 0 else 0.0
        first = min(width - 1, int(self.start * scale) // 8)
        mark = None if self.usual_end is None else min(width - 1, int(self.usual_end * scale) // 8)
        cells: list[Span] = [(" ", "")] * width
        likely = min(width, max(first + 1, -int(-self.likely_end * scale // 8)))
        if self.state is PhaseState.PENDING:
            cells[first:likely] = [(_PENDING, "faint")] * (likely - first)
            return merged(cells)
        if self.state is PhaseState.CURRENT:
            cells[first:likely] = [(" ", "rest/rest") if shades else ("░", "rest/")] * (likely - first)
        units = min((width - first) * 8, max(1, round(self.end * scale) - first * 8))
        style = _STYLES.get(self.state, "muted")
        for cell in range(first, first + (units + 7) // 8):
            filled = min(8, units - (cell - first) * 8)
            over = self._over and mark is not None and cell > mark
            fill = "over" if over else style
            under = cells[cell][1].partition("/")[2]
            if filled < 8:  # noqa: PLR2004 (eighths of a cell)
                cells[cell] = (EIGHTHS[filled], f"{fill}/{under}")
            elif shades:
                cells[cell] = ("█", f"{fill}/{fill}")
            else:
                cells[cell] = ("▓" if over else "█", f"{fill}/")
        # If the bar ends in the cell of the mark, it needs no mark.
        if mark is not None and cells[mark][0] in " █▓░":
            under = cells[mark][1].partition("/")[2]
            cells[mark] = (_MARK, f"text/{under}" if under else "muted")
        slow = None if self.slow_end is None else int(self.slow_end * scale) // 8
        if slow is not None and slow < width and slow != mark and cells[slow][0] in " ░":
            under = cells[slow][1].partition("/")[2]
            cells[slow] = (_SLOW_MARK, f"text/{under}" if under else "muted")
        self._write_label(cells, max(likely, first + (units + 7) // 8, 0 if mark is None else mark + 1))
        return merged(cells)

    @property
    def _over(self) -> bool:
        """Whether the part beyond the average has a warning color."""
        usual = None if self.usual_end is None else self.usual_end - self.start
        return self.state is not PhaseState.FAILED and is_slow(self.end - self.start, usual)

    def _write_label(self, cells: list[Span], after: int) -> None:
        """Write the label after the bar, or at its end if there is no room."""
        at = min(after + 1, len(cells) - len(self.label))
        if not self.label or at < 0:
            return
        for cell, character in enumerate(self.label, at):
            under = cells[cell][1].partition("/")[2]
            cells[cell] = (character, f"strong/{under}" if under else "now")


def is_slow(spent: float | None, average: float | None) -> bool:
    """Return whether a phase took much longer than its average."""
    return spent is not None and average is not None and spent > _SLOW * average + _SLOW_SECONDS


def strips(job: JobView, now: float) -> tuple[list[Strip | None], float]:
    """Return the strip of each phase of `job`, None for phases without one, and the seconds that all of them span."""
    found: list[Strip | None] = []
    at = 0.0
    for phase in job.phases:
        strip = _strip_of(job, phase, at, now)
        found.append(strip)
        if strip is not None:
            at = max(at, strip.likely_end)
    left = job.remaining_at(now)
    end = job.elapsed_at(now) + (max(0.0, left.likely) if left else 0.0)
    return found, max([end, at, *(strip.usual_end or 0.0 for strip in found if strip is not None), 1e-3])


def _strip_of(job: JobView, phase: PhaseView, at: float, now: float) -> Strip | None:
    if phase.state is PhaseState.SKIPPED:
        return None
    if phase.state is PhaseState.PENDING:
        if job.over or phase.average is None:
            return None
        start = max(at, job.elapsed_at(now))
        return Strip(phase.state, start, start, None, start + phase.average)
    spent = job.phase_elapsed_at(phase, now) or 0.0
    start = phase.offset if phase.offset is not None else at
    end = start + spent
    usual = None if phase.average is None else start + phase.average
    slow = None if phase.p90 is None else start + phase.p90
    if phase.state is not PhaseState.CURRENT:
        return Strip(phase.state, start, end, usual, end, slow_end=slow)
    if phase.progress is None:
        return Strip(phase.state, start, end, usual, max(end, usual or 0.0), slow_end=slow)
    done = phase.progress / 100.0
    if phase.average is not None:
        likely = spent + (1.0 - done) * phase.average  # a rate of progress is unreliable early in a phase
    else:
        likely = spent / done if done >= _RELIABLE_SHARE else spent
    return Strip(phase.state, start, end, usual, start + likely, f"{int(phase.progress)}%", slow)


def merged(cells: list[Span]) -> Line:
    """Return `cells` with adjacent cells of one style merged into one span."""
    spans: list[Span] = []
    for text, style in cells:
        if spans and spans[-1][1] == style:
            spans[-1] = (spans[-1][0] + text, style)
        else:
            spans.append((text, style))
    return tuple(spans)
