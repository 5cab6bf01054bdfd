"""The journal as the source or target of a copy."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from phaseline_server.atomic_files import make_data_dir, replace_file
from phaseline_server.errors import JournalUnusable
from phaseline_server.log.secret_store import DOCUMENTS, file_name
from phaseline_server.log.sqlite.failures import working
from phaseline_server.log.sqlite.history import find_journal
from phaseline_server.log.sqlite.journal import Journal
from phaseline_server.log.tables import COLUMNS, META, ORDER, CopyWriter

__all__ = ["SqliteCopy"]

_PRIVATE: Final = 0o600
_NUMBERS: Final = frozenset({"epoch_since", "generation_runs", "cache_hits"})


class SqliteCopy:
    """A journal that no server uses; see `CopiedLog`."""

    def __init__(self, data_dir: Path, *, create: bool) -> None:
        """Open the journal of a data directory.

        Raises:
            JournalUnusable: It is missing and `create` is not set, corrupt, newer than this program, or in use.
            DataDirError: The directory can't be made.
            DiskFull: There is no room to open it.
        """
        if not create and find_journal(data_dir) is None:
            raise JournalUnusable(f"{data_dir} has no journal; choose the data directory of a server")
        if create:
            make_data_dir(data_dir)
        self._data_dir = data_dir
        self._journal = Journal.open(data_dir)
        self._connection = sqlite3.connect(self._journal.path, isolation_level=None)
        self.name = self._journal.name
        self.top = self._journal.top

    def meta(self) -> dict[str, str]:
        """See `CopiedLog.meta`."""
        with working(self._journal.path):
            found = dict(self._connection.execute("SELECT key, value FROM meta").fetchall())
        return {key: str(found[key]) for key in META if key in found}

    def documents(self) -> Mapping[str, bytes]:
        """See `CopiedLog.documents`: here, they are files beside the journal."""
        found = {}
        for name in DOCUMENTS:
            with suppress(FileNotFoundError):
                found[name] = (self._data_dir / file_name(name)).read_bytes()
        return found

    def rows(self, table: str) -> Iterator[tuple[Any, ...]]:
        """See `CopiedLog.rows`."""
        columns = ", ".join(COLUMNS[table])
        with working(self._journal.path):
            yield from self._connection.execute(f"SELECT {columns} FROM {table} ORDER BY {ORDER[table]}")  # noqa: S608

    @contextmanager
    def writing(self) -> Iterator[CopyWriter]:
        """See `CopiedLog.writing`."""
        with working(self._journal.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield _SqliteWriter(self._connection, self._data_dir)
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.rollback()
                raise

    def close(self) -> None:
        """Close it."""
        self._connection.close()
        self._journal.close()


class _SqliteWriter:
    """See `CopyWriter`."""

    def __init__(self, connection: sqlite3.Connection, data_dir: Path) -> None:
        self._connection = connection
        self._data_dir = data_dir

    def write(self, table: str, rows: Iterable[tuple[Any, ...]]) -> int:
        columns = COLUMNS[table]
        marks = ", ".join("?" * len(columns))
        into = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 (constants)
        return self._connection.executemany(into, rows).rowcount

    def set_meta(self, values: dict[str, str]) -> None:
        rows = [(key, int(value) if key in _NUMBERS else value) for key, value in values.items()]
        self._connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)

    def set_documents(self, documents: Mapping[str, bytes]) -> None:
        # Before the commit: a journal without its tokens would give every client full access.
        for name, content in documents.items():
            replace_file(self._data_dir / file_name(name), content, self._data_dir, _PRIVATE)
