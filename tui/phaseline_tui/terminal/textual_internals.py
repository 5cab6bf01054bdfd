"""All private parts of Textual, Rich and textual-image that the view uses. Their authors may change them at any time.

Written against Textual 8.2, Rich 14 and textual-image 0.12. `tests/contracts/test_textual_internals.py` checks for each
part and fails if a newer version lacks it. The view needs them because Textual recomposes the whole screen to repaint
one cell, and sends a changed row with its full style.
"""

import codecs
import importlib
import io
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from rich.color import ColorSystem
from rich.console import Console
from textual._ansi_sequences import SYNC_END, SYNC_START
from textual._compositor import ChopsUpdate, CompositorUpdate
from textual.app import App
from textual.drivers import linux_driver
from textual.geometry import Region

if TYPE_CHECKING:
    from textual.screen import Screen
    from textual.widget import Widget

__all__ = [
    "ChopsUpdate",
    "CompositorUpdate",
    "accept_any_bytes",
    "color_system",
    "is_settled",
    "load_textual_image",
    "mark_dirty",
    "visible_widgets",
    "write",
    "write_at_once",
]

# ruff: noqa: SLF001 (the purpose of this module)


def accept_any_bytes() -> None:
    """Make Textual read U+FFFD for each byte of the keyboard that is not UTF-8, instead of ending the program.

    A terminal in Latin-1 sends such bytes for letters, and one with X10 mouse reports for columns beyond 95.
    """
    linux_driver.getincrementaldecoder = _lenient_decoder  # type: ignore[attr-defined,assignment]


def _lenient_decoder(encoding: str) -> Callable[[], codecs.IncrementalDecoder]:
    return partial(codecs.getincrementaldecoder(encoding), "replace")


def color_system(console: Console) -> ColorSystem:
    """Return the color system of a console's terminal."""
    return console._color_system or ColorSystem.TRUECOLOR


def visible_widgets(screen: "Screen[object]") -> Mapping["Widget", tuple[Region, Region]]:
    """Return the region and clip of each visible widget, front to back; a new object whenever a widget moves."""
    return screen._compositor.visible_widgets


def is_settled(widget: "Widget") -> bool:
    """Return whether a widget's region is known and no repaint is pending there."""
    app: App[object] = widget.app
    return (
        app._driver is not None
        and not app._batch_count
        and not widget.screen._layout_required
        and not widget._repaint_required
    )


def mark_dirty(widget: "Widget", regions: Iterable[Region]) -> None:
    """Make Textual render these regions of a widget again when it next composes the screen."""
    widget._styles_cache.set_dirty(*regions)


def write(app: App[object] | App[int], text: str) -> None:
    """Write to the terminal directly; do nothing without a terminal."""
    if app._driver is not None and not app.is_headless:
        app._driver.write(text)
        app._driver.flush()


def write_at_once(app: App[object] | App[int], text: str) -> None:
    """Write changed cells, as one synchronized update if the terminal supports it."""
    # One write, because each one wakes the writer thread.
    write(app, f"{SYNC_START}{text}{SYNC_END}" if app._sync_available else text)


def load_textual_image(cell: tuple[int, int]) -> None:
    """Import textual-image without its own terminal queries, which take up to 0.1 s each.

    Args:
        cell: Width and height of a cell in pixels.
    """
    terminal = importlib.import_module("textual_image._terminal")
    terminal.get_cell_size._result = terminal.CellSize(*cell)  # or it queries the terminal while Textual reads
    if "textual_image.widget" not in sys.modules:
        screen = sys.__stdout__
        sys.__stdout__ = io.StringIO()  # type: ignore[misc,assignment]  # without a terminal it sends no queries
        try:
            importlib.import_module("textual_image.widget")
        finally:
            sys.__stdout__ = screen  # type: ignore[misc]
