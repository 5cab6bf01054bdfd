"""The choice of an engine: the one place that knows their classes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from phaseline.errors import ConfigError
from phaseline_server.config.log_address import SQLITE
from phaseline_server.errors import LogUnavailable
from phaseline_server.log.protocol import Retention, Standing, Store
from phaseline_server.log.sqlite import SqliteStore

__all__ = ["open_store"]


@asynccontextmanager
async def open_store(
    data_dir: Path,
    limits: Retention | None = None,
    address: str = SQLITE,
    *,
    server: str = "",
    waiting: Callable[[Standing | LogUnavailable], None] = lambda _: None,
) -> AsyncIterator[Store]:
    """Open the log for the length of the block; it is created if it is missing.

    A log that servers share is open for one of them; the others wait here.

    Args:
        data_dir: The data directory.
        limits: The limits of the log.
        address: The setting `log`.
        server: The address of this server, shown to others.
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
        return
    try:
        from phaseline_server.log.postgres import PostgresStore  # noqa: PLC0415 (may be missing)
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        raise ConfigError("the log in PostgreSQL needs: pip install 'phaseline[postgres]'") from None
    shared = await PostgresStore.lead(address, limits, server=server, waiting=waiting)
    attending = trio.CancelScope(shield=True)  # until all that the block leaves is stored

    async def attend() -> None:
        with attending:
            await shared.attend()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(attend)
            try:
                yield shared
            finally:
                attending.cancel()
    finally:
        await shared.close()
