"""Mirrors of servers, for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.crashing import Crashing, crashing


async def shows(mirror: Crashing, source: Crashing) -> None:
    """Return once a mirror has all that its source has."""
    position = (await source.get("/ws/status"))["position"]
    await is_at(mirror, position)


async def is_at(mirror: Crashing, position: dict[str, Any]) -> None:
    """Return once a mirror shows a position, and lacks nothing."""
    while True:
        answer = await mirror.client.get("/ws/status")
        arrived = answer.status_code == 200 and answer.json()["position"] == position
        if arrived and (await mirror.get("/health"))["lagSeconds"] == 0:
            return


@asynccontextmanager
async def mirror_of(url: str, data_dir: Path, *flags: str) -> AsyncIterator[Crashing]:
    """Run a mirror of the server at `url`."""
    async with crashing(data_dir, "--follow", url, *flags) as mirror:
        yield mirror


async def some_jobs(source: Crashing) -> None:
    """Report a job that is active and one that has ended."""
    await source.report("start", "a", name="first", phases=["one", "two"], host="box-7")
    await source.report("report", "a", stage="one", progress=40)
    await source.report("start", "b", name="second", workflow="w")
    await source.report("report", "b", stage="x", progress=50)
    await source.report("complete", "b", result={"x": 1})
