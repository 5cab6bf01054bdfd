"""The columns of the job list: for each its title, its widths, when it appears, and how it is drawn."""

from collections.abc import Callable
from typing import Final, NamedTuple

from phaseline.model.workflows import picture_of
from phaseline_tui.drawing.bars import bar
from phaseline_tui.drawing.cells import Span, blank, fit, middle, pad_line, width_of, width_of_text
from phaseline_tui.drawing.job_names import difference_of, source_of
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.model.amounts import count_words, rate_words
from phaseline_tui.model.jobs import WORKER_GONE, JobView, Shares, State
from phaseline_tui.model.shown import percent_words, shares_shown
from phaseline_tui.model.words import UNKNOWN, band, clock_time, remaining, spent

__all__ = ["BETWEEN", "COLUMNS", "EXTRA", "Columns", "JobColumn", "begin_of", "text_style"]

BETWEEN: Final = " · "
EXTRA: Final = 10
"""Priority from which a column appears only when the texts of all others are long enough to read."""


class Columns(NamedTuple):
    """The columns shown, with their widths in cells, separated by one cell."""

    widths: dict[str, int]
    joined: dict[str, int]
    """The same columns with those from the bar to the ETA joined, for jobs that show text there."""
    has_state: bool
    has_source: bool
    width: int


Draw = Callable[[JobView, int, Columns, Scene], list[Span]]
Need = Callable[[JobView, Scene], int]


class JobColumn(NamedTuple):
    """A column of the list."""

    name: str
    title: str
    least: int
    """Minimum width in cells, unless all its texts are shorter."""
    most: int
    """Width that it is given at most."""
    priority: int
    """Columns appear by ascending priority as the list gets wider; those of priority 0 always."""
    draw: Draw
    need: Need | None = None
    """Returns the width of its text in a job's row. If every row needs 0 cells, the column is left out. None: `most`.
    """
    enough: int = 0
    """Width that it gets before columns of priority `EXTRA` appear."""
    share: int = 0
    """Its share of the remaining width."""
    sorted_by: str = ""
    """JobColumn of `model.sorting` that a click on its title sorts by, if it has another name."""
    align: str = "left"
    """Alignment of its title."""


def text_style(job: JobView, scene: Scene) -> str:
    """Return the style of a job's plain text."""
    return "muted" if (job.state.ended and not job.state.bad) or scene.stale else "text"


def _mark(job: JobView, _width: int, _columns: Columns, _scene: Scene) -> list[Span]:
    return [(job.state.sign, job.state.tone)]


def _state(job: JobView, width: int, _columns: Columns, _scene: Scene) -> list[Span]:
    return [(fit(job.state.word, width), job.state.tone)]


def _name(job: JobView, width: int, columns: Columns, scene: Scene) -> list[Span]:
    style = text_style(job, scene)
    if not columns.has_source and (picture := picture_of(job.job_id)):
        # Without a source column, an address alone would not identify the picture.
        return [(middle(str(picture), width), style)]
    if not job.differs_by:
        return [(middle(job.name, width), style)]
    apart = difference_of(job, scene)
    if width_of_text(apart) > width // 2:
        apart = apart.rpartition(" ")[2]  # of a start, only the time
    length = min(width_of_text(apart), width // 2)
    room = max(1, min(width_of_text(job.name), width - length - 1))
    return [(f"{middle(job.name, room)} ", style), (middle(apart, max(0, width - room - 1)), "muted")]


def _name_need(job: JobView, scene: Scene) -> int:
    apart = width_of_text(difference_of(job, scene)) + 1 if job.differs_by else 0
    return width_of_text(job.name) + apart


def _source(job: JobView, width: int, _columns: Columns, _scene: Scene) -> list[Span]:
    return [(middle(source_of(job), width), "muted")]


def _phase(job: JobView, width: int, _columns: Columns, scene: Scene) -> list[Span]:
    place, name = _phase_words(job)
    if len(place) >= width or not name:
        return [(fit(place, width), "muted")]
    return [(place, "muted"), (fit(name, width - len(place)), text_style(job, scene))]


def _phase_words(job: JobView) -> tuple[str, str]:
    """Return the place of the current phase, `5/8`, and its name; both empty if unknown."""
    if not job.phase_count:
        return "", ""
    phase = job.current
    if job.state is State.COMPLETED or phase is None:
        return (f"{job.phase_index}/{job.phase_count}" if job.phase_count > 1 else ""), ""
    if job.phase_count == 1:
        return "", phase.name
    return f"{job.phase_index}/{job.phase_count}", f" {phase.name}"


def _phase_need(job: JobView, _scene: Scene) -> int:
    place, name = _phase_words(job)
    return len(place) + width_of_text(name)


def _bar(job: JobView, width: int, _columns: Columns, scene: Scene) -> list[Span]:
    if job.state is State.COMPLETED:
        return [("━" * width, "past")]
    shares = shares_shown(job, scene.now)
    if scene.stale or job.state is State.STALLED:
        shares = Shares(shares.percent, shares.percent, shares.percent)
    return list(bar(shares, width, shades=scene.shades))


def _percent(job: JobView, width: int, _columns: Columns, scene: Scene) -> list[Span]:
    style = "muted" if job.state is State.STALLED else text_style(job, scene)
    return [(fit(percent_words(job, scene.now), width, "right"), style)]


def _count(job: JobView, width: int, _columns: Columns, scene: Scene) -> list[Span]:
    if job.state is State.COMPLETED:
        return [blank(width)]
    return [(fit(count_words(job, width), width), "muted" if job.state is State.STALLED else text_style(job, scene))]


def _count_need(job: JobView, _scene: Scene) -> int:
    if job.done is None or not job.state.at_work:
        return 0
    now, end = count_words(job), count_words(job) if job.total is None else _last_count(job)
    return max(width_of_text(now), width_of_text(end))


def _last_count(job: JobView) -> str:
    """Return the longest count of a job that it is likely to show, so that the column keeps its width."""
    done, job.done = job.done, job.total
    try:
        return count_words(job)
    finally:
        job.done = done


def _rate(job: JobView, width: int, _columns: Columns, _scene: Scene) -> list[Span]:
    return [(fit(rate_words(job), width), "muted")]


def _rate_need(job: JobView, _scene: Scene) -> int:
    return width_of_text(rate_words(job))


def _elapsed(job: JobView, width: int, _columns: Columns, scene: Scene) -> list[Span]:
    return [(fit(spent(job.elapsed_at(scene.now)), width, "right"), text_style(job, scene))]


def _eta(job: JobView, width: int, columns: Columns, scene: Scene) -> list[Span]:
    if job.over:
        return [_ended(job, width, columns, scene)]
    if job.state is State.QUEUED:
        return begin_of(job, width, scene)
    words = "paused" if job.paused else _stalled(job, width, columns, scene) if job.state is State.STALLED else ""
    return [(fit(words, width), "warn")] if words else _end(job, width, scene)


def _end(job: JobView, width: int, scene: Scene) -> list[Span]:
    """Return when an active job is likely to end."""
    left = job.remaining_at(scene.now)
    words = remaining(left)
    if left is None:
        return [(fit(words, width), "muted")]
    if left.likely <= -1.0:
        return [(fit(words, width), "warn")]
    at = clock_time(scene.wall + left.likely, scene.local, scene.wall)
    room = width - len(BETWEEN) - len(words)
    if len(at) > room:
        at = at.rpartition(" ")[0] or at  # show only the day
        if len(at) > room:
            words = words.partition(" ")[0]
            room = width - len(BETWEEN) - len(words)
    spans = [(f"{at}{BETWEEN}", "muted"), (words, "muted" if scene.stale else "strong")]
    room -= len(at)
    text = "" if left.low is None or left.high is None else f" ({band(left.low, left.high)})"
    if text and len(text) <= room:
        spans.append((text, "muted"))
        room -= len(text)
    if room > 0:
        spans.append(blank(room))
    return spans if room >= 0 else list(pad_line(tuple(spans), width))


def begin_of(job: JobView, width: int, scene: Scene) -> list[Span]:
    """Return, in `width` cells, when a queued job is likely to start, and to end if there is room."""
    if job.begins is None:
        return [(fit(UNKNOWN, width), "muted")]
    start = clock_time(scene.wall + max(0.0, job.begins - scene.now), scene.local, scene.wall)
    spans = [("starts ", "muted"), (start, "muted" if scene.stale else "strong")]
    left = job.remaining_at(scene.now)
    end = "" if left is None else f"{BETWEEN}ends {clock_time(scene.wall + left.likely, scene.local, scene.wall)}"
    if end and width_of(tuple(spans)) + len(end) <= width:
        spans.append((end, "muted"))
    return list(pad_line(tuple(spans), width))


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
    word = job.state.word
    if len(word) + 1 + len(at) > width:
        at = at.rpartition(" ")[0]  # show only the day
    return (f"{fit(word, width - len(at))}{at}", job.state.tone)


def _band(_job: JobView, width: int, _columns: Columns, _scene: Scene) -> list[Span]:
    return [blank(width)]


def _host(job: JobView, width: int, _columns: Columns, _scene: Scene) -> list[Span]:
    host = job.host or job.origin
    if width_of_text(host) > width and not host.replace(".", "").isdigit():
        host = host.partition(".")[0]  # without its domain
    return [(middle(host, width), "muted")]


def _message(job: JobView, width: int, _columns: Columns, _scene: Scene) -> list[Span]:
    return [(fit(_message_words(job), width), "muted")]


def _message_words(job: JobView) -> str:
    return "" if job.state.bad and job.message == job.failure else job.message


COLUMNS: Final = (
    JobColumn("mark", "", 1, 1, 0, _mark, sorted_by="state"),
    JobColumn("state", "STATE", 9, 9, 12, _state),
    JobColumn("name", "JOB", 16, 64, 0, _name, _name_need, enough=26, share=4),
    JobColumn("source", "WORKFLOW", 14, 40, 6, _source, lambda job, _: width_of_text(source_of(job)), 18, share=2),
    JobColumn("host", "HOST", 8, 24, 14, _host, lambda job, _: width_of_text(job.host or job.origin), 12, share=1),
    JobColumn("phase", "PHASE", 10, 30, 2, _phase, _phase_need, 20, share=2),
    JobColumn("bar", "PROGRESS", 8, 40, 1, _bar, enough=12, sorted_by="percent"),
    JobColumn("percent", "", 4, 4, 0, _percent, align="right"),
    JobColumn("count", "DONE", 9, 28, 4, _count, _count_need, 18, share=2),
    JobColumn("rate", "RATE", 8, 20, 11, _rate, _rate_need),
    JobColumn("elapsed", "ELAPSED", 7, 7, 5, _elapsed, align="right"),
    JobColumn("eta", "ETA", 15, 15, 0, _eta),
    JobColumn("band", "", 9, 9, 10, _band, lambda job, _: 9 if job.remaining and job.remaining.low is not None else 0),
    JobColumn("message", "MESSAGE", 20, 400, 13, _message, lambda job, _: width_of_text(_message_words(job))),
)
"""All columns, from left to right."""
