"""A table of rows with a cursor."""

from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType

from phaseline_tui.drawing.cells import Line, pad_line
from phaseline_tui.drawing.palette import Ground, Palette
from phaseline_tui.widgets.line_view import LineView
from phaseline_tui.widgets.messages import PastEdge, RowChosen

__all__ = ["RowList"]


class RowList(LineView, can_focus=True):
    """A table whose rows come from two functions: one returns their number, the other a row.

    The cursor can follow the end: it then stays on the last row while rows are added.
    """

    # Priority bindings, so that keys act in their order, as in `JobList`.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(keys, action, show=False, priority=True)
        for keys, action in (
            ("up,k", "move(-1)"),
            ("down,j", "move(1)"),
            ("g,home", "first"),
            ("G,shift+g,end", "last"),
            ("pageup,ctrl+b", "page(-1.0)"),
            ("pagedown,ctrl+f", "page(1.0)"),
            ("ctrl+u", "page(-0.5)"),
            ("ctrl+d", "page(0.5)"),
        )
    ]

    def __init__(
        self,
        palette: Palette,
        count: Callable[[], int],
        row: Callable[[int, int], Line],
        *,
        follows_end: bool = False,
        id: str = "rows",  # noqa: A002 (Textual's name)
    ) -> None:
        """Prepare an empty table.

        Args:
            palette: The styles.
            count: Returns the number of rows.
            row: Returns a row, given its number and a width in cells.
            follows_end: Whether the cursor starts at the last row and follows it.
            id: Textual's name of the widget.
        """
        super().__init__(palette, id=id)
        self._count = count
        self._row = row
        self.at_end = follows_end
        self._follows_end = follows_end
        self.cursor = 0
        self.notice: tuple[Line, ...] = ()
        """Lines to show in the middle of an empty table."""

    def line_count(self) -> int:
        """Return the number of rows, or the height if the table is empty."""
        return self._count() or self.size.height

    def line_at(self, index: int) -> tuple[Line, Ground]:
        """Return the row at `index` and its background."""
        width = self.size.width
        if not self._count():
            top = max(0, (self.size.height - len(self.notice)) // 2 - 1)
            shown = top <= index < top + len(self.notice)
            return pad_line(self.notice[index - top] if shown else (), width), self.ground
        line = pad_line(self._row(index, max(1, width - 2)), max(1, width - 2))
        if index != self.cursor:
            return ((" ", ""), *line, (" ", "")), self.ground
        return (("▌", "now"), *line, (" ", "")), "cursor" if self.has_focus else "cursor-blurred"

    def update_rows(self) -> None:
        """Repaint after rows were added, removed or changed."""
        last = max(0, self._count() - 1)
        if self.at_end:
            self.cursor = last
        self.cursor = min(self.cursor, last)
        self.update_lines()
        if self.at_end:
            self._bring_into_view()

    def choose(self, index: int) -> None:
        """Move the cursor to a row, or to the nearest one."""
        last = max(0, self._count() - 1)
        self.cursor = max(0, min(index, last))
        self.at_end = self._follows_end and self.cursor == last
        self._bring_into_view()
        self.update_lines()
        self.post_message(RowChosen(self.cursor))

    def _bring_into_view(self, *, again: bool = False) -> None:
        top, height = self.scroll_offset.y, self.size.height
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif height and self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False)
            if self.scroll_offset.y == top and not again:  # Textual scrolls only after it has drawn a scroll bar
                self.call_after_refresh(self._bring_into_view, again=True)

    def action_move(self, lines: int) -> None:
        """Move the cursor."""
        if not 0 <= self.cursor + lines < self._count():
            self.post_message(PastEdge(lines))
        self.choose(self.cursor + lines)

    def action_page(self, pages: float) -> None:
        """Move the cursor by `pages` times the visible height."""
        lines = max(1, int(abs(pages) * (self.size.height - 1)))
        self.choose(self.cursor + (lines if pages > 0 else -lines))

    def action_first(self) -> None:
        """Move the cursor to the first row."""
        self.choose(0)

    def action_last(self) -> None:
        """Move the cursor to the last row."""
        self.choose(self._count() - 1)

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the clicked row."""
        index = self.scroll_offset.y + event.y
        if index < self._count():
            self.choose(index)

    def on_resize(self) -> None:
        """Redraw in the new size, and keep the cursor in view, as when the text of its row takes lines below."""
        super().on_resize()
        self.call_after_refresh(self._bring_into_view)

    def on_focus(self) -> None:
        """Highlight the cursor."""
        self.update_lines()

    def on_blur(self) -> None:
        """Dim the cursor."""
        self.update_lines()
