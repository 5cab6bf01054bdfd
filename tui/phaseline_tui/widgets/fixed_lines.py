"""Widgets of a few fixed lines, such as the header."""

from collections.abc import Sequence

from textual import events

from phaseline_tui.drawing.cells import Line, pad_line
from phaseline_tui.drawing.palette import Ground, Palette
from phaseline_tui.widgets.line_view import LineView
from phaseline_tui.widgets.messages import TitleClicked

__all__ = ["ColumnTitles", "FixedLines"]


class FixedLines(LineView, can_focus=False):
    """Lines that don't scroll. The widget is as high as the number of lines."""

    DEFAULT_CSS = """
    FixedLines { height: auto; overflow: hidden hidden; scrollbar-size: 0 0; }
    """

    def __init__(self, palette: Palette, *, id: str, ground: Ground = "ground") -> None:  # noqa: A002 (Textual's name)
        super().__init__(palette, id=id)
        self.ground = ground
        self._lines: Sequence[Line] = ()

    def show(self, lines: Sequence[Line]) -> None:
        """Show `lines`."""
        if len(lines) != len(self._lines):
            self._lines = lines
            self.styles.height = len(lines) + self.gutter.height
            self.display = bool(lines)
        self._lines = lines
        self.update_lines()

    def line_count(self) -> int:
        """Return how many lines there are."""
        return len(self._lines)

    def line_at(self, index: int) -> tuple[Line, Ground]:
        """Return a line."""
        return pad_line(self._lines[index], self.size.width), self.ground


class ColumnTitles(FixedLines):
    """The column titles of a table."""

    def on_click(self, event: events.Click) -> None:
        """Post the cell that was clicked."""
        if self._lines and self._lines[0]:
            self.post_message(TitleClicked(event.x))
