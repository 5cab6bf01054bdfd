"""The line in which the filter is typed."""

from textual import events
from textual.widgets import Input

from phaseline_tui.messages import FilterChanged
from phaseline_tui.widgets.job_list import JobList

__all__ = ["FilterLine"]


class FilterLine(Input):
    """Narrows the list while one types."""

    DEFAULT_CSS = """
    FilterLine, FilterLine:focus {
        height: 1; border: none; border-left: outer $primary; padding: 0 1;
        background: $panel; background-tint: transparent 0%;
    }
    """

    def __init__(self) -> None:
        super().__init__(
            id="filter",
            placeholder="words, !without, state:failed phase:render host:box2 name:/IMG_0.*/",
            select_on_focus=False,
        )
        self.display = False
        self.cursor_blink = False  # Nothing shall be sent over the line while nothing happens.

    def open(self) -> None:
        """Show the line and take the keys, at once: the next one may have been typed already."""
        self.display = True
        self.screen.set_focus(self)

    def _leave(self) -> None:
        """Give the keys back to the list; what was typed goes on filtering."""
        self.display = False
        self.screen.set_focus(self.screen.query_one(JobList))

    def on_key(self, event: events.Key) -> None:
        """Leave with Enter, Tab or the down key; leave and drop the filter with Esc.

        Here and not in bindings, which act only when the keys behind this one are in the line already: over a slow
        line many come in one packet. Those that were sent here before the line was left are passed on.
        """
        left = self.screen.focused is not self
        if not left and event.key not in {"enter", "tab", "down", "escape"}:
            return
        event.stop()
        event.prevent_default()
        if left:
            self.app.post_message(events.Key(event.key, event.character))
            return
        if event.key == "escape":
            self.value = ""
        self._leave()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Pass the text on."""
        event.stop()
        self.post_message(FilterChanged(event.value))
