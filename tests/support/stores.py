"""The log's engines that last, opened for tests."""

import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest

from phaseline_server.log.protocol import Retention, Store
from phaseline_server.log.sqlite import SqliteStore

__all__ = ["ENGINES", "ENGINES_FOR_MANY_LOGS", "OpenStore", "opener"]

OpenStore = Callable[[Path, Retention], Awaitable[Store]]
"""Opens the log of a directory, which is created if it is missing; a database has one for each directory."""

_NEEDED: Final = pytest.mark.needs("postgres")
ENGINES: Final = ["sqlite", pytest.param("postgres", marks=_NEEDED)]
"""Parameters of a fixture that calls `opener`."""

ENGINES_FOR_MANY_LOGS: Final = [
    "sqlite",
    pytest.param("postgres", marks=[_NEEDED, pytest.mark.slow]),
]
"""The same for tests that open a log for each of their examples."""

_numbers = itertools.count()


def opener(request: pytest.FixtureRequest) -> OpenStore:
    """Return the function that opens logs of the engine that a fixture's parameter names."""
    if request.param == "sqlite":
        return SqliteStore.open
    from phaseline_server.log.postgres import PostgresStore  # noqa: PLC0415 (may be missing)

    url = request.getfixturevalue("postgres").new_database()
    schemas: dict[Path, str] = {}

    async def open_store(folder: Path, limits: Retention) -> Store:
        schema = schemas.setdefault(folder, f"log{next(_numbers)}")
        return await PostgresStore.lead(url, limits, schema=schema)

    return open_store
