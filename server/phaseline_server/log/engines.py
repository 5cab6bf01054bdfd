"""The choice of an engine: the one place that knows their classes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from phaseline_server.log.protocol import Retention, Store
from phaseline_server.log.sqlite import SqliteStore

__all__ = ["open_store"]


@asynccontextmanager
async def open_store(data_dir: Path, limits: Retention | None = None) -> AsyncIterator[Store]:
    """Open the log of a data directory for the length of the block; it is created if it is missing.

    Raises:
        JournalUnusable: It is corrupt, newer than this program, or in use by another server; it is left as it is.
        DiskFull: There is no room to open it.
    """
    store = await SqliteStore.open(data_dir, limits)
    try:
        yield store
    finally:
        await store.close()
