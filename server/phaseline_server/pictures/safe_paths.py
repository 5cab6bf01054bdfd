"""Paths that must not leave a folder of the data directory, whatever symbolic links lie there."""

import errno
import os
import stat
from pathlib import Path
from typing import Final

from phaseline.errors import DataDirError, OutsideDataDir, TooLarge

__all__ = ["inside", "is_regular", "read_regular"]

_ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
# A FIFO must not block the reader (O_NONBLOCK); what was resolved just now must not be a link (O_NOFOLLOW).
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def inside(folder: Path, path: Path) -> Path:
    """Return `path` with every symbolic link resolved, once it is proved to lie in `folder`.

    `folder` itself may be a link: an operator may keep the pictures on another disk.

    Args:
        folder: A folder of the data directory.
        path: Below it, there or not.

    Raises:
        OutsideDataDir: A link on the way leads out.
    """
    root, resolved = os.path.realpath(folder), os.path.realpath(path)
    if os.path.commonpath([root, resolved]) != root:
        raise OutsideDataDir(str(Path(folder.name) / path.relative_to(folder)), folder.name)
    return Path(resolved)


def is_regular(folder: Path, path: Path) -> bool:
    """Return whether a regular file is at `path`.

    Raises:
        OutsideDataDir: A symbolic link on the way leads out of `folder`.
        DataDirError: It can't be told.
    """
    try:
        return stat.S_ISREG(inside(folder, path).stat().st_mode)
    except OSError as error:
        if error.errno in _ABSENT:
            return False
        raise _unreadable(path, error) from None


def read_regular(folder: Path, path: Path, *, limit_bytes: int | None = None) -> bytes | None:
    """Return what the file at `path` holds, or None if there is none, or something that is no regular file.

    Raises:
        OutsideDataDir: A symbolic link on the way leads out of `folder`.
        TooLarge: It has more than `limit_bytes`.
        DataDirError: It can't be read.
    """
    resolved = inside(folder, path)
    try:
        descriptor = os.open(resolved, _FLAGS)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            return None
        with os.fdopen(descriptor, "rb") as file:
            if limit_bytes is not None and status.st_size > limit_bytes:
                raise TooLarge(f"{folder.name}/{path.relative_to(folder)}", status.st_size, limit_bytes)
            return file.read()
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> DataDirError:
    return DataDirError(f"cannot read {path}: {error.strerror}; allowed: a regular file that this user may read")
