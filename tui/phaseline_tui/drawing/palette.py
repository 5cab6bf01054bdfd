"""What each kind of text is drawn with, in whatever theme is chosen."""

from collections.abc import Callable, Mapping
from typing import Final, Literal

from rich.style import Style
from textual.color import Color
from textual.theme import Theme

from phaseline_tui.drawing.themes import OURS

__all__ = ["Ground", "Palette"]

Ground = Literal["ground", "chrome", "cursor", "cursor-blurred"]
"""On what a line stands: the screen, the band at its top and bottom, the cursor with and without the keys."""

_TEXTS: Final = {
    "": ("text", ""),  # the style's name, then its colour and attributes
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
_ANSI_COLOURS: Final = {
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
    """Styles by their names, each made when it is first asked for, and one object from then on."""

    def __init__(self, make: Callable[[str], Style]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, name: str) -> Style:
        style = self[name] = self._make(name)
        return style


class Palette:
    """The styles of one theme, by the names that `drawing` uses: `muted`, `bad`, or `now/track` for two fills.

    A fill on the line's own ground is called `now/`: unlike a text, it keeps its colours under the cursor.
    """

    def __init__(self, theme: Theme, *, no_color: bool = False) -> None:
        """Derive them from `theme`; from another's than ours by blending its colours.

        Args:
            theme: any theme.
            no_color: whether only attributes may tell things apart.
        """
        self.shades = not theme.ansi
        """Whether fills differ by their shades; otherwise by their characters."""
        self._no_color = no_color
        self._colours = dict(_ANSI_COLOURS) if theme.ansi else _shades(theme)
        self._styles: dict[Ground, _Styles] = {}

    def on(self, ground: Ground) -> Mapping[str, Style]:
        """Return the styles on `ground` by their names; a KeyError says that no style is called so."""
        styles = self._styles.get(ground)
        if styles is None:
            styles = self._styles[ground] = _Styles(lambda name: self._make(name, ground))
        return styles

    def style(self, name: str, ground: Ground = "ground") -> Style:
        """Return the style called `name` on `ground`.

        Raises:
            KeyError: no style is called so.
        """
        return self.on(ground)[name]

    def _make(self, name: str, ground: Ground) -> Style:
        front, slash, second = name.partition("/")
        if second and self.shades:
            return Style(color=self._colours[_TEXTS[front][0]], bgcolor=self._colours[_TEXTS[second][0]])
        colour, attributes = _TEXTS[front]
        bold = "bold" in attributes
        if self.shades:
            return Style(color=self._colours[colour], bgcolor=self._colours[ground], bold=bold or None)
        dim = colour in {"faint", "rule", "track"} and self._no_color
        return Style(
            color=None if self._no_color else self._colours[colour],
            bold=bold or None,
            dim=dim or None,
            reverse=(ground == "cursor" and not slash) or None,
            underline=ground == "cursor-blurred" or None,
        )


def _shades(theme: Theme) -> dict[str, str]:
    """Return our colours in `theme`; what it doesn't name is blended from what it has."""
    system = theme.to_color_system().generate()

    def colour(name: str) -> Color:
        return Color.parse(system[name])

    ground, text, primary = colour("background"), colour("foreground"), colour("primary")
    blended = {
        "ground": ground,
        "chrome": colour("surface"),
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
        "over": colour("warning"),
        "success": colour("success"),
        "warning": colour("warning"),
        "error": colour("error"),
    }
    return {name: theme.variables.get(f"{OURS}{name}", blend.hex6) for name, blend in blended.items()}
