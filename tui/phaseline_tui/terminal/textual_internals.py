"""All that the view takes from the inside of Textual, Rich and textual-image, which promise none of it.

Written against Textual 8.2, Rich 14 and textual-image 0.12; `tests/contracts/test_textual_internals.py` names each
piece and fails where a newer version lacks it. Why the view needs them: Textual composes the whole screen anew to
repaint one cell, and sends a changed row with its whole style.
"""

import importlib
import io
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from rich.color import ColorSystem
from rich.console import Console
from textual._ansi_sequences import SYNC_END, SYNC_START
from textual._compositor import ChopsUpdate, CompositorUpdate
from textual.app import App
from textual.geometry import Region

if TYPE_CHECKING:
    from textual.screen import Screen
    from textual.widget import Widget

__all__ = [
    "ChopsUpdate",
    "CompositorUpdate",
    "color_system",
    "is_settled",
    "load_textual_image",
    "mark_dirty",
    "visible_widgets",
    "write",
    "write_at_once",
]

# ruff: noqa: SLF001 (that is what this module is for)


def color_system(console: Console) -> ColorSystem:
    """Return the colors that a console's terminal has."""
    return console._color_system or ColorSystem.TRUECOLOR


def visible_widgets(screen: "Screen[object]") -> Mapping["Widget", tuple[Region, Region]]:
    """Return each visible widget's region and clip, those in front first: another object whenever anything moves."""
    return screen._compositor.visible_widgets


def is_settled(widget: "Widget") -> bool:
    """Return whether a widget's place on the terminal is known and nothing waits to be painted there."""
    app: App[object] = widget.app
    return (
        app._driver is not None
        and not app._batch_count
        and not widget.screen._layout_required
        and not widget._repaint_required
    )


def mark_dirty(widget: "Widget", regions: Iterable[Region]) -> None:
    """Have Textual ask for these regions of a widget anew when it composes the screen next."""
    widget._styles_cache.set_dirty(*regions)


def write(app: App[object] | App[int], text: str) -> None:
    """Write to the terminal past the screen; does nothing without a terminal."""
    if app._driver is not None and not app.is_headless:
        app._driver.write(text)
        app._driver.flush()


def write_at_once(app: App[object] | App[int], text: str) -> None:
    """Write changed cells, which the terminal shows together if it can."""
    # In one piece: each wakes the thread that writes.
    write(app, f"{SYNC_START}{text}{SYNC_END}" if app._sync_available else text)


def load_textual_image(cell: tuple[int, int]) -> None:
    """Load textual-image without the questions that it asks the terminal by itself: each may take a tenth of a second.

    Args:
        cell: Width and height of a cell in pixels.
    """
    terminal = importlib.import_module("textual_image._terminal")
    terminal.get_cell_size._result = terminal.CellSize(*cell)  # or it asks while Textual reads
    if "textual_image.widget" not in sys.modules:
        screen = sys.__stdout__
        sys.__stdout__ = io.StringIO()  # type: ignore[misc,assignment]  # no terminal, so there is nobody to ask
        try:
            importlib.import_module("textual_image.widget")
        finally:
            sys.__stdout__ = screen  # type: ignore[misc]
