"""The folder for what a client keeps between its runs."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from phaseline.client.address import Address

__all__ = ["output_folder", "spool_folder", "state_folder"]

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9.-]")


def state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the state folder: `phaseline` in XDG_STATE_HOME, else in `~/.local/state`."""
    base = environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):  # noqa: PTH117
        base = f"{environ.get('HOME') or os.path.expanduser('~')}/.local/state"  # noqa: PTH111 (never raises)
    return Path(base, "phaseline")


def spool_folder(address: Address, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder in which reports wait while the server at `address` is away; they must not reach another."""
    return state_folder(environ) / "spool" / _name_of(address)


def output_folder(address: Address, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder in which the output of commands waits while the server at `address` is away."""
    return state_folder(environ) / "output" / _name_of(address)


def _name_of(address: Address) -> str:
    path = address.path.removesuffix("/ws")
    return _UNSAFE.sub("_", f"{address.host}-{address.port}{path}")[:200]
