"""SQLite's errors as Phaseline's."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from phaseline.errors import DiskFull
from phaseline_server.atomic_files import write_error
from phaseline_server.errors import JournalFailed, JournalUnusable

__all__ = ["failure", "opening", "working"]

_PRIMARY: Final = 0xFF  # the low byte of an extended result code, https://www.sqlite.org/rescode.html
_TRIAL: Final = 65_536  # bytes
_CORRUPT: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_ROOM_ERRNOS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def _is(error: sqlite3.Error, codes: frozenset[int]) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)
    return code in codes or code & _PRIMARY in codes


def _is_without_room(error: sqlite3.Error, path: Path) -> bool:
    """Return whether `error` means that there was no room to write to the journal at `path`, or to a file beside it.

    Nothing was synced in that case, so the transaction is rolled back, and the next one may succeed. SQLite reports an
    exceeded quota or file size limit as an input/output error, like a failing disk, so a trial write tells them apart.
    """
    if _is(error, frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})):
        return True
    return _is(error, frozenset({sqlite3.SQLITE_IOERR_WRITE})) and not _has_room(path)


def _has_room(path: Path) -> bool:
    """Return whether a file beside `path` could grow a little larger than the largest file of the journal."""
    files = [path, path.with_name(f"{path.name}-wal")]
    end = max(file.stat().st_size for file in files if file.exists())
    trial = path.with_suffix(".trial")
    try:
        with trial.open("wb", buffering=0) as out:
            out.seek(end)
            return out.write(bytes(_TRIAL)) == _TRIAL
    except OSError as error:
        return error.errno not in _ROOM_ERRNOS
    finally:
        with suppress(OSError):
            trial.unlink(missing_ok=True)


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Translate errors that prevent the journal at `path` from being opened.

    Raises:
        JournalUnusable: It is corrupt, or can't be read.
        DiskFull: There is no room to open it.
        DataDirError: It can't be created.
    """
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from error
    except sqlite3.Error as error:
        if _is_without_room(error, path):
            text = f"cannot open {path}: {error}; free disk space, then start the server again"
            raise DiskFull(text) from error
        if _is(error, _CORRUPT):
            text = (
                f"{path} is damaged ({error}) and was not changed; restore it from a copy, or move it away with its "
                f"-wal and -shm files to start an empty one (sqlite3 {path.name} .recover may save its content)"
            )
            raise JournalUnusable(text) from error
        text = f"{path} can't be opened: {error}; allowed: a file that this user can read and write"
        raise JournalUnusable(text) from error


@contextmanager
def working(path: Path) -> Iterator[None]:
    """Translate errors that prevent the journal at `path` from being read or written.

    Raises:
        DiskFull: There was no room; once there is, writing works again.
        JournalFailed: Any other error. After a failed fsync, for example, the content of the disk is unknown.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise failure(error, path) from error


def failure(error: sqlite3.Error, path: Path) -> DiskFull | JournalFailed:
    """Return the error that `working` raises for `error`."""
    if _is_without_room(error, path):
        return DiskFull(f"cannot write {path.name}: {error}; free disk space; the server recovers by itself")
    return JournalFailed(f"cannot write {path.name}: {error}; check the disk, then start the server again")
