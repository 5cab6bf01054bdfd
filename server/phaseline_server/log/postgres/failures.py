"""PostgreSQL's errors as Phaseline's."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

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


# Advice by a part of libpq's or the server's error text, because errors of a connection have no code.
_ADVICE: Final = {
    "password": "check the user and the password in --log, PHASELINE_LOG or ~/.pgpass",
    "pg_hba.conf": "allow this machine in the pg_hba.conf of PostgreSQL",
    '" does not exist': "create it with createuser or createdb, or correct --log",
    "read-only": "name the host that accepts writes in --log too, or promote a standby",
    "SSL": "check sslmode and the certificates in --log",
    "certificate": "check sslmode and the certificates in --log",
    "translate host name": "check the host in --log",
    "resolve host": "check the host in --log",
    "Connection refused": "start PostgreSQL, or check the host and the port in --log",
    "timeout expired": "check the network, and the host and the port in --log",
    "too many": "raise max_connections of PostgreSQL",
    "remaining connection slots": "raise max_connections of PostgreSQL",
}
_ATTEMPT: Final = re.compile(r'connection to server at "([^"]*)"(?: \([^)]*\))?, port (\d+) failed: (?:FATAL: +)?(.*)')


def one_line(error: psycopg.Error) -> str:
    """Return the text of an error in one line: of several hosts, the error of each. It never contains a password."""
    text = str(error)
    lines: list[str | None] = [f"{host}:{port}: {reason}" for host, port, reason in _ATTEMPT.findall(text)]
    if not lines:
        lines = [error.diag.message_primary, error.diag.message_detail]
    if not any(lines):
        lines = list(text.splitlines())
    lines = list(dict.fromkeys(lines))
    return "; ".join(line.strip() for line in lines if line and line.strip()) or type(error).__name__


def _advice(text: str) -> str:
    """Return what to do about an error of a connection."""
    found = [advice for part, advice in _ADVICE.items() if part in text]
    return "; ".join([*dict.fromkeys(found), "the server reconnects by itself"])


def failure(error: psycopg.Error, name: str) -> DiskFull | LogUnavailable | JournalFailed:
    """Return the error to raise for `error`, which occurred while the log `name` was in use."""
    text = one_line(error)
    if isinstance(error, errors.DiskFull):
        return DiskFull(
            f"the disk of the log's database is full: {text}; free disk space; the server recovers by itself"
        )
    if isinstance(error, _TEMPORARY):
        return LogUnavailable(
            # Clients receive this text, so it does not name the database's machine.
            "the log's database is not available; the server reconnects by itself; retry later",
            f"{name}: {text}; {_advice(text)}",
        )
    return JournalFailed(f"cannot use {name}: {text}; check the database, then start the server again")


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
        text = (
            f"{name} can't be opened: {one_line(error)}; allowed: a database whose owner is the role that connects; "
            "make it the owner with ALTER DATABASE … OWNER TO …"
        )
        raise JournalUnusable(text) from error
