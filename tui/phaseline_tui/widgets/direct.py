"""The short way to the terminal: changed cells of a widget that nothing covers.

Textual composes the whole screen anew to repaint one cell, which at ten frames a second is most of what a screen
full of changing jobs costs. Where a widget's place on the screen is settled and nothing lies above it, its cells can
be written at once. Everywhere else, and in tests without a terminal, `refresh` does it as for any widget.
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
    """Writes cells of one widget."""

    def __init__(self, widget: "LineView") -> None:
        self._widget = widget
        self._map: object = None
        self._place: Region | None = None

    def place(self) -> Region | None:
        """Return where on the screen the widget's lines are; None if its cells can't be written directly now."""
        widget = self._widget
        app = widget.app
        screen = widget.screen
        if app.is_headless or app.is_inline or app.screen is not screen or not is_settled(widget):
            return None
        places = visible_widgets(screen)
        if places is not self._map:  # A new one is made whenever anything moves.
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
        for other, (place, _) in places.items():  # Those in front come first.
            if other is widget:
                return content
            if place.area and place.overlaps(content):
                return None
        return None

    def write(self, cells: Iterable[Cells]) -> None:
        """Write cells; `place` has said where they go."""
        app = self._widget.app
        write_at_once(app, encode(cells, color_system(app.console)))
