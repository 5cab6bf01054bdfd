"""The folder for what a client keeps between its runs."""

import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["spool_folder", "state_folder"]


def state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the state folder: `phaseline` in XDG_STATE_HOME, else in `~/.local/state`."""
    base = environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):  # noqa: PTH117
        base = f"{environ.get('HOME') or os.path.expanduser('~')}/.local/state"  # noqa: PTH111 (never raises)
    return Path(base, "phaseline")


def spool_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder in which reports wait while the server is away."""
    return state_folder(environ) / "spool"
