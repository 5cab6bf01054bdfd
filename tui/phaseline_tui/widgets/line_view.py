"""A scrolling view of lines that repaints only those that changed."""

from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from phaseline_tui.drawing.cells import Line
from phaseline_tui.drawing.palette import Ground, Palette

__all__ = ["LineView"]

_Painted = tuple[Line, Ground]


class LineView(ScrollView):
    """Base of every widget here. Whoever derives from it says how many lines there are, and what stands in each.

    `update_lines` compares what is to be seen with what was painted last, and repaints the difference: at ten
    updates a second over a slow line, nothing else is quick enough, and nothing flickers.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    LineView { scrollbar-size-vertical: 1; overflow-x: hidden; background: $background; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
        Binding("g", "scroll_home", show=False),
        Binding("G,shift+g", "scroll_end", show=False),
        Binding("ctrl+d", "page_down", show=False),
        Binding("ctrl+u", "page_up", show=False),
    ]

    ground: Ground = "ground"
    """On what lines stand that say nothing else, and the space below the last."""

    def __init__(self, palette: Palette, *, id: str | None = None) -> None:  # noqa: A002  Textual's word
        super().__init__(id=id)
        self._palette = palette
        self._painted: dict[int, _Painted] = {}

    def line_count(self) -> int:
        """Return how many lines there are."""
        raise NotImplementedError

    def line_at(self, index: int) -> _Painted:
        """Return line `index`, from 0, and the ground it stands on; exactly as wide as the widget."""
        raise NotImplementedError

    def set_palette(self, palette: Palette) -> None:
        """Draw in other colours from now on."""
        self._palette = palette
        self._painted.clear()
        self.refresh()

    def update_lines(self) -> None:
        """Repaint what is visible and differs from what was painted."""
        width, height = self.size
        if not width or not height:
            return
        count = self.line_count()
        if (width, count) != self.virtual_size:
            self.virtual_size = Size(width, count)
        top = self.scroll_offset.y
        before = self._painted
        # Only what is visible is kept: a line that is scrolled into view later is made then.
        after = {index: self.line_at(index) for index in range(top, min(top + height, count))}
        self._painted = after
        regions = [
            Region(0, index - top, width, 1)
            for index in range(top, top + height)
            if after.get(index) != before.get(index)
        ]
        if regions:
            self.refresh(*regions)

    def render_line(self, y: int) -> Strip:
        """Return a line of the widget (called by Textual)."""
        width = self.size.width
        index = self.scroll_offset.y + y
        style = self._palette.style
        painted = self._painted.get(index)
        if painted is None:
            if index >= self.line_count():
                return Strip.blank(width, style("", self.ground))
            painted = self._painted[index] = self.line_at(index)
        line, ground = painted
        strip = Strip([Segment(text, style(name, ground)) for text, name in line])
        return strip.adjust_cell_length(width, style("", ground)).simplify()

    def on_resize(self) -> None:
        """Lay the lines out anew."""
        self._painted.clear()
        self.virtual_size = Size(self.size.width, self.line_count())
        self.refresh()
