"""The confirmation screen for actions that can't be undone."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from phaseline_tui.drawing.cells import Line
from phaseline_tui.drawing.palette import Palette
from phaseline_tui.widgets.fixed_lines import FixedLines

__all__ = ["QuestionScreen"]


class QuestionScreen(ModalScreen[bool]):
    """Asks a yes-or-no question; only `y` confirms."""

    DEFAULT_CSS = """
    QuestionScreen { align: center middle; }
    QuestionScreen #box {
        width: 64; max-width: 100%; height: auto; border: round $error; padding: 1 2; background: $background;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", show=False),
        Binding("n,escape,enter,q", "answer(False)", show=False),
    ]

    def __init__(self, palette: Palette, lines: Sequence[Line], yes: str) -> None:
        """Prepare the question.

        Args:
            palette: The styles.
            lines: The question.
            yes: Description of what `y` does.
        """
        super().__init__()
        self._lines = FixedLines(palette, id="question")
        self._content: list[Line] = [
            *lines,
            (),
            (("y", "key"), (f" {yes}    ", "muted"), ("esc", "key"), (" no", "muted")),
        ]

    def compose(self) -> ComposeResult:
        """Yield the widgets (called by Textual)."""
        with Vertical(id="box"):
            yield self._lines

    def on_mount(self) -> None:
        """Show the question."""
        self._lines.show(self._content)

    def action_answer(self, yes: bool) -> None:  # noqa: FBT001 (Textual passes it by position)
        """Close the screen with the answer."""
        self.dismiss(yes)
