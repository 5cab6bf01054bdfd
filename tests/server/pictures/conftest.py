"""Fixtures for the tests of the pictures."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
import trio

from tests.support.servers import client_of


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    # Loopback only: no proxy from the environment, and no certificates, whose loading takes longer than most tests.
    async with client_of() as client:
        yield client


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[trio.Process]:
    """The processes that were started, in order."""
    processes: list[trio.Process] = []
    really: Callable[..., Awaitable[trio.Process]] = trio.lowlevel.open_process

    async def open_process(*args: object, **options: object) -> trio.Process:
        process = await really(*args, **options)
        processes.append(process)
        return process

    monkeypatch.setattr(trio.lowlevel, "open_process", open_process)
    return processes


@pytest.fixture
def customized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make workers run some code when they start."""

    def customize(code: str) -> None:
        directory = tmp_path / "custom"
        directory.mkdir()
        (directory / "sitecustomize.py").write_text(code)
        monkeypatch.syspath_prepend(directory)

    return customize
