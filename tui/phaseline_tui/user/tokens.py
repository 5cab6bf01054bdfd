"""The tokens of whoever uses this program: from the environment, or from a file that nobody else can read."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from phaseline.errors import ConfigError
from phaseline_tui.model.connection import Access
from phaseline_tui.model.words import count_of

__all__ = ["read_access"]

_FOLDER: Final = "phaseline"
_GENERAL: Final = "token"
_SPECIAL: Final = "tokens"
_MOST_BYTES: Final = 64 * 1024
_MOST_LENGTH: Final = 500
_PAIR: Final = 2


def read_access(environ: Mapping[str, str], ca_file: str | None = None) -> Access:
    """Return what opens the doors of servers.

    A server's token stands in `~/.config/phaseline/tokens`, a line with a host and its token for each; the token for
    every other in `PROGRESS_TOKEN`, or else in `~/.config/phaseline/token`, where reporters look for it, too.

    Args:
        environ: the environment; `XDG_CONFIG_HOME` goes before `~/.config`.
        ca_file: certificates to trust besides the system's.

    Raises:
        ConfigError: a token can't be one, its file is open to others, or there is no such file of certificates.
    """
    if ca_file is not None and not Path(ca_file).is_file():
        raise ConfigError(f"--ca names {ca_file}, which is no file; allowed: a file of certificates (PEM)")
    base = environ.get("XDG_CONFIG_HOME", "")
    folder = (Path(base) if Path(base).is_absolute() else Path(environ.get("HOME", "/")) / ".config") / _FOLDER
    general = environ.get("PROGRESS_TOKEN", "").strip()
    where = "PROGRESS_TOKEN" if general else str(folder / _GENERAL)
    general = _checked(general or _secret(folder / _GENERAL).strip(), where)
    special: list[tuple[str, str]] = []
    for number, line in enumerate(_secret(folder / _SPECIAL).splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        where = f"line {number} of {folder / _SPECIAL}"
        if len(words) != _PAIR:
            raise ConfigError(f"{where} has {count_of(len(words), 'word')}; allowed: a host and its token")
        special.append((words[0], _checked(words[1], where)))
    return Access(general, tuple(special), ca_file)


def _secret(path: Path) -> str:
    """Return what a file holds that nobody else can read; nothing if it is missing."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ConfigError(f"{path} has mode {mode:04o}; allowed: 0600, for a token is a secret: chmod 600 it")
            return file.read(_MOST_BYTES).decode(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {(error.strerror or 'unknown error').lower()}") from error


def _checked(token: str, where: str) -> str:
    """Return `token`; refuse what no token is, without showing it."""
    if len(token) > _MOST_LENGTH or not all("!" <= character <= "~" for character in token):
        raise ConfigError(
            f"{where} holds {len(token)} characters that are no token; "
            f"allowed: at most {_MOST_LENGTH} of ASCII, without spaces"
        )
    return token
