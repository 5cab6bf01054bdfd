"""Checks that paths stay inside a folder of the data directory, with symbolic links resolved."""

import errno
import os
import stat
from pathlib import Path
from typing import Final

from phaseline.errors import TooLarge
from phaseline_server.errors import DataDirError
from phaseline_server.pictures.errors import OutsideDataDir

__all__ = ["inside", "is_regular", "read_regular"]

_ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
# O_NONBLOCK: a FIFO must not block the reader. O_NOFOLLOW: the resolved path must not become a link meanwhile.
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def inside(folder: Path, path: Path) -> Path:
    """Return `path` with symbolic links resolved, if it is inside `folder`.

    `folder` itself may be a link, because an operator may keep the pictures on another disk.

    Args:
        folder: A folder of the data directory.
        path: A path below it, which need not exist.

    Raises:
        OutsideDataDir: A symbolic link points outside `folder`.
    """
    root, resolved = os.path.realpath(folder), os.path.realpath(path)
    if os.path.commonpath([root, resolved]) != root:
        raise OutsideDataDir(str(Path(folder.name) / path.relative_to(folder)), folder.name)
    return Path(resolved)


def is_regular(folder: Path, path: Path) -> bool:
    """Return whether `path` is a regular file.

    Raises:
        OutsideDataDir: A symbolic link points outside `folder`.
        DataDirError: The path is not accessible.
    """
    try:
        return stat.S_ISREG(inside(folder, path).stat().st_mode)
    except OSError as error:
        if error.errno in _ABSENT:
            return False
        raise _unreadable(path, error) from None


def read_regular(folder: Path, path: Path, *, limit_bytes: int | None = None) -> bytes | None:
    """Return the content of the file at `path`, or None if it does not exist or is not a regular file.

    Raises:
        OutsideDataDir: A symbolic link points outside `folder`.
        TooLarge: The file is larger than `limit_bytes`.
        DataDirError: The file is not readable.
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
