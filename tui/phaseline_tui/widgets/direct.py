"""Direct output of a widget's changed cells to the terminal, bypassing Textual's compositor.

Textual recomposes the whole screen to repaint one cell. At ten frames a second, this is most of the cost of a screen
full of changing jobs. If a widget's layout is settled and nothing covers it, its cells can be written directly.
Otherwise, and in tests without a terminal, the widget calls `refresh` as usual.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual.geometry import Region

from phaseline_tui.terminal.encoding import Cells, encode
from phaseline_tui.terminal.textual_internals import color_system, is_settled, visible_widgets, write_at_once

if TYPE_CHECKING:
    from phaseline_tui.widgets.line_view import LineView

__all__ = ["DirectPainter"]


class DirectPainter:
    """Writes cells of one widget to the terminal."""

    def __init__(self, widget: "LineView") -> None:
        self._widget = widget
        self._map: object = None
        self._place: Region | None = None

    def place(self) -> Region | None:
        """Return the region of the widget's lines on the screen; None if its cells can't be written directly now."""
        widget = self._widget
        app = widget.app
        screen = widget.screen
        if app.is_headless or app.is_inline or app.screen is not screen or not is_settled(widget):
            return None
        places = visible_widgets(screen)
        if places is not self._map:  # a new object whenever a widget moves
            self._map = places
            self._place = self._find()
        return self._place

    def _find(self) -> Region | None:
        widget = self._widget
        places = visible_widgets(widget.screen)
        if widget not in places:
            return None
        region, clip = places[widget]
        content = Region.from_offset(region.offset + widget.content_offset, widget.scrollable_content_region.size)
        if not clip.contains_region(content):
            return None
        for other, (place, _) in places.items():  # front to back
            if other is widget:
                return content
            if place.area and place.overlaps(content):
                return None
        return None

    def write(self, cells: Iterable[Cells]) -> None:
        """Write cells at positions relative to the screen; call `place` first."""
        app = self._widget.app
        write_at_once(app, encode(cells, color_system(app.console)))
