"""The input line of the search in a job's details."""

from textual.widgets import Input

from phaseline_tui.widgets.entry_line import EntryLine
from phaseline_tui.widgets.messages import SearchChanged

__all__ = ["SearchLine"]


class SearchLine(EntryLine):
    """Searches while the user types; Enter returns to the matches, Esc clears the search."""

    def __init__(self) -> None:
        super().__init__("search", "search the details; n and N go to the next and previous match")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Post the new text."""
        event.stop()
        self.post_message(SearchChanged(event.value))
