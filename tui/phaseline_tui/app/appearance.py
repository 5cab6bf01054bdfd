"""The app as far as its looks go: themes, colours, signs, and how changed cells reach the terminal."""

import os
from collections.abc import Sequence
from typing import ClassVar, cast

from rich.console import RenderableType
from textual.app import App
from textual.filter import LineFilter
from textual.screen import Screen

from phaseline_tui.drawing.ascii import AsciiFilter
from phaseline_tui.drawing.palette import Palette
from phaseline_tui.drawing.themes import ANSI, DARK, LIGHT, choose_theme, themes_for
from phaseline_tui.terminal.encoding import CellsUpdate
from phaseline_tui.terminal.textual_internals import ChopsUpdate

__all__ = ["DressedApp"]


class DressedApp(App[int]):
    """Base of the program's app."""

    # Which command is chosen is told by an attribute, because NO_COLOR takes the colours.
    CSS: ClassVar[str] = """
    CommandList:nocolor > .option-list--option-highlighted { text-style: bold underline; }
    """

    def __init__(self, wanted: Sequence[str], *, theme: str | None, without_unicode: bool) -> None:
        """Choose the theme.

        Args:
            wanted: names of themes, the most wanted first; those that the terminal can't show or nobody knows don't
                count, and without any it is one that fits the terminal.
            theme: the name of the theme to have in all its colours, whatever the terminal is.
            without_unicode: whether everything is drawn in ASCII.
        """
        self.no_color_wanted = bool(os.environ.get("NO_COLOR"))
        super().__init__(ansi_color=True if self.no_color_wanted else None)
        self._without_unicode = without_unicode
        color_system = self.console.color_system if theme is None else "truecolor"
        for each in themes_for(color_system):
            self.register_theme(each)
        fitting = choose_theme(os.environ, color_system, no_color=self.no_color_wanted)
        known = [name for name in map(self._theme_called, wanted) if name]
        self.theme = theme or (known[0] if known and fitting != ANSI else fitting)

    def _theme_called(self, name: str) -> str | None:
        """Return a theme's whole name; None if there is none."""
        return next((each for each in (name, f"phaseline-{name}") if each in self.available_themes), None)

    def palette(self) -> Palette:
        """Return the styles of the present theme."""
        theme = self.available_themes[ANSI] if self.no_color_wanted else self.current_theme
        return Palette(theme, no_color=self.no_color_wanted)

    @property
    def shades(self) -> bool:
        """Whether fills differ by their shades; otherwise by their characters."""
        return self.palette().shades and not self._without_unicode

    def action_toggle_theme(self) -> None:
        """Change between dark and light."""
        self.theme = LIGHT if self.theme == DARK else DARK

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what every line goes through before it is drawn (called by Textual)."""
        filters = super().get_line_filters()
        return [*filters, AsciiFilter()] if self._without_unicode else filters

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Write to the terminal what changed (called by Textual)."""
        if isinstance(renderable, ChopsUpdate):
            renderable = cast("RenderableType", CellsUpdate(renderable))
        super()._display(screen, renderable)
