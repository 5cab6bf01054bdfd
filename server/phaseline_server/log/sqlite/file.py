"""The journal's file before a server uses it: checked if it exists, created if it does not."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from phaseline_server.atomic_files import sync_directory
from phaseline_server.log.sqlite.schema import check_ours, prepare

__all__ = ["NAME", "check_file", "create_file", "make_private", "parts_of"]

NAME: Final = "journal.sqlite3"
_PRIVATE: Final = 0o600


def parts_of(path: Path) -> tuple[Path, Path, Path]:
    """Return the paths of a journal in use: the file, its write-ahead log, and the index of that."""
    return path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def check_file(path: Path) -> None:
    """Check that the file at `path` is a sound journal that this program can use; neither it nor its WAL is changed.

    (Closing a file that was opened for writing moves its WAL into it, even if it is damaged or another program's.)

    Raises:
        JournalUnusable: It is another program's file, or of a newer version.
        sqlite3.Error: It is damaged, or can't be read.
    """
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
        check_ours(connection, path)
        (damage,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if damage != "ok":
        error = sqlite3.DatabaseError(damage)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def create_file(path: Path) -> None:
    """Create a new journal at `path`, completely or not at all.

    Raises:
        OSError: It can't be created.
        sqlite3.Error: It can't be written.
    """
    fresh = path.with_suffix(".new")
    # Left by an interrupted attempt, or by a file that was moved away.
    for left in (fresh, *(Path(f"{base}{end}") for base in (fresh, path) for end in ("-journal", "-wal", "-shm"))):
        left.unlink(missing_ok=True)
    # SQLite gives its other files the mode of this one, whatever the umask is.
    os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE))
    with closing(sqlite3.connect(fresh, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        prepare(connection, path)
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
    fresh.replace(path)
    sync_directory(path.parent)


def make_private(path: Path) -> None:
    """Make the journal's files readable for their owner only. Files of another owner stay as they are."""
    for part in parts_of(path):
        with suppress(FileNotFoundError, PermissionError):
            part.chmod(_PRIVATE)
