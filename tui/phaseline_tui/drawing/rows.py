"""Drawing of a job's line in the list."""

from typing import Final

from phaseline_tui.drawing.cells import Line, Span, fit
from phaseline_tui.drawing.columns import BETWEEN, COLUMNS, Columns, begin_of
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.model.jobs import JobView, State
from phaseline_tui.model.words import UNKNOWN, clock_time, spent

__all__ = ["row"]

_MIN_WORDS: Final = 16
"""Minimum width of a job's error; other texts need additional room."""
_DRAW: Final = {column.name: column.draw for column in COLUMNS}


def row(job: JobView, columns: Columns, scene: Scene) -> Line:
    """Return the line of `job`, exactly as wide as `columns`."""
    spans: list[Span] = []
    # Jobs that ended badly show a text in place of the bar.
    shows_text = not job.state.at_work and job.state is not State.COMPLETED
    fills = not scene.shades
    for name, width in (columns.joined if shows_text else columns.widths).items():
        if spans:
            # Except after a fill, the gap has the style before it, because a change of style costs up to forty bytes.
            text, style = spans[-1]
            if fills and style.endswith("/"):
                spans.append((" ", ""))
            else:
                spans[-1] = (f"{text} ", style)
        if shows_text and name == "bar":
            eta = columns.widths.get("eta", 0)
            waits = job.state is State.QUEUED and width > eta + 1
            spans += _waiting(job, width, eta, scene) if waits else _words(job, width, scene)
        else:
            spans += _DRAW[name](job, width, columns, scene)
    return tuple(spans)


def _waiting(job: JobView, width: int, eta: int, scene: Scene) -> list[Span]:
    """Return the place of a queued job, and in the last `eta` cells when it is likely to start."""
    return [(f"{fit(job.remark, width - eta - 1)} ", "muted"), *begin_of(job, eta, scene)]


def _words(job: JobView, width: int, scene: Scene) -> list[Span]:
    """Return the text of an ended job: its error, elapsed time and end."""
    style = "bad" if job.state.bad else "muted"
    words = _reason(job) if job.state.bad else job.remark or job.state.word
    at = clock_time(job.completed_at, scene.local, scene.wall)
    at = at.rpartition(" ")[0] or at  # on another day, show only the day
    times = f" {spent(job.elapsed_at(scene.now))}{'' if at == UNKNOWN else f'{BETWEEN}{at}'}"
    room = width - len(times)
    if room < _MIN_WORDS:
        return [(fit(words, width), style)]
    return [(fit(words, room), style), (times, "muted")]


def _reason(job: JobView) -> str:
    """Return the error of a job, without its name, which is in the same row."""
    reason = job.failure or "no reason given"
    return reason.removeprefix(job.name).lstrip(" :,") or reason
