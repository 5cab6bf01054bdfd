"""The choice of an engine. Only this module knows their classes."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from phaseline.errors import ConfigError
from phaseline_server.config.log_address import SQLITE
from phaseline_server.errors import JournalUnusable, LogUnavailable
from phaseline_server.log.feed import Feed
from phaseline_server.log.mirrored import MirrorEngine
from phaseline_server.log.protocol import Retention, Standing, Store
from phaseline_server.log.secret_store import DOCUMENTS, SecretStore, document_of, entries_of
from phaseline_server.log.sqlite import MirrorJournal, SqliteCopy, SqliteStore
from phaseline_server.log.tables import COLUMNS, CopiedLog, CopyWriter

if TYPE_CHECKING:
    from phaseline_server.log.postgres import PostgresStore

__all__ = ["copy_log", "open_feed", "open_mirror", "open_secrets", "open_store"]


@asynccontextmanager
async def open_store(
    data_dir: Path,
    limits: Retention | None = None,
    address: str = SQLITE,
    *,
    server: str = "",
    lag: Callable[[], float | None] = lambda: None,
    waiting: Callable[[Standing | LogUnavailable], None] = lambda _: None,
) -> AsyncIterator[Store]:
    """Open the log for the length of the block; it is created if it is missing.

    A log that servers share is open for one of them; the others wait here.

    Args:
        data_dir: The data directory.
        limits: The limits of the log.
        address: The setting `log`.
        server: The address of this server, shown to others.
        lag: Returns this server's lag in seconds while it follows; None if it is unknown.
        waiting: Called again and again while it waits, with the reason: the log can't be reached, or another server
            leads.

    Raises:
        ConfigError: The library for a database is not installed.
        JournalUnusable: The log is corrupt, newer than this program, or in use by another server that does not share
            it; it is left as it is.
        DiskFull: There is no room to open it.
        Deposed: Another server leads now; the block is canceled.
    """
    if address == SQLITE:
        store = await SqliteStore.open(data_dir, limits)
        try:
            yield store
        finally:
            await store.close()
    else:
        with _explained():
            from phaseline_server.log.postgres import PostgresStore  # noqa: PLC0415 (may be missing)
        shared = await PostgresStore.lead(address, limits, server=server, lag=lag, waiting=waiting)
        async with _attended(shared):
            yield shared


@asynccontextmanager
async def _attended(shared: "PostgresStore") -> AsyncIterator[None]:
    """Keep leading for the duration of the block, then close the store."""
    attending = trio.CancelScope(shield=True)  # until everything from the block is stored

    async def attend() -> None:
        with attending:
            await shared.attend()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(attend)
            try:
                yield
            finally:
                attending.cancel()
    finally:
        await shared.close()


@asynccontextmanager
async def open_feed(address: str) -> AsyncIterator[Feed]:
    """Open a log that another server leads for the length of the block, to follow it.

    Raises:
        LogUnavailable: The database can't be reached.
        JournalUnusable: The log is of another version.
        JournalFailed: There is no log yet, or the storage failed.
    """
    with _explained():
        from phaseline_server.log.postgres import PostgresFeed  # noqa: PLC0415 (may be missing)
    feed = await PostgresFeed.open(address)
    try:
        yield feed
    finally:
        await feed.close()


def open_secrets(address: str) -> SecretStore:
    """Return the secrets of a log that servers share; it connects with the first call.

    Raises:
        ConfigError: The library for a database is not installed.
        JournalUnusable: The address is not valid.
    """
    with _explained():
        from phaseline_server.log.postgres import PostgresSecrets  # noqa: PLC0415 (may be missing)
    return PostgresSecrets(address)


async def open_mirror(data_dir: Path, limits: Retention) -> MirrorEngine:
    """Open the copy of another server's log; it is created if it is missing.

    Raises:
        JournalUnusable: It is corrupt, newer than this program, or in use by another server; it is left as it is.
        DiskFull: There is no room to open it.
    """
    return await trio.to_thread.run_sync(MirrorJournal.open, data_dir, limits)


@contextmanager
def _explained() -> Iterator[None]:
    """Raise ConfigError if the library for PostgreSQL is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        raise ConfigError("the log in PostgreSQL needs: pip install 'phaseline[postgres]'") from None


def copy_log(source: str, target: str) -> tuple[str, dict[str, int]]:
    """Copy a log that no server uses into an empty one, with its epoch, positions, tokens and all that was learned.

    Args:
        source: A data directory, or the address of a database.
        target: The same.

    Returns:
        The epoch, and the number of rows of each table, of tokens and of links.

    Raises:
        ConfigError: The library for a database is not installed.
        JournalUnusable: A log can't be opened, is in use, or the target is not empty.
        DiskFull: There is no room for the copy; the target stays empty.
    """
    with closing(_open_copy(source, create=False)) as old, closing(_open_copy(target, create=True)) as new:
        if new.top or any(True for _ in new.rows("jobs")):
            text = f"{new.name} already has a log of {new.top} events; allowed: an empty one; choose another target"
            raise JournalUnusable(text)
        meta = old.meta()
        with new.writing() as writer:
            counts = {table: writer.write(table, old.rows(table)) for table in COLUMNS}
            writer.set_meta(meta)
            counts |= _copy_secrets(old, new, writer)
    return meta["epoch"], counts


def _copy_secrets(old: CopiedLog, new: CopiedLog, writer: CopyWriter) -> dict[str, int]:
    """Add the tokens and links of a log to those of another one; return how many were copied."""
    source, target = old.documents(), new.documents()
    copied = {name: entries_of(name, source[name], old.name) for name in source}
    kept = {name: entries_of(name, target[name], new.name) for name in target}
    writer.set_documents({name: document_of(name, [*kept.get(name, ()), *copied[name]]) for name in copied})
    return {name: len(copied.get(name, ())) for name in DOCUMENTS}


def _open_copy(address: str, *, create: bool) -> CopiedLog:
    if "://" not in address:
        return SqliteCopy(Path(address), create=create)
    with _explained():
        from phaseline_server.log.postgres import PostgresCopy  # noqa: PLC0415 (may be missing)
    return PostgresCopy(address)
