"""The short way to the terminal: changed cells of a widget that nothing covers.

Textual composes the whole screen anew to repaint one cell, which at ten frames a second is most of what a screen
full of changing jobs costs. Where a widget's place on the screen is settled and nothing lies above it, its cells can
be written at once. Everywhere else, and in tests without a terminal, `refresh` does it as for any widget.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.color import ColorSystem
from textual._ansi_sequences import SYNC_END, SYNC_START
from textual.geometry import Region

from phaseline_tui.terminal.encoding import Cells, encode

if TYPE_CHECKING:
    from textual.app import App

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
        if (
            app.is_headless
            or app.is_inline
            or app._driver is None  # noqa: SLF001  there is no public way past the compositor
            or app._batch_count  # noqa: SLF001
            or app.screen is not screen
            or screen._layout_required  # noqa: SLF001
            or widget._repaint_required  # noqa: SLF001
        ):
            return None
        places = screen._compositor.visible_widgets  # noqa: SLF001
        if places is not self._map:  # A new one is made whenever anything moves.
            self._map = places
            self._place = self._find()
        return self._place

    def _find(self) -> Region | None:
        widget = self._widget
        places = widget.screen._compositor.visible_widgets  # noqa: SLF001
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
        app: App[object] = self._widget.app
        driver = app._driver  # noqa: SLF001
        if driver is None:
            return
        text = encode(cells, app.console._color_system or ColorSystem.TRUECOLOR)  # noqa: SLF001
        # In one piece: each wakes the thread that writes.
        driver.write(f"{SYNC_START}{text}{SYNC_END}" if app._sync_available else text)  # noqa: SLF001
        driver.flush()
