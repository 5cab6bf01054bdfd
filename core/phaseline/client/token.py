"""The token that a client sends: PROGRESS_TOKEN, or a file that only its owner may read."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from phaseline.client.notes import Warned, warn
from phaseline.errors import ConfigError

__all__ = ["TOKEN_ADVICE", "checked_token", "config_folder", "read_secret", "token", "token_or_warning"]

TOKEN_ADVICE: Final = "set PROGRESS_TOKEN, or write the token to ~/.config/phaseline/token (mode 0600)"  # noqa: S105
_MAX_LENGTH: Final = 500
_MAX_FILE_BYTES: Final = 64 * 1024
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_warned: Final = Warned()  # each attempt to connect reads the token again, because it may change


def token(environ: Mapping[str, str] = os.environ) -> str:
    """Return the token to send, or "": PROGRESS_TOKEN, else the file `token` in the configuration folder.

    Raises:
        ConfigError: It is not a valid token, or other users can read its file.
    """
    text = environ.get("PROGRESS_TOKEN", "").strip()
    if text:
        return checked_token(text, "PROGRESS_TOKEN")
    path = config_folder(environ) / "token"
    return checked_token(read_secret(path).strip(), str(path))


def token_or_warning() -> str | None:
    """Return the token to send, or None. Log each problem with it once."""
    try:
        return token() or None
    except ConfigError as error:
        if _warned.once(str(error)):
            warn("no token is sent: %s", error)
        return None


def config_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the configuration folder: `phaseline` in XDG_CONFIG_HOME, else in `~/.config`."""
    base = environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(base):  # noqa: PTH117
        base = f"{environ.get('HOME') or os.path.expanduser('~')}/.config"  # noqa: PTH111 (never raises)
    return Path(base, "phaseline")


def read_secret(path: Path) -> str:
    """Return the contents of a file that only its owner may read; "" if it is missing.

    Raises:
        ConfigError: Other users can read the file, or it can't be read.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & _OTHERS:
                raise ConfigError(f"{path} has mode {mode:04o}; allowed: 0600, because a token is secret; chmod 600 it")
            return file.read(_MAX_FILE_BYTES).decode(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {(error.strerror or 'unknown error').lower()}") from error


def checked_token(text: str, source: str) -> str:
    """Return `text` if it has the form of a token or is empty.

    Raises:
        ConfigError: It does not; the error text does not contain the value.
    """
    if len(text) > _MAX_LENGTH or not all("!" <= character <= "~" for character in text):
        raise ConfigError(
            f"{source} is not a token: it has {len(text)} characters; "
            f"allowed: at most {_MAX_LENGTH} printable ASCII characters, without spaces"
        )
    return text
