"""The token that a reporter shows: PROGRESS_TOKEN, or a file that nobody else may read."""

import os
import stat
from pathlib import Path

from phaseline.client.notes import Told, warn

__all__ = ["token", "token_file"]

_MOST = 500
_told = Told()  # each attempt to connect asks anew, so that a token may be put there or replaced while a worker runs
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def token() -> str | None:
    """Return the token to show, None for none: what PROGRESS_TOKEN says, or else what `token_file` holds.

    A file that others may read, and what can't be sent in a header, are passed over with a warning.
    """
    text, source = os.environ.get("PROGRESS_TOKEN", "").strip(), "PROGRESS_TOKEN"
    if not text:
        path = token_file()
        text, source = _read(path), str(path)
    if not all("!" <= character <= "~" for character in text) or len(text) > _MOST:
        if _told.once("no token", source):
            warn("%s holds no token, so none is shown; allowed: one line as `progress-server token` prints it", source)
        return None
    return text or None


def token_file() -> Path:
    """Return where the file lies: `phaseline/token` in XDG_CONFIG_HOME, or else in `~/.config`."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return Path(base if os.path.isabs(base) else os.path.expanduser("~/.config"), "phaseline", "token")  # noqa: PTH111, PTH117 (never raise)


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_mode & _OTHERS:
                if _told.once("open", str(path)):
                    warn("others can read %s, so its token is not shown; allowed: mode 0600 (chmod 600 it)", path)
                return ""
            return file.read(2 * _MOST).strip()
    except (OSError, UnicodeError):
        return ""
