"""Logs of each engine."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from phaseline_server.log.memory import MemoryStore
from phaseline_server.log.protocol import Retention, Store
from tests.support.store_cases import Open
from tests.support.stores import ENGINES, OpenStore, opener


@pytest.fixture(params=[*ENGINES, "memory"])
async def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Open empty stores with these limits, until the end of the test."""
    opened: list[Store] = []
    open_at = None if request.param == "memory" else opener(request)

    async def open_one(**limits: Any) -> Store:
        if open_at is None:
            return MemoryStore(Retention(**limits))
        data_dir = tmp_path / f"data{len(opened)}"
        data_dir.mkdir()
        opened.append(await open_at(data_dir, Retention(**limits)))
        return opened[-1]

    yield open_one
    for store in opened:
        await store.close()


@pytest.fixture(scope="module", params=ENGINES)
def open_at(request: pytest.FixtureRequest) -> OpenStore:
    """Open the lasting log of a directory."""
    return opener(request)
