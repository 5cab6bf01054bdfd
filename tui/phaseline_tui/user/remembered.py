"""State kept between sessions: the view, the sort order, the filter and the theme."""

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

__all__ = ["Remembered", "read_remembered", "remembered_file", "write_remembered"]

_NAME: Final = Path("phaseline") / "tui.json"
_MAX_BYTES: Final = 64 * 1024


class Remembered(msgspec.Struct, frozen=True):
    """The state of the screen at exit."""

    view: str = "Jobs"
    sort: str = ""
    reverse: bool = False
    filter: str = ""
    theme: str = ""


def remembered_file(environ: Mapping[str, str]) -> Path:
    """Return the path of the state file."""
    base = environ.get("XDG_STATE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path(environ.get("HOME", "/")) / ".local" / "state") / _NAME


def read_remembered(environ: Mapping[str, str] = os.environ) -> Remembered:
    """Return the state of the last session; the defaults if the file is missing or unreadable."""
    with (
        contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError),
        remembered_file(environ).open("rb") as file,
    ):
        return msgspec.json.decode(file.read(_MAX_BYTES), type=Remembered)
    return Remembered()


def write_remembered(remembered: Remembered, environ: Mapping[str, str] = os.environ) -> None:
    """Save the state for the next session, atomically. Ignore a disk that is full or read-only."""
    path = remembered_file(environ)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".tui-", delete=False) as file:
            try:
                file.write(msgspec.json.encode(remembered))
                file.close()
                Path(file.name).replace(path)
            except OSError:
                Path(file.name).unlink(missing_ok=True)
                raise
