"""The event view: the live stream of messages from all servers."""

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
from phaseline_tui.widgets.messages import FilterChanged
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
    ]
    KEYS = (("↑↓", "move"), ("p", "pause"), ("f", "follow"), ("/", "filter"), ("y", "copy"))

    def __init__(self, palette: Palette) -> None:
        super().__init__(palette)
        self._log = self.owner.data.events
        self._rows = RowList(palette, lambda: len(self._log.shown()), self._row, follows_end=True)
        self._details = FixedLines(palette, id="details")
        self._filter = FilterLine()

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
        self._rows.update_rows()
        event = self._chosen()
        text = words_of(event.frame).text if event is not None else ""
        width = max(10, self.size.width - 2)
        self._details.show([((f" {line}", "text"),) for line in wrap(text, width, most=_MAX_DETAILS)] if text else [])

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

    def action_filter(self) -> None:
        """Open the filter line."""
        self._filter.open(self._rows)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable the keys `/` and `f` while the filter line has the focus."""
        if action in {"filter", "follow"} and self._filter.has_focus:
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
