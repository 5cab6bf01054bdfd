"""The journal's file before anything is written to it: looked at if it is there, made if it is not."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from phaseline_server.log.sqlite.schema import check_ours, prepare

__all__ = ["NAME", "look_at", "make"]

NAME: Final = "journal.sqlite3"


def look_at(path: Path) -> None:
    """Return if the file at `path` is a sound journal that this program can use; it is not changed, nor is its WAL.

    (Whoever closes a file that was opened for writing brings its WAL into it, be it damaged or somebody else's.)

    Raises:
        JournalUnusable: It is somebody else's file, or of a newer version.
        sqlite3.Error: It is damaged, or can't be read.
    """
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
        check_ours(connection, path)
        (damage,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if damage != "ok":
        error = sqlite3.DatabaseError(damage)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def make(path: Path) -> None:
    """Make a new journal at `path`, whole or not at all.

    Raises:
        OSError: It can't be made.
        sqlite3.Error: It can't be written.
    """
    fresh = path.with_suffix(".new")
    # Of an attempt that was interrupted; and what belonged to a file that somebody has moved away.
    for left in (fresh, *(Path(f"{base}{end}") for base in (fresh, path) for end in ("-journal", "-wal", "-shm"))):
        left.unlink(missing_ok=True)
    with closing(sqlite3.connect(fresh, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        prepare(connection, path)
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
