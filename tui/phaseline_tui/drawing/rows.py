"""Drawing of a job's line in the list."""

from collections.abc import Callable
from typing import Final

from phaseline_tui.drawing.bars import bar
from phaseline_tui.drawing.cells import Line, Span, blank, fit, middle, pad_line
from phaseline_tui.drawing.columns import Columns
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.model.history_totals import TotalLine
from phaseline_tui.model.jobs import WORKER_GONE, JobView, Shares, State
from phaseline_tui.model.words import UNKNOWN, band, clock_time, remaining, spent, state_glyph, state_word

__all__ = ["row", "source_of", "state_style"]

_STATE_STYLES: Final = {
    State.ACTIVE: "now",
    State.STALLED: "warn",
    State.LOST: "bad",
    State.COMPLETED: "good",
    State.FAILED: "bad",
    State.CANCELLED: "muted",
}
_BETWEEN: Final = " · "
_MIN_WORDS: Final = 16
"""Minimum width of a job's error; other texts need additional room."""


def _shows_text(state: State) -> bool:
    """Return whether jobs in this state show a text in place of the bar."""
    return not state.at_work and state is not State.COMPLETED


def state_style(state: State) -> str:
    """Return the style of a state."""
    return _STATE_STYLES.get(state, "muted")


def source_of(shown: JobView | TotalLine) -> str:
    """Return the workflow and series of a job or of totals: `dalle·simple`."""
    return "·".join(part for part in (shown.workflow, shown.series) if part)


def row(job: JobView, columns: Columns, scene: Scene) -> Line:
    """Return the line of `job`, exactly as wide as `columns`."""
    spans: list[Span] = []
    for name, width in (columns.joined if _shows_text(job.state) else columns.widths).items():
        if spans:
            # Except after a fill, the gap has the style before it, because a change of style costs up to forty bytes.
            text, style = spans[-1]
            if "/" in style:
                spans.append((" ", ""))
            else:
                spans[-1] = (f"{text} ", style)
        spans += _CELLS[name](job, width, columns, scene)
    return tuple(spans)


def _text(job: JobView, scene: Scene) -> str:
    """Return the style of a job's plain text."""
    return "muted" if (job.state.ended and not job.state.bad) or scene.stale else "text"


def _mark(job: JobView, _width: int, _columns: Columns, _scene: Scene) -> list[Span]:
    return [(state_glyph(job.state), state_style(job.state))]


def _state(job: JobView, width: int, _columns: Columns, _scene: Scene) -> list[Span]:
    return [(fit(state_word(job.state), width), state_style(job.state))]


def _name(job: JobView, width: int, columns: Columns, scene: Scene) -> list[Span]:
    # Without a source column, an address alone would not identify the picture.
    bare = columns.has_source or not job.job_id.startswith("dalle:")
    name = job.name if bare else job.job_id.removeprefix("dalle:").replace(":", "/")
    return [(middle(name, width), _text(job, scene))]


def _source(job: JobView, width: int, _columns: Columns, _scene: Scene) -> list[Span]:
    return [(fit(source_of(job), width), "muted")]


def _phase(job: JobView, width: int, _columns: Columns, scene: Scene) -> list[Span]:
    if not job.phase_count:
        return [(" " * width, "")]
    place = f"{job.phase_index}/{job.phase_count}"
    phase = job.current
    if job.state is State.COMPLETED or phase is None:
        return [(fit(place, width), "muted")]
    return [(place, "muted"), (fit(f" {phase.name}", width - len(place)), _text(job, scene))]


def _bar(job: JobView, width: int, _columns: Columns, scene: Scene) -> list[Span]:
    if _shows_text(job.state):
        return _words(job, width, scene)
    if job.state is State.COMPLETED:
        return [("━" * width, "past")]
    shares = job.shares_at(scene.now)
    if scene.stale or job.state is State.STALLED:
        shares = Shares(shares.percent, shares.percent, shares.percent)
    return list(bar(shares, width, shades=scene.shades))


def _words(job: JobView, width: int, scene: Scene) -> list[Span]:
    """Return the text of an ended job: its error, elapsed time and end."""
    style = "muted"
    if job.state is State.CANCELLED:
        words = job.failure or "cancelled"
    elif job.state is State.LOST:
        words, style = job.failure, "bad"
    else:
        words, style = _reason(job), "bad"
    at = clock_time(job.completed_at, scene.local, scene.wall)
    at = at.rpartition(" ")[0] or at  # on another day, show only the day
    times = f" {spent(job.elapsed_at(scene.now))}{'' if at == UNKNOWN else f'{_BETWEEN}{at}'}"
    room = width - len(times)
    if room < _MIN_WORDS:
        return [(fit(words, width), style)]
    return [(fit(words, room), style), (times, "muted")]


def _reason(job: JobView) -> str:
    """Return the error of a job, without its name, which is in the same row."""
    reason = job.failure or "no reason given"
    return reason.removeprefix(job.name).lstrip(" :,") or reason


def _percent(job: JobView, width: int, _columns: Columns, scene: Scene) -> list[Span]:
    return [(fit(f"{int(job.percent_at(scene.now))}%", width, "right"), _text(job, scene))]


def _elapsed(job: JobView, width: int, _columns: Columns, scene: Scene) -> list[Span]:
    return [(fit(spent(job.elapsed_at(scene.now)), width, "right"), _text(job, scene))]


def _eta(job: JobView, width: int, columns: Columns, scene: Scene) -> list[Span]:
    if job.over:
        return [_ended(job, width, columns, scene)]
    if job.state is State.STALLED and (words := _stalled(job, width, columns, scene)):
        return [(fit(words, width), "warn")]
    left = job.remaining_at(scene.now)
    words = remaining(left)
    if left is None:
        return [(fit(words, width), "muted")]
    if left.likely <= -1.0:
        return [(fit(words, width), "warn")]
    at = clock_time(scene.wall + left.likely, scene.local, scene.wall)
    room = width - len(_BETWEEN) - len(words)
    if len(at) > room:
        at = at.rpartition(" ")[0] or at  # show only the day
    spans = [(f"{at}{_BETWEEN}", "muted"), (words, "muted" if scene.stale else "strong")]
    room -= len(at)
    text = "" if left.low is None or left.high is None else f" ({band(left.low, left.high)})"
    if text and len(text) <= room:
        spans.append((text, "muted"))
        room -= len(text)
    if room > 0:
        spans.append(blank(room))
    return spans if room >= 0 else list(pad_line(tuple(spans), width))


def _stalled(job: JobView, width: int, columns: Columns, scene: Scene) -> str:
    """Return why a job stalled and for how long; empty if unknown and shown by the state column."""
    silence = job.silence_at(scene.now)
    if silence is None:
        return "" if columns.has_state else "stalled"
    if job.stall_reason == WORKER_GONE:
        words = f"{WORKER_GONE} {spent(silence)}"
        return words if len(words) <= width else f"gone {spent(silence)}"
    return f"{'silent' if columns.has_state else 'stalled'} {spent(silence)}"


def _ended(job: JobView, width: int, columns: Columns, scene: Scene) -> Span:
    """Return when a job ended, and its state if there is no state column."""
    at = clock_time(job.completed_at, scene.local, scene.wall)
    at = "" if at == UNKNOWN else at
    if columns.has_state:
        return (fit(at, width), "muted")
    word = state_word(job.state)
    if len(word) + 1 + len(at) > width:
        at = at.rpartition(" ")[0]  # show only the day
    return (f"{fit(word, width - len(at))}{at}", state_style(job.state))


def _host(job: JobView, width: int, _columns: Columns, _scene: Scene) -> list[Span]:
    return [(fit(job.host or job.origin, width), "muted")]


def _message(job: JobView, width: int, _columns: Columns, _scene: Scene) -> list[Span]:
    return [(fit(job.message, width), "muted")]


_CELLS: Final[dict[str, Callable[[JobView, int, Columns, Scene], list[Span]]]] = {
    "mark": _mark,
    "state": _state,
    "name": _name,
    "source": _source,
    "host": _host,
    "phase": _phase,
    "bar": _bar,
    "percent": _percent,
    "elapsed": _elapsed,
    "eta": _eta,
    "message": _message,
}
