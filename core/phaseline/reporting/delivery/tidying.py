"""Bound the default folder for spools: on a machine without a server, each run leaves a file."""

import fcntl
import os
import time
from pathlib import Path
from typing import Final

from phaseline.model.events import MAX_AGE_S

__all__ = ["tidy"]

_MOST_BYTES: Final = 64 * 2**20
_MOST_FILES: Final = 1000


def tidy(folder: Path, now: float | None = None) -> None:
    """Remove the spools of dead producers that are too old to deliver or too many, oldest first.

    Args:
        folder: The folder.
        now: The time in seconds since 1970. [the present]
    """
    now = time.time() if now is None else now
    found = []
    try:
        for entry in os.scandir(folder):
            if entry.name.endswith((".spool", ".new")) and entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                found.append((status.st_mtime, status.st_size, entry.path))
    except OSError:
        return
    kept = size = 0
    for modified, its_size, path in sorted(found, reverse=True):
        kept, size = kept + 1, size + its_size
        if now - modified > MAX_AGE_S or kept > _MOST_FILES or size > _MOST_BYTES:
            _remove_dead(path)


def _remove_dead(path: str) -> None:
    """Remove a spool, unless its producer or the process that delivers it holds its lock."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_ino == os.stat(path).st_ino:  # noqa: PTH116 - a path from scandir
            os.unlink(path)  # noqa: PTH108
    except OSError:
        pass
    finally:
        os.close(fd)
