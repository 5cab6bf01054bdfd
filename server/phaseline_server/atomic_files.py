"""Atomic writes of files in the data directory, with errors that name a remedy."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from phaseline.errors import DiskFull, PhaselineError
from phaseline_server.errors import DataDirError

__all__ = ["check_data_dir", "locked", "make_data_dir", "replace_file", "sync_directory", "write_error"]

# EFBIG, a limit on file sizes, has the same effect and remedy as a full disk.
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def write_error(path: Path, error: OSError) -> PhaselineError:
    """Return the DiskFull or DataDirError to raise for `error`, which occurred while writing `path`."""
    if error.errno in _FULL:
        return DiskFull(f"cannot write {path}: {error.strerror}; free disk space and try again")
    return DataDirError(f"cannot write {path}: {error.strerror}; make its directory writable for this user")


def replace_file(path: Path, content: bytes, data_dir: Path | None = None, mode: int = 0o644) -> None:
    """Write `content` to `path` atomically and durably: readers see the old file or the new one, never a part.

    Args:
        path: The file. Its directory is created if it is missing.
        content: The complete content.
        data_dir: A parent directory that is never created, because it may be an unmounted disk.
        mode: The file's permissions, set before any content is written.

    Raises:
        DiskFull: The disk is full; the old file is unchanged.
        DataDirError: The directory is missing or not writable; the old file is unchanged.
    """
    if data_dir is not None and not data_dir.is_dir():
        raise DataDirError(f"cannot write {path}: directory {data_dir} does not exist; mount or create it")
    import tempfile  # noqa: PLC0415 (a slow import, which `--help` does not need)

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
        sync_directory(path.parent)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
        raise write_error(path, error) from None


def sync_directory(path: Path) -> None:
    """Make new, renamed and removed entries of a directory durable. Raises OSError."""
    directory = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the exclusive lock `path` for the block; wait while another process holds it. The file stays.

    Raises:
        DiskFull: The disk is full.
        DataDirError: The directory is missing or not writable.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        raise DataDirError(f"cannot write {path}: directory {path.parent} does not exist; mount or create it") from None
    except OSError as error:
        raise write_error(path, error) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def make_data_dir(path: Path, *, parents: bool = False) -> None:
    """Make the directory `path`, for this user only, unless it exists.

    Args:
        path: The directory.
        parents: Whether to create its parents, too; not for a path from the user, because a missing parent may be a
            disk that is not mounted.

    Raises:
        DataDirError: The path can't be made, is not a directory or not writable.
    """
    try:
        if parents:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError:
        pass
    except FileNotFoundError:
        text = f"data directory {path} has no parent directory {path.parent}; create it (mkdir -p {path.parent})"
        raise DataDirError(f"{text} or choose another with --data-dir") from None
    except OSError as error:
        text = f"cannot make data directory {path}: {error.strerror}; choose another with --data-dir"
        raise DataDirError(text) from None
    check_data_dir(path)


def check_data_dir(path: Path) -> None:
    """Check that `path` is a writable directory.

    Raises:
        DataDirError: The path is missing, not a directory or not writable.
    """
    if not path.exists():
        text = f"data directory {path} does not exist; create it (mkdir -p {path}) or choose another with --data-dir"
        raise DataDirError(text)
    if not path.is_dir():
        text = f"data directory {path} is not a directory; choose another with --data-dir"
        raise DataDirError(text)
    import tempfile  # noqa: PLC0415 (as above)

    try:
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        text = f"cannot write to data directory {path}: {error.strerror}; make it writable or choose another"
        raise DataDirError(text) from None
