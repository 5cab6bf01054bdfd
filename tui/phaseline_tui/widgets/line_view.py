"""A scrolling view of lines that repaints only the cells that changed."""

from collections.abc import Iterable, Iterator
from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from phaseline_tui.drawing.ascii import AsciiFilter, to_ascii
from phaseline_tui.drawing.cells import Line, blank
from phaseline_tui.drawing.differences import Stretch, changed, cut
from phaseline_tui.drawing.palette import Ground, Palette
from phaseline_tui.terminal.encoding import Cells
from phaseline_tui.terminal.textual_internals import mark_dirty
from phaseline_tui.widgets.direct import DirectPainter

__all__ = ["LineView"]

_Painted = tuple[Line, Ground]


class LineView(ScrollView):
    """Base of the widgets that draw lines. Subclasses provide the number of lines and the text of each.

    `update_lines` compares the visible lines with the painted ones and repaints only the cells that differ. This avoids
    flicker, and is fast enough for ten updates a second on a slow line.
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
    """Default background of lines, and of the space below the last one."""

    def __init__(self, palette: Palette, *, id: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self._palette = palette
        self._painted: dict[int, _Painted] = {}
        self._direct = DirectPainter(self)

    def line_count(self) -> int:
        """Return the number of lines."""
        raise NotImplementedError

    def line_at(self, index: int) -> _Painted:
        """Return line `index`, counted from 0, as wide as the widget, and its background."""
        raise NotImplementedError

    def set_palette(self, palette: Palette) -> None:
        """Use another palette."""
        self._palette = palette
        self._painted.clear()
        self.refresh()

    def update_lines(self) -> None:
        """Repaint the visible cells that differ from the painted ones."""
        width, height = self.size
        if not width or not height:
            return
        count = self.line_count()
        if (width, count) != self.virtual_size:
            self.virtual_size = Size(width, count)
        top = self.scroll_offset.y
        before = self._painted
        # Only visible lines are kept; others are created when they are scrolled into view.
        self._painted = {index: self.line_at(index) for index in range(top, min(top + height, count))}
        self._repaint(
            (index, self._differences(before.get(index), self._painted.get(index)))
            for index in range(top, top + height)
        )

    def update_some(self, indices: Iterable[int]) -> None:
        """Repaint the cells that differ in these lines, if visible. All other lines must be unchanged."""
        found: list[tuple[int, list[Stretch]]] = []
        for index in indices:
            before = self._painted.get(index)
            if before is not None:  # an unpainted line is created when it is painted
                self._painted[index] = after = self.line_at(index)
                found.append((index, self._differences(before, after)))
        self._repaint(found)

    def _differences(self, before: _Painted | None, after: _Painted | None) -> list[Stretch]:
        """Return the stretches of a line to repaint."""
        if before == after:
            return []
        if before is None or after is None or before[1] != after[1]:
            return [Stretch(0, self.size.width)]
        return changed(before[0], after[0])

    def _repaint(self, found: Iterable[tuple[int, list[Stretch]]]) -> None:
        """Repaint stretches of lines, directly if possible (see `DirectPainter`)."""
        differing = [(index, stretches) for index, stretches in found if stretches]
        if not differing:
            return
        top = self.scroll_offset.y
        place = self._direct.place()
        if place is None:
            self.refresh(
                *(
                    Region(stretch.start, index - top, stretch.end - stretch.start, 1)
                    for index, stretches in differing
                    for stretch in stretches
                )
            )
            return
        # Textual's cache of these lines is outdated now; it renders them again when it next composes the screen.
        mark_dirty(self, (Region(0, self.content_offset.y + index - top, 1, 1) for index, _ in differing))
        self._direct.write(self._cells(differing, place))

    def _cells(self, differing: Iterable[tuple[int, list[Stretch]]], place: Region) -> Iterator[Cells]:
        nothing: _Painted = ((blank(self.size.width),), self.ground)
        first = place.y - self.scroll_offset.y
        left, width = place.x, place.width
        plain = any(isinstance(each, AsciiFilter) for each in self.get_line_filters())
        for index, stretches in differing:
            line, ground = self._painted.get(index, nothing)
            styles = self._palette.on(ground)
            if stretches[-1].end > width:  # the scroll bar begins there
                stretches = [Stretch(start, min(end, width)) for start, end in stretches if start < width]  # noqa: PLW2901
            for x, text, name in cut(line, stretches):
                yield first + index, left + x, to_ascii(text) if plain else text, styles[name]

    def render_line(self, y: int) -> Strip:
        """Return a line of the widget (called by Textual)."""
        width = self.size.width
        index = self.scroll_offset.y + y
        painted = self._painted.get(index)
        if painted is None:
            if index >= self.line_count():
                return Strip.blank(width, self._palette.style("", self.ground))
            painted = self._painted[index] = self.line_at(index)
        line, ground = painted
        styles = self._palette.on(ground)
        strip = Strip([Segment(text, styles[name]) for text, name in line])
        return strip.adjust_cell_length(width, styles[""]).simplify()

    def on_resize(self) -> None:
        """Redraw all lines in the new size."""
        self._painted.clear()
        self.virtual_size = Size(self.size.width, self.line_count())
        self.refresh()
