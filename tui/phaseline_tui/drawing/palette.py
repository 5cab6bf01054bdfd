"""The styles of texts and fills, derived from a theme."""

from collections.abc import Callable, Mapping
from typing import Final, Literal

from rich.style import Style
from textual.color import Color
from textual.theme import Theme

from phaseline_tui.drawing.themes import OURS

__all__ = ["Ground", "Palette"]

Ground = Literal["ground", "chrome", "cursor", "cursor-blurred"]
"""The background of a line: the screen, the bands at its top and bottom, the cursor with and without focus."""

_TEXTS: Final = {
    "": ("text", ""),  # name of the style: (color, attributes)
    "text": ("text", ""),
    "strong": ("strong", "bold"),
    "muted": ("muted", ""),
    "faint": ("faint", ""),
    "rule": ("rule", ""),
    "label": ("muted", ""),
    "title": ("now", "bold"),
    "now": ("now", ""),
    "key": ("now", "bold"),
    "good": ("success", ""),
    "bad": ("error", ""),
    "bad-strong": ("error", "bold"),
    "warn": ("warning", ""),
    "warn-strong": ("warning", "bold"),
    "over": ("over", ""),
    "past": ("past", ""),
    "rest": ("rest", ""),
    "track": ("track", ""),
    "mark": ("text", ""),
}
_ANSI_COLORS: Final = {
    "text": "default",
    "strong": "default",
    "muted": "default",
    "faint": "bright_black",
    "rule": "bright_black",
    "now": "cyan",
    "past": "blue",
    "rest": "blue",
    "over": "yellow",
    "track": "bright_black",
    "success": "green",
    "warning": "yellow",
    "error": "red",
}


class _Styles(dict[str, Style]):
    """Styles by name. Each is created on first use and then always the same object."""

    def __init__(self, make: Callable[[str], Style]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, name: str) -> Style:
        style = self[name] = self._make(name)
        return style


class Palette:
    """The styles of one theme by name, such as `muted`, `bad`, or `now/track` for two fills in one cell.

    `now/` is a fill on the background of the line. Unlike a text, it keeps its colors under the cursor.
    """

    def __init__(self, theme: Theme, *, no_color: bool = False) -> None:
        """Derive the styles from `theme`. If it is not one of this program, blend its colors.

        Args:
            theme: Any theme.
            no_color: Whether to use only attributes, no colors.
        """
        self.shades = not theme.ansi
        """Whether fills differ in color; otherwise they differ in character."""
        self._no_color = no_color
        self._colors = dict(_ANSI_COLORS) if theme.ansi else _shades(theme)
        self._styles: dict[Ground, _Styles] = {}

    def on(self, ground: Ground) -> Mapping[str, Style]:
        """Return the styles on a background by name. The mapping raises KeyError for an unknown name."""
        styles = self._styles.get(ground)
        if styles is None:
            styles = self._styles[ground] = _Styles(lambda name: self._make(name, ground))
        return styles

    def style(self, name: str, ground: Ground = "ground") -> Style:
        """Return a style on a background.

        Raises:
            KeyError: There is no style of this name.
        """
        return self.on(ground)[name]

    def _make(self, name: str, ground: Ground) -> Style:
        front, slash, second = name.partition("/")
        if second and self.shades:
            return Style(color=self._colors[_TEXTS[front][0]], bgcolor=self._colors[_TEXTS[second][0]])
        color, attributes = _TEXTS[front]
        bold = "bold" in attributes
        if self.shades:
            return Style(color=self._colors[color], bgcolor=self._colors[ground], bold=bold or None)
        dim = color in {"faint", "rule", "track"} and self._no_color
        return Style(
            color=None if self._no_color else self._colors[color],
            bold=bold or None,
            dim=dim or None,
            reverse=(ground == "cursor" and not slash) or None,
            underline=ground == "cursor-blurred" or None,
        )


def _shades(theme: Theme) -> dict[str, str]:
    """Return the colors of `theme` by role; roles that it does not define are blended from its other colors."""
    system = theme.to_color_system().generate()

    def color(name: str) -> Color:
        return Color.parse(system[name])

    ground, text, primary = color("background"), color("foreground"), color("primary")
    blended = {
        "ground": ground,
        "chrome": color("surface"),
        "text": text,
        "strong": text,
        "muted": ground.blend(text, 0.62),
        "faint": ground.blend(text, 0.34),
        "rule": ground.blend(text, 0.16),
        "cursor": ground.blend(primary, 0.22),
        "cursor-blurred": ground.blend(text, 0.07),
        "past": ground.blend(primary, 0.55),
        "now": primary,
        "rest": ground.blend(primary, 0.25),
        "track": ground.blend(text, 0.09),
        "over": color("warning"),
        "success": color("success"),
        "warning": color("warning"),
        "error": color("error"),
    }
    return {name: theme.variables.get(f"{OURS}{name}", blend.hex6) for name, blend in blended.items()}
