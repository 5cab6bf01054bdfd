"""PostgreSQL's errors as Phaseline's."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from phaseline.errors import DiskFull
from phaseline_server.errors import JournalFailed, JournalUnusable, LogUnavailable

__all__ = ["failure", "one_line", "opening", "working"]

# After these, the same statement may succeed on another connection, or after a while.
_TEMPORARY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.ReadOnlySqlTransaction,
    errors.IdleSessionTimeout,
)


def one_line(error: psycopg.Error) -> str:
    """Return the text of an error in one line; it never contains a password."""
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip()) or type(error).__name__


def failure(error: psycopg.Error, name: str) -> DiskFull | LogUnavailable | JournalFailed:
    """Return the error to raise for `error`, which occurred while the log `name` was in use."""
    if isinstance(error, errors.DiskFull):
        return DiskFull(f"cannot write the log: {one_line(error)}; free disk space; the server recovers by itself")
    if isinstance(error, _TEMPORARY):
        # Clients receive this text, so it does not name the database's machine. The server's log has the cause.
        return LogUnavailable("the log's database is not available; the server connects again by itself; retry later")
    return JournalFailed(f"cannot use {name}: {one_line(error)}; check the database, then start the server again")


@contextmanager
def working(name: str) -> Iterator[None]:
    """Translate errors of the block, which reads or writes the log `name`.

    Raises:
        DiskFull: The database has no room; once it has, writing works again.
        LogUnavailable: The database can't be reached, or not now.
        JournalFailed: Any other error.
    """
    try:
        yield
    except psycopg.Error as error:
        raise failure(error, name) from error


@contextmanager
def opening(name: str) -> Iterator[None]:
    """Translate errors of the block, which opens the log `name`.

    Raises:
        JournalUnusable: The database rejects what the log needs.
        DiskFull: The database has no room.
        LogUnavailable: The database can't be reached, or not now.
    """
    try:
        yield
    except psycopg.Error as error:
        found = failure(error, name)
        if not isinstance(found, JournalFailed):
            raise found from error
        text = f"{name} can't be opened: {one_line(error)}; allowed: a database whose owner is the role that connects"
        raise JournalUnusable(text) from error
