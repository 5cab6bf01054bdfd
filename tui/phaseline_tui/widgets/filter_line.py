"""The line in which the filter is typed."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from phaseline_tui.messages import FilterChanged, FilterLeft

__all__ = ["FilterLine"]


class FilterLine(Input):
    """Narrows the list while one types."""

    DEFAULT_CSS = """
    FilterLine, FilterLine:focus {
        height: 1; border: none; border-left: outer $primary; padding: 0 1;
        background: $panel; background-tint: transparent 0%;
    }
    FilterLine { display: none; }
    FilterLine.-open { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "drop", show=False),
        Binding("down,tab", "leave", show=False),
    ]

    def __init__(self) -> None:
        super().__init__(
            id="filter",
            placeholder="filter: a word of its name, series, phase or state; !word leaves out",
            select_on_focus=False,
        )
        self.cursor_blink = False  # Nothing shall be sent over the line while nothing happens.

    def open(self) -> None:
        """Show the line and take the keys."""
        self.add_class("-open")
        self.focus()

    def action_drop(self) -> None:
        """Show every job again."""
        self.value = ""
        self.action_leave()

    def action_leave(self) -> None:
        """Give the keys back to the list; what was typed goes on filtering."""
        self.remove_class("-open")
        self.post_message(FilterLeft())

    def on_input_submitted(self) -> None:
        """Take Enter as the end of typing."""
        self.action_leave()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Pass the text on."""
        event.stop()
        self.post_message(FilterChanged(event.value))
