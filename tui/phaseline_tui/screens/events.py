"""The event view: the live stream of messages from all servers."""

from bisect import bisect_left
from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from phaseline_tui.drawing.cells import Line, wrap
from phaseline_tui.drawing.events import event_heading, event_row
from phaseline_tui.drawing.palette import Palette
from phaseline_tui.model.events import Event, words_of
from phaseline_tui.model.jobs import JobKey
from phaseline_tui.screens.framed import FramedScreen
from phaseline_tui.widgets.filter_line import FilterLine
from phaseline_tui.widgets.fixed_lines import FixedLines
from phaseline_tui.widgets.messages import FilterChanged, RowChosen
from phaseline_tui.widgets.row_list import RowList

__all__ = ["EventsScreen"]

_MAX_DETAILS = 3


class EventsScreen(FramedScreen):
    """A list of events, newest last. It follows the end until the cursor leaves the last row."""

    view = "Events"
    DEFAULT_CSS = """
    EventsScreen #details { border-top: solid $panel; }
    """
    AUTO_FOCUS = "#rows"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "follow", show=False),
        Binding("slash", "filter", show=False, priority=True),
        Binding("z", "fold", show=False),
    ]
    KEYS = (("↑↓", "move"), ("z", "all progress"), ("p", "pause"), ("f", "follow"), ("/", "filter"), ("y", "copy"))

    def __init__(self, palette: Palette) -> None:
        super().__init__(palette)
        self._log = self.owner.data.events
        self._rows = RowList(palette, lambda: len(self._log.shown()), self._row, follows_end=True)
        self._details = FixedLines(palette, id="details")
        self._filter = FilterLine()
        self._at = 0
        """Number of the event under the cursor."""

    def parts(self) -> Iterable[Widget]:
        """Return the rows, the full text of the selected one, and the filter line."""
        return (self._rows, self._details, self._filter)

    def heading(self, width: int) -> list[Line]:
        """Return the titles of the columns."""
        return [((" ", ""), *event_heading(max(1, width - 2), several=len(self.owner.servers) > 1))]

    def show(self) -> None:
        """Show the current events."""
        notice = "no event matches the filter" if self._log.filter else "no events yet"
        self._rows.notice = (((notice.center(self.size.width), "muted"),),)
        self._keep_cursor()
        self._rows.update_rows()
        event = self._chosen()
        self._at = 0 if event is None else event.number
        text = words_of(event.frame).text if event is not None else ""
        width = max(10, self.size.width - 2)
        self._details.show([((f" {line}", "text"),) for line in wrap(text, width, most=_MAX_DETAILS)] if text else [])

    def _keep_cursor(self) -> None:
        """Keep the cursor on its event, or on the next one if the event was dropped or folded."""
        shown = self._log.shown()
        if not self._rows.at_end and self._chosen_number() != self._at:
            self._rows.cursor = bisect_left(shown, self._at, key=lambda event: event.number)

    def _chosen_number(self) -> int:
        event = self._chosen()
        return 0 if event is None else event.number

    def own_keys(self) -> tuple[tuple[str, str], ...]:
        """Return the keys; `z` shows all progress, or folds it again."""
        if self._log.folds:
            return self.KEYS
        return tuple((key, "fold progress" if key == "z" else what) for key, what in self.KEYS)

    def on_row_chosen(self, message: RowChosen) -> None:
        """Show the text of the event that the cursor was moved to."""
        self._at = self._chosen_number()
        super().on_row_chosen(message)

    def aside(self) -> Line:
        """Return the filter and the number of matching events."""
        log = self._log
        if log.filter.problem:
            return ((f"! {log.filter.problem} ", "warn"),)
        spans: list[tuple[str, str]] = []
        if log.filter:
            spans += [("/", "key"), (f"{log.filter.text} ", "strong")]
        return (*spans, (f" {len(log.shown())} of {log.total} ", "muted"))

    def to_copy(self) -> str:
        """Return the text of the selected event, or its job's id if it has none."""
        event = self._chosen()
        if event is None:
            return ""
        return words_of(event.frame).text or (event.key.job_id if event.key is not None else "")

    def chosen_jobs(self) -> list[JobKey]:
        """Return the job of the selected event."""
        event = self._chosen()
        return [event.key] if event is not None and event.key is not None else []

    def action_follow(self) -> None:
        """Go to the last event and follow new ones."""
        self._rows.at_end = True
        self.tick()

    def action_fold(self) -> None:
        """Make one line of the progress of each job, or show all of it."""
        self._log.fold(folds=not self._log.folds)
        self.tick()
        if not self._rows.at_end:
            self._rows.choose(self._rows.cursor)

    def action_filter(self) -> None:
        """Open the filter line."""
        self._filter.open(self._rows)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable the keys `/`, `f` and `z` while the filter line has the focus."""
        if action in {"filter", "follow", "fold"} and self._filter.has_focus:
            return False
        return super().check_action(action, parameters)

    def on_filter_changed(self, message: FilterChanged) -> None:
        """Apply the new filter."""
        self._log.set_filter(message.text)
        self._rows.at_end = True
        self.tick()

    def _chosen(self) -> Event | None:
        shown = self._log.shown()
        return shown[self._rows.cursor] if self._rows.cursor < len(shown) else None

    def _row(self, index: int, width: int) -> Line:
        app = self.owner
        return event_row(self._log.shown()[index], width, app.data.live_scene(), several=len(app.servers) > 1)
