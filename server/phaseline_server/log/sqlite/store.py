"""The journal as a `Store`."""

from pathlib import Path
from typing import Self

import trio

from phaseline_server.log.protocol import Retention
from phaseline_server.log.sqlite.journal import Journal
from phaseline_server.log.threaded_store import ThreadedStore

__all__ = ["SqliteStore"]


class SqliteStore(ThreadedStore):
    """A log in one SQLite file."""

    def __init__(self, journal: Journal) -> None:
        """Use `open`."""
        super().__init__(journal)
        self._journal = journal

    @classmethod
    async def open(cls, data_dir: Path, limits: Retention | None = None) -> Self:
        """Open the journal of a data directory; it is created if it is missing.

        Raises:
            JournalUnusable: It is corrupt, newer than this program, or in use by another server; it is left as it is.
            DiskFull: There is no room to open it.
        """
        return cls(await trio.to_thread.run_sync(Journal.open, data_dir, limits))
