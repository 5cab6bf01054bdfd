"""The user's settings in `~/.config/phaseline/tui.toml`; every key is optional."""

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
    """The settings, with their defaults."""

    servers: list[str] = []
    """Server URLs to follow if the command line and PROGRESS_URL name none."""
    theme: str = ""
    """`dark`, `light`, `ansi` or a Textual theme; empty selects one that fits the terminal."""
    ascii: bool = False
    """Whether to use only ASCII characters."""
    title: bool = True
    """Whether to show the progress of all jobs in the window title."""
    progress: bool | Literal["always"] = True
    """Whether to show it in the tab too (OSC 9;4), of terminals that support this; `always` in any terminal's."""
    notify: Literal["off", "bell", "osc9", "osc777"] = "off"
    """Notification when a job is done or fails: a bell, or a desktop notification by OSC 9 or OSC 777."""
    fold_after: Annotated[float, msgspec.Meta(ge=0)] = 900.0
    """Seconds after which a completed job is folded away."""
    remember: bool = True
    """Whether to restore the view, sort order and filter of the last session."""
    keys: dict[str, str] = {}
    """Keys by action name; see `user/keys.py` for the names."""


_KINDS: Final[dict[str, object]] = {field.name: field.type for field in msgspec.structs.fields(Settings)}
_ALLOWED: Final = {
    "servers": 'a list of server URLs, such as ["http://host:5100", "ssh://user@host"]',
    "theme": '"dark", "light", "ansi", the name of a Textual theme, or "" for one that fits the terminal',
    "ascii": "true or false",
    "title": "true or false",
    "progress": 'true, false or "always"',
    "notify": '"off", "bell", "osc9" or "osc777"',
    "fold_after": "a number of seconds from 0",
    "remember": "true or false",
    "keys": 'a table of keys by action, such as {next-error = "f3"}',
}
"""The values that each setting may have, for error messages."""


def settings_file(environ: Mapping[str, str]) -> Path:
    """Return the path of the settings file, which need not exist."""
    base = environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path(environ.get("HOME", "/")) / ".config") / _NAME


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the user's settings; the defaults if there is no file.

    Raises:
        ConfigError: The file is unreadable, is not TOML, or holds an unknown key or an invalid value.
    """
    path = settings_file(environ)
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return Settings()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    for name, value in found.items():
        _check(name, value, path)
    settings = msgspec.convert(found, Settings)
    _check_keys(settings.keys, path)
    return settings


def _check(name: str, value: object, path: Path) -> None:
    """Reject a setting that does not exist, or a value that it can't have."""
    kind = _KINDS.get(name)
    if kind is None:
        raise ConfigError(f"{path}: {shown(name)[1:-1]} is not a setting; allowed: {', '.join(_KINDS)}")
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        given = "true" if value is True else "false" if value is False else shown(value)
        raise ConfigError(f"{path}: {name} is {given}; allowed: {_ALLOWED[name]}") from error


def _check_keys(keys: Mapping[str, str], path: Path) -> None:
    from phaseline_tui.user.keys import ACTIONS, is_key  # noqa: PLC0415 (imports Textual, needed only with [keys])

    names = [action.name for action in ACTIONS]
    for name, key in keys.items():
        if name not in names:
            raise ConfigError(f"{path}: keys.{name} is not an action; allowed: {', '.join(names)}")
        if not all(map(is_key, key.split(","))):
            raise ConfigError(f"{path}: keys.{name} is {shown(key)}; allowed: names of keys, such as f3 or ctrl+n,x")
