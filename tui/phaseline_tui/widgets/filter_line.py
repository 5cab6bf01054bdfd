"""The line in which the filter is typed."""

from textual.widgets import Input

from phaseline_tui.widgets.entry_line import EntryLine
from phaseline_tui.widgets.messages import FilterChanged

__all__ = ["FilterLine"]


class FilterLine(EntryLine):
    """Narrows the list while one types; what was typed goes on filtering."""

    def __init__(self) -> None:
        super().__init__(
            "filter", "words, !without, state:failed phase:render host:box2 name:/IMG_0.*/", select_on_focus=False
        )

    def on_input_changed(self, event: Input.Changed) -> None:
        """Pass the text on."""
        event.stop()
        self.post_message(FilterChanged(event.value))
