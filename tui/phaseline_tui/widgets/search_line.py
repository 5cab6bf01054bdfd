"""The line in which one types what to search for in a job's details."""

from textual.widgets import Input

from phaseline_tui.widgets.entry_line import EntryLine
from phaseline_tui.widgets.messages import SearchChanged

__all__ = ["SearchLine"]


class SearchLine(EntryLine):
    """Searches while one types; Enter goes back to what was found, Esc drops the search."""

    def __init__(self) -> None:
        super().__init__("search", "search the details; n and N go through what is found")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Pass the text on."""
        event.stop()
        self.post_message(SearchChanged(event.value))
