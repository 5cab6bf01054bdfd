"""The base class of the app that handles its appearance: themes, colors, ASCII mode, output of changed cells."""

import os
from collections.abc import Sequence
from typing import ClassVar, cast

from rich.console import RenderableType
from textual.app import App
from textual.filter import LineFilter
from textual.screen import Screen

from phaseline.errors import ConfigError, shown
from phaseline_tui.drawing.ascii import AsciiFilter
from phaseline_tui.drawing.palette import Palette
from phaseline_tui.drawing.themes import ANSI, DARK, LIGHT, OURS, choose_theme, themes_for
from phaseline_tui.terminal.encoding import CellsUpdate
from phaseline_tui.terminal.textual_internals import ChopsUpdate

__all__ = ["ThemedApp"]


class ThemedApp(App[int]):
    """Base of the app: selects the theme and writes changed cells to the terminal."""

    # With NO_COLOR, only an attribute can mark the selected command.
    CSS: ClassVar[str] = """
    CommandList:nocolor > .option-list--option-highlighted { text-style: bold underline; }
    """

    def __init__(self, wanted: Sequence[str], *, theme: str | None, without_unicode: bool) -> None:
        """Select the theme.

        Args:
            wanted: Names of themes in order of preference: the user's setting, then others, which are skipped if they
                are unknown. If none is left, or if the terminal has only 16 colors, a theme that fits the terminal is
                used.
            theme: Name of a theme to show in full color, whatever the terminal supports.
            without_unicode: Whether to draw everything in ASCII.

        Raises:
            ConfigError: The user's theme does not exist.
        """
        self.no_color_wanted = bool(os.environ.get("NO_COLOR"))
        super().__init__(ansi_color=True if self.no_color_wanted else None)
        self._without_unicode = without_unicode
        color_system = self.console.color_system if theme is None else "truecolor"
        for each in themes_for(color_system):
            self.register_theme(each)
        if wanted[0] and self._theme_named(wanted[0]) is None:
            ours = ("dark", "light", "ansi")
            others = sorted(name for name in self.available_themes if not name.startswith(OURS))
            raise ConfigError(f"theme is {shown(wanted[0])}; allowed: {', '.join((*ours, *others))}")
        fitting = choose_theme(os.environ, color_system, no_color=self.no_color_wanted)
        known = [name for name in map(self._theme_named, wanted) if name]
        self.theme = theme or (known[0] if known and fitting != ANSI else fitting)

    def _theme_named(self, name: str) -> str | None:
        """Return the full name of a theme; None if it does not exist."""
        return next((each for each in (name, f"phaseline-{name}") if each in self.available_themes), None)

    def palette(self) -> Palette:
        """Return the styles of the current theme."""
        theme = self.available_themes[ANSI] if self.no_color_wanted else self.current_theme
        return Palette(theme, no_color=self.no_color_wanted)

    @property
    def shades(self) -> bool:
        """Whether fills differ in color; otherwise they differ in character."""
        return self.palette().shades and not self._without_unicode

    def action_toggle_theme(self) -> None:
        """Switch between dark and light."""
        self.theme = LIGHT if self.theme == DARK else DARK

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return the filters applied to every line before it is drawn (called by Textual)."""
        filters = super().get_line_filters()
        return [*filters, AsciiFilter()] if self._without_unicode else filters

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Write changed cells to the terminal (called by Textual)."""
        if isinstance(renderable, ChopsUpdate):
            renderable = cast("RenderableType", CellsUpdate(renderable))
        super()._display(screen, renderable)
