"""The input line of the filter."""

from textual.widgets import Input

from phaseline_tui.widgets.entry_line import EntryLine
from phaseline_tui.widgets.messages import FilterChanged

__all__ = ["FilterLine"]


class FilterLine(EntryLine):
    """Applies the filter while the user types; the filter stays when the line is closed."""

    def __init__(self) -> None:
        super().__init__(
            "filter", "words, !without, state:failed phase:render host:box2 name:/IMG_0.*/", select_on_focus=False
        )

    def on_input_changed(self, event: Input.Changed) -> None:
        """Post the new text."""
        event.stop()
        self.post_message(FilterChanged(event.value))
