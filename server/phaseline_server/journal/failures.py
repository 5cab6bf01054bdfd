"""SQLite's errors as ours."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from phaseline.errors import DiskFull, JournalFailed, JournalUnusable
from phaseline_server.files import write_error

__all__ = ["is_without_room", "opening", "working"]

_PRIMARY: Final = 0xFF  # the low byte of an extended result code, https://www.sqlite.org/rescode.html
_CORRUPT: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
# A write that found no room: the disk is full, a quota or the limit of a file's size is reached. Nothing was synced
# yet, so the transaction is rolled back and the next may do.
_NO_ROOM: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE})


def _is(error: sqlite3.Error, codes: frozenset[int]) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)
    return code in codes or code & _PRIMARY in codes


def is_without_room(error: sqlite3.Error) -> bool:
    """Say whether `error` is that there was no room to write."""
    return _is(error, _NO_ROOM)


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Raise what prevents the journal at `path` from being opened.

    Raises:
        JournalUnusable: It is corrupt, or can't be read.
        DiskFull: There is no room to open it.
        DataDirError: It can't be made.
    """
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from error
    except sqlite3.Error as error:
        if is_without_room(error):
            text = f"{path} can't be opened: {error}; allowed: a disk with room; make some, then start again"
            raise DiskFull(text) from error
        if _is(error, _CORRUPT):
            text = (
                f"{path} is damaged ({error}); it is left as it is; restore it from a copy, or move it away with its "
                f"-wal and -shm files to begin anew (sqlite3 {path.name} .recover may save what is in it)"
            )
            raise JournalUnusable(text) from error
        text = f"{path} can't be opened: {error}; allowed: a file that this user can read and write"
        raise JournalUnusable(text) from error


@contextmanager
def working(path: Path) -> Iterator[None]:
    """Raise what prevents the journal at `path` from being read or written.

    Raises:
        DiskFull: There was no room; once there is, all goes on.
        JournalFailed: Anything else: after a failed fsync, for one, nobody knows what is on the disk.
    """
    try:
        yield
    except sqlite3.Error as error:
        if is_without_room(error):
            text = f"the disk took nothing more of {path.name} ({error}); make room: the server goes on by itself"
            raise DiskFull(text) from error
        text = f"{path.name} can't be kept ({error}); see to the disk, then start the server again"
        raise JournalFailed(text) from error
