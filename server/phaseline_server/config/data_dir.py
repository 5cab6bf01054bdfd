"""The default data directory."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

__all__ = ["default_data_dir", "holds_data"]

_FILES: Final = ("journal.sqlite3", "tokens.json", "metrics/progress_phase_stats.json")
# A file of a series, and a series' pictures. The names of the folders alone are too common.
_PATTERNS: Final = ("series/*.json", "output/*/annotated", "output/*/generated")


def default_data_dir(environment: Mapping[str, str], current: Path) -> Path:
    """Return `current` if it holds a server's data, else `phaseline` in XDG_DATA_HOME or `~/.local/share`.

    A user without a home directory gets `current`, too.
    """
    if holds_data(current):
        return current
    base = environment.get("XDG_DATA_HOME", "")
    if not os.path.isabs(base):  # noqa: PTH117 - the specification ignores relative paths
        home = environment.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 (never raises)
        base = f"{home}/.local/share"
    return Path(base, "phaseline") if base.startswith("/") else current


def holds_data(folder: Path) -> bool:
    """Return whether a server has stored data in `folder`."""
    try:
        return any((folder / name).is_file() for name in _FILES) or any(
            next(folder.glob(pattern), None) is not None for pattern in _PATTERNS
        )
    except OSError:
        return False
