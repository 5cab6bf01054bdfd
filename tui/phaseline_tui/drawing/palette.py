"""Colours: the two themes of this program, and what each kind of text is drawn with in whatever theme is chosen."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from rich.style import Style
from textual.color import Color
from textual.theme import Theme

__all__ = ["ANSI", "DARK", "LIGHT", "THEMES", "Ground", "Palette", "choose_theme"]

DARK: Final = "phaseline-dark"
LIGHT: Final = "phaseline-light"
ANSI: Final = "phaseline-ansi"

THEMES: Final = (
    Theme(
        name=DARK,
        dark=True,
        primary="#6cb6ff",
        secondary="#5c7a99",
        accent="#e2b86b",
        foreground="#cdd6e0",
        background="#10151c",
        surface="#171e27",
        panel="#1f2833",
        success="#7cc58a",
        warning="#e2b86b",
        error="#f0787d",
        variables={
            "phaseline-muted": "#8492a3",
            "phaseline-faint": "#4b5868",
            "phaseline-rule": "#2a3542",
            "phaseline-strong": "#f0f4f8",
            "phaseline-cursor": "#22303f",
            "phaseline-cursor-blurred": "#1a232d",
            "phaseline-past": "#3f6c9b",
            "phaseline-now": "#6cb6ff",
            "phaseline-rest": "#273d54",
            "phaseline-track": "#1c2530",
            "scrollbar": "#2f3b49",
            "scrollbar-hover": "#435264",
            "scrollbar-active": "#6cb6ff",
            "scrollbar-background": "#10151c",
            "scrollbar-background-hover": "#10151c",
            "scrollbar-background-active": "#10151c",
            "scrollbar-corner-color": "#10151c",
        },
    ),
    Theme(
        name=LIGHT,
        dark=False,
        primary="#1667b7",
        secondary="#5f7f9f",
        accent="#8a5a00",
        foreground="#2b333c",
        background="#fcfbf8",
        surface="#f3f1ec",
        panel="#e9e6df",
        success="#22743a",
        warning="#8a5a00",
        error="#c0323c",
        variables={
            "phaseline-muted": "#646e79",
            "phaseline-faint": "#a3a9b0",
            "phaseline-rule": "#dcd8d0",
            "phaseline-strong": "#0c1116",
            "phaseline-cursor": "#e1ebf5",
            "phaseline-cursor-blurred": "#efede7",
            "phaseline-past": "#86b3df",
            "phaseline-now": "#1667b7",
            "phaseline-rest": "#cfdfee",
            "phaseline-track": "#eae7e0",
            "scrollbar": "#d3cec4",
            "scrollbar-hover": "#b9b3a7",
            "scrollbar-active": "#1667b7",
            "scrollbar-background": "#fcfbf8",
            "scrollbar-background-hover": "#fcfbf8",
            "scrollbar-background-active": "#fcfbf8",
            "scrollbar-corner-color": "#fcfbf8",
        },
    ),
    # The terminal's own sixteen colours on its own ground: right wherever shades are not to be had or not wanted.
    Theme(
        name=ANSI,
        ansi=True,
        primary="ansi_blue",
        secondary="ansi_cyan",
        accent="ansi_yellow",
        foreground="ansi_default",
        background="ansi_default",
        surface="ansi_default",
        panel="ansi_default",
        boost="ansi_default",
        success="ansi_green",
        warning="ansi_yellow",
        error="ansi_red",
        variables={"input-cursor-text-style": "reverse", "scrollbar": "ansi_bright_black"},
    ),
)

_LIGHT_GROUNDS: Final = frozenset({"7", "9", "10", "11", "12", "13", "14", "15"})


def choose_theme(environ: Mapping[str, str], color_system: str | None, *, no_color: bool) -> str:
    """Return the name of the theme to begin with.

    Args:
        environ: the environment; `COLORFGBG` (as rxvt, Konsole and others set it) tells a light ground.
        color_system: Rich's name for what the terminal can.
        no_color: whether the environment asks for no colours.
    """
    if no_color or color_system in {None, "standard", "windows"}:
        return ANSI
    ground = environ.get("COLORFGBG", "").rpartition(";")[2]
    return LIGHT if ground in _LIGHT_GROUNDS else DARK


class Ground(NamedTuple):
    """On what a line stands."""

    cursor: bool = False
    focused: bool = False


PLAIN: Final = Ground()
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
    "over": ("warning", ""),
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
    "track": "bright_black",
    "success": "green",
    "warning": "yellow",
    "error": "red",
}


class Palette:
    """The styles of one theme, by the names that `drawing` uses: `muted`, `bad`, or `now/track` for two fills."""

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
        self._grounds: dict[bool | None, str | None] = (
            {None: None, False: None, True: None}
            if theme.ansi
            else {
                None: self._colours["ground"],
                False: self._colours["cursor-blurred"],
                True: self._colours["cursor"],
            }
        )
        self._styles: dict[tuple[str, Ground], Style] = {}

    def style(self, name: str, ground: Ground = PLAIN) -> Style:
        """Return the style called `name` on `ground`.

        Raises:
            KeyError: no style is called so.
        """
        style = self._styles.get((name, ground))
        if style is None:
            style = self._styles[name, ground] = self._make(name, ground)
        return style

    def _make(self, name: str, ground: Ground) -> Style:
        behind = self._grounds[ground.focused if ground.cursor else None]
        front, _, second = name.partition("/")
        if second:
            return Style(color=self._colours[_TEXTS[front][0]], bgcolor=self._colours[_TEXTS[second][0]])
        colour, attributes = _TEXTS[front]
        bold = "bold" in attributes
        if self.shades:
            return Style(color=self._colours[colour], bgcolor=behind, bold=bold or None)
        dim = colour in {"faint", "rule", "track"} and self._no_color
        return Style(
            color=None if self._no_color else self._colours[colour],
            bold=bold or None,
            dim=dim or None,
            reverse=(ground.cursor and ground.focused) or None,
            underline=(ground.cursor and not ground.focused) or None,
        )


def _shades(theme: Theme) -> dict[str, str]:
    """Return our colours in `theme`; what it doesn't name is blended from what it has."""
    system = theme.to_color_system().generate()

    def colour(name: str) -> Color:
        return Color.parse(system[name])

    ground, text, primary = colour("background"), colour("foreground"), colour("primary")
    blended = {
        "ground": ground,
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
        "success": colour("success"),
        "warning": colour("warning"),
        "error": colour("error"),
    }
    return {name: theme.variables.get(f"phaseline-{name}", blend.hex6) for name, blend in blended.items()}
