"""The line in which one types what to search for in a job's details."""

from textual import events
from textual.widget import Widget
from textual.widgets import Input

from phaseline_tui.messages import SearchChanged

__all__ = ["SearchLine"]


class SearchLine(Input):
    """Searches while one types; Enter goes back to what was found, Esc drops the search."""

    DEFAULT_CSS = """
    SearchLine, SearchLine:focus {
        height: 1; border: none; border-left: outer $primary; padding: 0 1;
        background: $panel; background-tint: transparent 0%;
    }
    """

    def __init__(self) -> None:
        super().__init__(id="search", placeholder="search the details; n and N go through what is found")
        self.display = False
        self.cursor_blink = False  # Nothing shall be sent over the line while nothing happens.
        self._home: Widget | None = None

    def open(self, home: Widget) -> None:
        """Show the line and take the keys, which go to `home` afterwards."""
        self._home = home
        self.display = True
        self.screen.set_focus(self)

    def on_key(self, event: events.Key) -> None:
        """Leave; a key that was sent here before the line was left goes where it was meant to go."""
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
        self.display = False
        self.screen.set_focus(self._home)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Pass the text on."""
        event.stop()
        self.post_message(SearchChanged(event.value))
