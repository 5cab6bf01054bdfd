"""The themes of this program: dark and light, each in truecolor and in 256 colors, and ANSI.

The 256-color tables are separate, because the nearest of the 256 colors to a subtle shade is often teal.
"""

from collections.abc import Mapping
from typing import Final

from textual.theme import Theme

__all__ = ["ANSI", "DARK", "LIGHT", "OURS", "choose_theme", "themes_for"]

DARK: Final = "phaseline-dark"
LIGHT: Final = "phaseline-light"
ANSI: Final = "phaseline-ansi"
OURS: Final = "phaseline-"
"""Prefix of our colors among a theme's variables."""

_ROLES: Final = (
    "ground",
    "chrome",
    "panel",
    "text",
    "strong",
    "muted",
    "faint",
    "rule",
    "cursor",
    "cursor-blurred",
    "past",
    "now",
    "rest",
    "track",
    "over",
    "success",
    "warning",
    "error",
    "scrollbar",
)
"""Backgrounds of the screen, its bands and panels; texts from strong to faint; backgrounds of the cursor; fills of a
bar; success, warning and error; the scroll bar."""

_TABLES: Final = {
    (DARK, True): (
        "#10151c #171e27 #1f2833 #cdd6e0 #f0f4f8 #8492a3 #566373 #2a3542 #22303f #1a232d "
        "#3f6c9b #6cb6ff #273d54 #1c2530 #d3a24c #7cc58a #e2b86b #f0787d #334150"
    ),
    (LIGHT, True): (
        "#fcfbf8 #f3f1ec #e9e6df #2b333c #0c1116 #646e79 #989fa7 #dcd8d0 #e1ebf5 #efede7 "
        "#86b3df #1667b7 #cfdfee #eae7e0 #dfa63f #22743a #8a5a00 #c0323c #cdc7bc"
    ),
    (DARK, False): (
        "#121212 #1c1c1c #262626 #d0d0d0 #ffffff #8a8a8a #626262 #303030 #303030 #1c1c1c "
        "#5f87af #5fafff #444444 #262626 #d7af5f #87d787 #d7af5f #ff8787 #444444"
    ),
    (LIGHT, False): (
        "#ffffff #f0f0f0 #e8e8e8 #303030 #000000 #626262 #9e9e9e #d0d0d0 #e0e0e0 #f0f0f0 "
        "#87afd7 #005faf #afd7ff #e8e8e8 #d7af5f #008700 #875f00 #af0000 #bcbcbc"
    ),
}
_LIGHT_GROUNDS: Final = frozenset({"7", "9", "10", "11", "12", "13", "14", "15"})


def themes_for(color_system: str | None) -> list[Theme]:
    """Return the themes for a terminal with Rich's `color_system`."""
    fine = color_system == "truecolor"
    return [_theme(DARK, fine=fine), _theme(LIGHT, fine=fine), _ansi()]


def choose_theme(environ: Mapping[str, str], color_system: str | None, *, no_color: bool) -> str:
    """Return the name of the default theme.

    Args:
        environ: The environment; `COLORFGBG` (set by rxvt, Konsole and others) shows a light background.
        color_system: Rich's name of the terminal's colors.
        no_color: Whether NO_COLOR is set.
    """
    if no_color or color_system in {None, "standard", "windows"}:
        return ANSI
    ground = environ.get("COLORFGBG", "").rpartition(";")[2]
    return LIGHT if ground in _LIGHT_GROUNDS else DARK


def _theme(name: str, *, fine: bool) -> Theme:
    colors = dict(zip(_ROLES, _TABLES[name, fine].split(), strict=True))
    ground, scrollbar, now = colors["ground"], colors["scrollbar"], colors["now"]
    variables = {f"{OURS}{role}": color for role, color in colors.items()}
    variables |= {f"scrollbar-background{when}": ground for when in ("", "-hover", "-active")}
    variables |= {"scrollbar": scrollbar, "scrollbar-hover": scrollbar, "scrollbar-active": now}
    return Theme(
        name=name,
        dark=name == DARK,
        primary=now,
        secondary=colors["past"],
        accent=colors["warning"],
        foreground=colors["text"],
        background=ground,
        surface=colors["chrome"],
        panel=colors["panel"],
        success=colors["success"],
        warning=colors["warning"],
        error=colors["error"],
        variables=variables | {"scrollbar-corner-color": ground},
    )


def _ansi() -> Theme:
    """Return a theme of the terminal's own 16 colors and background, for terminals without shades."""
    return Theme(
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
        variables={
            "ansi-background": "ansi_default",
            "ansi-foreground": "ansi_default",
            "border-blurred": "ansi_default",
            "input-cursor-text-style": "reverse",
            "scrollbar": "ansi_bright_black",
            "scrollbar-background": "ansi_default",
        },
    )
