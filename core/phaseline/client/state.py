"""The folder for a client's files between its runs."""

import os
import re
from collections.abc import Mapping, Sequence
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


def spool_folder(addresses: Sequence[Address], environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder that stores reports while the servers that share a log are down.

    The reports must not reach a server with another log.
    """
    return state_folder(environ) / "spool" / _name_of(addresses)


def output_folder(addresses: Sequence[Address], environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder that stores the output of commands while the servers are down."""
    return state_folder(environ) / "output" / _name_of(addresses)


def _name_of(addresses: Sequence[Address]) -> str:
    """Return a name for servers that share a log, in any order."""
    address = min(addresses)
    path = address.path.removesuffix("/ws")
    return _UNSAFE.sub("_", f"{address.host}-{address.port}{path}")[:200]
