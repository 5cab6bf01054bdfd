"""Files in the data directory: written whole or not at all, with errors that say what to do."""

import contextlib
import errno
import os
import tempfile
from pathlib import Path
from typing import Final

from phaseline.errors import DataDirError, DiskFull, PhaselineError

__all__ = ["check_data_dir", "replace_file", "write_error"]

# A limit on the size of files (EFBIG) ends like a full disk for whoever writes.
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def write_error(path: Path, error: OSError) -> PhaselineError:
    """Return the error to raise for `error`, met while writing `path`: DiskFull or DataDirError."""
    if error.errno in _FULL:
        return DiskFull(f"{path} can't be written: {error.strerror}; make room, and try again")
    return DataDirError(f"{path} can't be written: {error.strerror}; allowed: a directory that this user may write to")


def replace_file(path: Path, content: bytes, data_dir: Path | None = None, mode: int = 0o644) -> None:
    """Write `content` to `path` atomically and durably: readers see the old file or the new one, never a part.

    Args:
        path: The file; its directory is made if it is missing.
        content: All of it.
        data_dir: A directory above it that is never made: it may be a disk that is not mounted.
        mode: Who may read and write it; it is never readable by more than these.

    Raises:
        DiskFull: The disk takes no more; the old file is as it was.
        DataDirError: The directory is gone, or can't be written; the old file is as it was.
    """
    if data_dir is not None and not data_dir.is_dir():
        raise DataDirError(f"{path} can't be written: {data_dir} is gone; allowed: a directory; mount it or make it")
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
        raise write_error(path, error) from None


def check_data_dir(path: Path) -> None:
    """Prove that `path` is a directory that can be written.

    Raises:
        DataDirError: It is missing, no directory, or can't be written.
    """
    if not path.exists():
        text = f"data directory {path} does not exist; make it (mkdir -p {path}), or name another with --data-dir"
        raise DataDirError(text)
    if not path.is_dir():
        text = f"data directory {path} is a file; allowed: a directory; name another with --data-dir"
        raise DataDirError(text)
    try:
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        text = f"data directory {path} can't be written: {error.strerror}; make it writable, or name another"
        raise DataDirError(text) from None
