"""What a user sets in `~/.config/phaseline/tui.toml`; every key may be missing."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from phaseline.errors import ConfigError, shown

__all__ = ["Settings", "read_settings", "settings_file"]

_NAME: Final = Path("phaseline") / "tui.toml"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings, with what holds where nothing is set."""

    servers: list[str] = []
    """Whom to follow when the command line names nobody."""
    theme: str = ""
    """`dark`, `light`, `ansi`, or a theme of Textual's; empty chooses what fits the terminal."""
    ascii: bool = False
    """Whether to do without Unicode."""
    title: bool = True
    """Whether the window's title tells how far the jobs are."""
    progress: bool = True
    """Whether the terminal's tab shows it too (OSC 9;4)."""
    notify: Literal["off", "bell", "osc9", "osc777"] = "off"
    """How to tell that a job is done or failed: a bell, or a desktop notification in one of two ways."""
    fold_after: Annotated[float, msgspec.Meta(ge=0)] = 900.0
    """Seconds after which a job that ended well is folded away."""
    remember: bool = True
    """Whether view, order and filter are those of the last time."""
    keys: dict[str, str] = {}
    """Other keys for actions, by the names in `keys`."""


def settings_file(environ: Mapping[str, str]) -> Path:
    """Return where the settings are, whether or not there are any."""
    base = environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path(environ.get("HOME", "/")) / ".config") / _NAME


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the user's settings; the defaults if there is no file.

    Raises:
        ConfigError: the file can't be read, or says something that can't be.
    """
    path = settings_file(environ)
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return Settings()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from error
    try:
        settings = msgspec.convert(tomllib.loads(text), Settings)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is no TOML: {error}") from error
    except msgspec.ValidationError as error:
        allowed = ", ".join(Settings.__struct_fields__)
        raise ConfigError(f"{path}: {_plainly(str(error))}; allowed are {allowed}") from error
    _check_keys(settings.keys, path)
    return settings


def _check_keys(keys: Mapping[str, str], path: Path) -> None:
    from phaseline_tui.user.keys import ACTIONS  # noqa: PLC0415  brings Textual, which only they need who set keys

    names = [action.name for action in ACTIONS]
    for name, key in keys.items():
        if name not in names:
            raise ConfigError(f"{path}: keys.{name} is no action; allowed are {', '.join(names)}")
        if not key.strip():
            raise ConfigError(f"{path}: keys.{name} is {shown(key)}; allowed are names of keys, such as f3 or ctrl+n,x")


def _plainly(words: str) -> str:
    """Return msgspec's complaint in the file's words."""
    return words.replace("Object contains", "there is an").replace("field", "key").replace(" - at `$.", " at `").lower()
