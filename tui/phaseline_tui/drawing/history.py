"""Drawing of past jobs: the range with its totals, a row for each job, and a table of workflows."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from phaseline_tui.drawing.cells import Line, Span, width_of_text
from phaseline_tui.drawing.job_names import source_of
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.drawing.tables import Column, columns_that_fit, heading_of, row_of
from phaseline_tui.model.history_totals import TotalLine, trend
from phaseline_tui.model.jobs import JobView, State
from phaseline_tui.model.times import wall_time
from phaseline_tui.model.words import UNKNOWN, clock_time, fine_duration, fine_duration_of

__all__ = ["Widths", "history_columns", "history_row", "range_line", "totals_table"]

_COLUMNS: Final = (
    Column("mark", "", 1),
    Column("ended", "ENDED", 9),
    Column("took", "TOOK", 7, priority=9, align="right"),
    Column("versus", "±MEDIAN", 7, priority=5, align="right"),
    Column("name", "JOB", 20, cut="middle"),
    Column("source", "WORKFLOW", 12, priority=7, cut="middle"),
    Column("origin", "SERVER", 10, priority=6, cut="middle"),
    Column("host", "HOST", 8, priority=4, cut="middle"),
    Column("text", "RESULT", 10, priority=8),
)
_RESULT: Final = _COLUMNS[-1]
_GROWING: Final = (
    ("ended", 12),
    ("name", 30),
    ("source", 20),
    ("host", 16),
    ("origin", 24),
    ("name", 60),
    ("source", 40),
    ("host", 30),
    ("text", 400),
)
"""The columns that grow up to a width as far as their content needs it, in the order in which they get room."""
_WHOLE: Final = {"name": 30, "source": 20}
"""Widths up to which names are shown whole before the columns in `_SPARE` are shown at all."""
_SPARE: Final = ("text", "host")
"""Hosts and results matter less than a name. An error may use the space of other columns in its row."""
_TOTALS: Final = (
    Column("source", "WORKFLOW", 14, cut="middle"),
    Column("origin", "SERVER", 14, priority=1, cut="middle"),
    Column("runs", "RUNS", 5, align="right"),
    Column("failed", "FAILED", 6, align="right"),
    Column("median", "MEDIAN", 7, align="right"),
    Column("p95", "P95", 7, priority=4, align="right"),
    Column("before", "WEEK BEFORE", 11, priority=2, align="right"),
    Column("trend", "CHANGE", 13, priority=9),
)
_SHORT_NAME: Final = 12
"""Least width of a name before an error."""
_SLOW: Final = 0.5
_MUCH: Final = 0.1
"""Relative difference from a median that is highlighted."""
_MAX_PERCENT: Final = 9.995


class Widths(NamedTuple):
    """The widest texts of the rows so far, by column."""

    ended: int = 5
    name: int = 8
    source: int = 8
    origin: int = 0
    host: int = 0
    text: int = 0

    def with_row(self, job: JobView, scene: Scene, *, several: bool) -> "Widths":
        """Return the widths with one more row; `several` shows the server."""
        return Widths(
            max(self.ended, len(_ended(job, scene))),
            max(self.name, width_of_text(job.name)),
            max(self.source, width_of_text(source_of(job))),
            max(self.origin, width_of_text(job.origin)) if several else 0,
            max(self.host, width_of_text(job.host)),
            max(self.text, width_of_text(_text(job)[0])),
        )


@lru_cache(maxsize=16)
def history_columns(widths: Widths, width: int) -> tuple[Column, ...]:
    """Return the columns for rows of `width` cells: the room goes to the columns whose texts need it."""
    needed = widths._asdict()
    columns = [
        column._replace(width=min(column.width, max(len(column.title), needed.get(column.key, column.width))))
        for column in _COLUMNS
        if needed.get(column.key, 1)
    ]
    kept = _grown(columns, needed, width)
    for spare in _SPARE:
        if all(column.width >= min(needed[column.key], _WHOLE[column.key]) for column in kept if column.key in _WHOLE):
            break
        columns = [column for column in columns if column.key != spare]
        kept = _grown(columns, needed, width)
    return tuple(kept)


def _grown(columns: Sequence[Column], needed: Mapping[str, int], width: int) -> list[Column]:
    """Return the columns that fit, as wide as their texts need and the room allows."""
    kept = columns_that_fit(columns, width)
    left = width - sum(column.width for column in kept) - 2 * (len(kept) - 1)
    for key, most in _GROWING:
        at = next((number for number, column in enumerate(kept) if column.key == key), None)
        if at is None:
            continue
        more = max(0, min(left, min(needed[key], most) - kept[at].width))
        kept[at] = kept[at]._replace(width=kept[at].width + more)
        left -= more
    return kept


def history_row(job: JobView, columns: Sequence[Column], scene: Scene, median: float | None) -> Line:
    """Return the row of a past job.

    Args:
        job: The job.
        columns: Columns from `history_columns`.
        scene: Moment to draw.
        median: Median seconds of the completed runs of its series; None if unknown.
    """
    style = job.state.tone
    text, tone = _text(job)
    took = job.elapsed_at(scene.now)
    room = columns[-1].width if columns[-1].key == "text" else 0
    if job.over and job.state is not State.COMPLETED and room < width_of_text(text):
        columns = _joined(columns, width_of_text(job.name))
    return row_of(
        columns,
        {
            "mark": (job.state.sign, style),
            "ended": (_ended(job, scene), "muted"),
            "name": (job.name, "text"),
            "source": (source_of(job), "muted"),
            "origin": (job.origin, "muted"),
            "host": (job.host, "muted"),
            "took": (fine_duration(took), "strong" if job.state is State.COMPLETED else "muted"),
            "versus": _versus(job, took, median),
            "text": (text, tone),
        },
    )


def _joined(columns: Sequence[Column], name_width: int) -> list[Column]:
    """Return the columns with all those after the name joined, because an error matters more than the host."""
    at = next(number for number, column in enumerate(columns) if column.key == "name")
    name, behind = columns[at], columns[at + 1 :]
    if not behind:
        return list(columns)
    spare = max(0, name.width - max(_SHORT_NAME, name_width))
    room = sum(column.width + 2 for column in behind) - 2 + spare
    return [*columns[:at], name._replace(width=name.width - spare), _RESULT._replace(width=room)]


def _ended(job: JobView, scene: Scene) -> str:
    """Return when a job ended, or when a lost one sent its last report; `running` if it is active."""
    if not job.over:
        return "running" if job.state is State.ACTIVE else str(job.state)
    last = job.completed_at
    if last is None and job.started_at is not None:
        last = job.started_at + job.elapsed
    return clock_time(last, scene.local, scene.wall)


def _text(job: JobView) -> Span:
    if job.state.bad:
        reason = (job.failure or "no reason given").removeprefix(job.name).lstrip(" :,")
        where = f"in {job.current.name}: " if job.current is not None and job.state is State.FAILED else ""
        return (f"{where}{reason}", "bad")
    if job.state is State.CANCELLED:
        return (job.failure or "cancelled", "muted")
    if job.cache_hit:
        return ("was cached", "muted")
    return (job.message, "muted")


def _versus(job: JobView, took: float, median: float | None) -> Span:
    if job.state is not State.COMPLETED or job.cache_hit or not median:
        return ("", "muted")
    change = took / median - 1.0
    if abs(change) < _MUCH:
        return ("", "muted")
    words = f"{change:+.0%}" if change < _MAX_PERCENT else f"{took / median:.0f}x"
    return (words.replace("-", "−"), "warn" if change >= _SLOW else "muted")  # noqa: RUF001 (a minus sign)


def range_line(
    words: str, since: str | None, until: str | None, total: TotalLine | None, scene: Scene, width: int
) -> Line:
    """Return the range, with its times and the numbers of runs.

    Args:
        words: The range as the user wrote it.
        since: Its first moment as the server understood it; None if unknown or unlimited.
        until: Its last moment; None for the present.
        total: The numbers of runs; None if unknown.
        scene: Moment to draw.
        width: Width in cells.
    """
    begin, end = wall_time(since), wall_time(until)
    first = "" if not begin or begin <= 0 else clock_time(begin, scene.local, scene.wall)
    last = "" if end is None else f" to {clock_time(end, scene.local, scene.wall)}"
    spans: list[Span] = [(f" {words}", "title")]
    if (first or last) and width >= 100:  # noqa: PLR2004 (there is room for the times)
        spans.append((f"  from {first}{last}" if first else f" {last}", "muted"))
    if total is None:
        return tuple(spans)
    for count, word, style in (
        (total.runs, "runs" if total.runs != 1 else "run", "strong"),
        (total.completed, "done", "strong"),
        (total.failed, "failed", "bad-strong"),
        (total.cancelled, "cancelled", "strong"),
        (total.lost, "lost", "bad-strong"),
    ):
        if count or word in {"runs", "done", "failed"}:
            spans += [("   " if word in {"run", "runs"} else "  ", ""), (f"{count}", style if count else "muted")]
            spans.append((f" {word}", "muted"))
    return tuple(spans)


def totals_table(lines: Sequence[tuple[TotalLine, str]], width: int, *, several: bool) -> list[Line]:
    """Return the totals of series, below their column titles.

    Args:
        lines: The totals, each with the label of its server.
        width: Width in cells.
        several: Whether to show the servers.
    """
    columns = [column for column in _TOTALS if several or column.key != "origin"]
    longest = max((width_of_text(source_of(line)) for line, _ in lines), default=0)
    columns = columns_that_fit(columns, width)
    left = width - sum(column.width + 2 for column in columns) + 2
    columns[0] = columns[0]._replace(width=columns[0].width + max(0, min(left, longest - columns[0].width)))
    return [heading_of(columns), *(_totals_row(line, origin, columns) for line, origin in lines)]


def _totals_row(line: TotalLine, origin: str, columns: Sequence[Column]) -> Line:
    failed = line.failed + line.lost
    against = trend(line)
    change = against.change or 0.0
    style = "warn" if change >= _MUCH else "good" if change <= -_MUCH else "muted"
    cells: Mapping[str, Span] = {
        "source": (source_of(line), "text"),
        "origin": (origin, "muted"),
        "runs": (f"{line.runs}", "strong"),
        "failed": (f"{failed}" if failed else UNKNOWN, "bad-strong" if failed else "muted"),
        "median": (fine_duration_of(line.median_seconds), "strong"),
        "p95": (fine_duration_of(line.p95_seconds), "text"),
        "before": (fine_duration_of(line.median_before_seconds), "muted"),
        "trend": (against.words, style),
    }
    return row_of(columns, cells)
