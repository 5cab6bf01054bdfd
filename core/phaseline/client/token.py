"""The token that a client shows: PROGRESS_TOKEN, or a file that nobody else may read."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from phaseline.client.notes import Warned, warn
from phaseline.errors import ConfigError

__all__ = ["checked_token", "config_folder", "read_secret", "token", "token_or_warning"]

_MAX_LENGTH: Final = 500
_MAX_FILE_BYTES: Final = 64 * 1024
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_warned: Final = Warned()  # each attempt to connect asks anew: a token may be put there or replaced while a worker runs


def token(environ: Mapping[str, str] = os.environ) -> str:
    """Return the token to show, "" for none: PROGRESS_TOKEN, or else what `phaseline/token` in the configuration holds.

    Raises:
        ConfigError: It can't be a token, or others can read its file.
    """
    text = environ.get("PROGRESS_TOKEN", "").strip()
    if text:
        return checked_token(text, "PROGRESS_TOKEN")
    path = config_folder(environ) / "token"
    return checked_token(read_secret(path).strip(), str(path))


def token_or_warning() -> str | None:
    """Return the token to show, None for none; what is wrong with it is logged once."""
    try:
        return token() or None
    except ConfigError as error:
        if _warned.once(str(error)):
            warn("no token is shown: %s", error)
        return None


def config_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of our configuration: `phaseline` in XDG_CONFIG_HOME, or else in `~/.config`."""
    base = environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(base):  # noqa: PTH117
        base = f"{environ.get('HOME') or os.path.expanduser('~')}/.config"  # noqa: PTH111 (never raises)
    return Path(base, "phaseline")


def read_secret(path: Path) -> str:
    """Return what a file holds that nobody else can read; "" if it is missing.

    Raises:
        ConfigError: Others can read it, or it can't be read.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & _OTHERS:
                raise ConfigError(f"{path} has mode {mode:04o}; allowed: 0600, for a token is a secret: chmod 600 it")
            return file.read(_MAX_FILE_BYTES).decode(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {(error.strerror or 'unknown error').lower()}") from error


def checked_token(text: str, source: str) -> str:
    """Return `text` if it can be a token, or is empty.

    Raises:
        ConfigError: It can't; the message does not show it.
    """
    if len(text) > _MAX_LENGTH or not all("!" <= character <= "~" for character in text):
        raise ConfigError(
            f"{source} holds {len(text)} characters that are no token; "
            f"allowed: at most {_MAX_LENGTH} of ASCII, without spaces"
        )
    return text
