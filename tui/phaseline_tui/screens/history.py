"""The history view: past jobs of all servers, newest end first, and totals of their workflows."""

from collections.abc import Iterable, Iterator
from typing import ClassVar, Final

from textual import events
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.widget import Widget

from phaseline_tui.drawing import history as drawing
from phaseline_tui.drawing.cells import Line, Span, wrap
from phaseline_tui.drawing.palette import Palette
from phaseline_tui.drawing.tables import heading_of
from phaseline_tui.model.history_query import with_range
from phaseline_tui.model.history_totals import sum_of
from phaseline_tui.model.jobs import JobKey, JobView
from phaseline_tui.screens.history_loading import HistoryLoading
from phaseline_tui.screens.past_job import PastJobScreen
from phaseline_tui.user.keys import bindings, help_of
from phaseline_tui.widgets.filter_line import FilterLine
from phaseline_tui.widgets.fixed_lines import FixedLines
from phaseline_tui.widgets.messages import FilterChanged, RowChosen

__all__ = ["HistoryScreen"]

_TYPING_S: Final = 0.25
"""Time without a key after which a changed filter is sent."""
_WIDE: Final = 180
_SIDE: Final = 79
"""Width of the totals beside the rows, as in the style sheet."""
_MAX_NOTES: Final = 3


class HistoryScreen(HistoryLoading):
    """A row for each past job; beside or below them, the totals of each workflow and series."""

    view = "History"
    DEFAULT_CSS = """
    HistoryScreen #panes { height: 1fr; layout: vertical; }
    HistoryScreen #past { height: 1fr; width: 1fr; }
    HistoryScreen #totals { border-top: solid $panel; }
    HistoryScreen #panes.-wide { layout: horizontal; }
    HistoryScreen #panes.-wide #totals { width: 79; border-top: none; border-left: solid $panel; }
    """
    AUTO_FOCUS = "#rows"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", show=False),
        *bindings("past-job", "range", "refresh", "filter"),
    ]
    KEYS = (("↑↓", "move"), ("enter", "details"), ("/", "filter"), ("d", "range"), ("r", "refresh"), ("y", "copy"))

    def __init__(self, palette: Palette) -> None:
        super().__init__(palette)
        self._widths = drawing.Widths()
        self._measured = 0
        """Number of rows that `_widths` covers."""
        self._medians: dict[tuple[str, str, str], float | None] = {}
        self._titles = FixedLines(palette, id="titles")
        self._below = FixedLines(palette, id="totals")
        self._panes = Container(Vertical(self._titles, self.rows, id="past"), self._below, id="panes")
        self._filter = FilterLine()

    def parts(self) -> Iterable[Widget]:
        """Return the rows with the totals, and the filter line."""
        return (self._panes, self._filter)

    def heading(self, width: int) -> list[Line]:
        """Return the range with the numbers of runs, and what the user should know about the list."""
        scene = self.owner.data.live_scene()
        known = [each for each in self.totals.values() if not each.problem]
        since = next((each.since for each in known), self.history.since)
        total = sum_of(known) if known else None
        line = drawing.range_line(self.query_now.range, since, self.history.until, total, scene, width)
        notes = [text for note in self._notes() for text in wrap(note, max(10, width - 3), most=2)]
        return [line, *(((f" ! {note}", "warn"),) for note in notes[:_MAX_NOTES])]

    def _notes(self) -> Iterator[str]:
        alone = len(self.owner.servers) == 1
        reasons = dict(self.history.problems)
        reasons = {label: each.problem for label, each in self.totals.items() if each.problem} | reasons
        yield from (reason if alone else f"{label}: {reason}" for label, reason in reasons.items())
        if self.query_now.applied_here:
            words = " ".join(self.query_now.applied_here)
            yield f"{words}: only applied to the list; the totals also count other jobs"
        if self.history.full:
            yield f"only the newest {len(self.history.rows)} jobs are listed; choose a shorter range"
        if self.newer:
            yield "more jobs have ended; r lists them"

    def show(self) -> None:
        """Show the jobs and the totals."""
        self._measure()
        width = max(1, self.rows.size.width - 2)
        rows = self.history.rows
        self._titles.show([((" ", ""), *heading_of(drawing.history_columns(self._widths, width)))] if rows else [])
        middle = max(1, self.rows.size.width)
        self.rows.notice = tuple(((text.center(middle), style),) for text, style in self._notice())
        self.rows.update_rows()
        self._below.show(self._total_lines())

    def _notice(self) -> list[Span]:
        """Return the text of an empty list."""
        if self.reading or not self.history.complete:
            searched = f" {self.history.searched} jobs searched" if self.history.searched else ""
            return [(f"loading …{searched}", "muted")]
        if self.history.problems and len(self.history.problems) == len(self.history.labels):
            return [("no answer", "strong"), ("", ""), ("r tries again", "muted")]
        if not self.history.labels:
            return [("no server matches the filter", "strong")]
        what = "no past job matches the filter" if self.filter_text else "no job has ended"
        hints = ["d shows another range", *(["esc clears the filter"] if self.filter_text else [])]
        return [(f"{what} {self.query_now.range}", "strong"), ("", ""), *((hint, "muted") for hint in hints)]

    def _total_lines(self) -> list[Line]:
        several = len(self.owner.servers) > 1
        lines = [(each, label) for label, totals in self.totals.items() for each in totals.lines]
        self._medians = {(label, each.workflow, each.series or ""): each.median_seconds for each, label in lines}
        lines.sort(key=lambda pair: -pair[0].runs)
        width, height = self.app.size
        room = max(3, (height - 14) // 4) if width < _WIDE else max(3, height - 6)
        if not lines:
            return []
        inner = (width if width < _WIDE else _SIDE - 1) - 2
        table = drawing.totals_table(lines[:room], inner, several=several)
        if len(lines) > room:
            table[-1] = ((f"and {len(lines) - room + 1} more; a filter such as workflow:… finds them", "muted"),)
        return [((" ", ""), *line) for line in table]

    def aside(self) -> Line:
        """Return the filter, and how many jobs are loaded."""
        query, rows = self.query_now, self.history.rows
        if query.problem:
            return ((f"! {query.problem} ", "warn"),)
        spans: list[Span] = [("/", "key"), (f"{self.filter_text}  ", "strong")] if self.filter_text else []
        count = f"{min(self.rows.cursor + 1, len(rows))} of {len(rows)}{'' if self.history.complete else '+'} "
        return (*spans, (f"{'loading … ' if self.reading else ''}{count}", "muted"))

    def _measure(self) -> None:
        scene, several = self.owner.data.live_scene(), len(self.owner.servers) > 1
        for job in self.history.rows[self._measured :]:
            self._widths = self._widths.with_row(job, scene, several=several)
        self._measured = len(self.history.rows)

    def row_at(self, index: int, width: int) -> Line:
        """Return the row of a job."""
        job = self.history.rows[index]
        columns = drawing.history_columns(self._widths, width)
        key = (job.origin, job.workflow, job.series)
        return drawing.history_row(job, columns, self.owner.data.live_scene(), self._medians.get(key))

    def adopted(self) -> None:
        """Measure the rows again."""
        self._widths, self._measured = drawing.Widths(), 0

    def on_mount(self) -> None:
        """Fetch the first jobs."""
        self._filter.value = self.filter_text
        self._arrange()
        super().on_mount()
        self.reload()

    def on_resize(self, event: events.Resize) -> None:
        """Put the totals beside the rows if there is room."""
        self._arrange()
        super().on_resize(event)

    def _arrange(self) -> None:
        self._panes.set_class(self.app.size.width >= _WIDE, "-wide")

    def job_at_cursor(self) -> JobView | None:
        """Return the selected job, as the list has it."""
        rows = self.history.rows
        return rows[self.rows.cursor] if self.rows.cursor < len(rows) else None

    def chosen_jobs(self) -> list[JobKey]:
        """Return the selected job."""
        job = self.job_at_cursor()
        return [] if job is None else [job.key]

    def to_copy(self) -> str:
        """Return the id of the selected job."""
        job = self.job_at_cursor()
        return "" if job is None else job.job_id

    def help_keys(self) -> list[tuple[str, str]]:
        """Return the keys of this view with their descriptions."""
        others = [pair for pair in super().help_keys()[len(self.KEYS) :] if pair[1] != "reconnect now"]
        own = [*help_of(("history",), self.owner.settings.keys), ("/", "filter: words, today, since:7d")]
        return [("↑ ↓  j k", "up, down"), *own, ("Esc", "clear the filter, or back"), *others]

    def action_open(self) -> None:
        """Show all details of the selected job."""
        if self.job_at_cursor() is not None:
            self.app.push_screen(PastJobScreen(self.palette_in_use, self))

    def action_refresh(self) -> None:
        """Reload everything; reconnect where the connection is lost."""
        self.owner.retry()
        self.reload(keep=True)

    def action_range(self) -> None:
        """Choose the next range of time."""
        self._filter.value = with_range(self.filter_text)

    def action_filter(self) -> None:
        """Open the filter line."""
        self._filter.open(self.rows)

    def action_back(self) -> None:
        """Clear the filter, or return to the jobs view."""
        if self.filter_text:
            self._filter.value = ""
        else:
            super().action_back()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable the key `/` while the filter line has the focus."""
        if action == "filter" and self._filter.has_focus:
            return False
        return super().check_action(action, parameters)

    def on_filter_changed(self, message: FilterChanged) -> None:
        """Apply the new filter."""
        if message.text != self.filter_text:
            self.owner.data.history_filter = message.text
            self.reload(after=_TYPING_S)
            self.tick()

    def on_row_chosen(self, message: RowChosen) -> None:
        """Show the place of the cursor, and read on before the rows end."""
        del message
        self.show_keys()
        self.load_more()
