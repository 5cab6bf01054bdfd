"""A server in a separate process that is killed, and its answers before and after."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import trio

from tests.support.servers import ServerProcess, client_of, server_process

Said = dict[str, Any]


@dataclass
class Crashing:
    """A running server, and a client of it."""

    server: ServerProcess
    client: httpx.AsyncClient

    async def get(self, path: str, **query: str | int) -> Said:
        """Return the answer to GET `path`, which must be a good one."""
        answer = await self.client.get(path, params=query or None)
        assert answer.status_code == 200, answer.text
        found: Said = answer.json()
        return found

    async def post(self, path: str, **body: Any) -> Said:
        """Return the answer to POST `path`, which must be a good one."""
        answer = await self.client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        found: Said = answer.json()
        return found

    async def report(self, kind: str, job_id: str, **body: Any) -> int:
        """Report about a job, and return the event's number."""
        seq: int = (await self.post(f"/progress/{kind}", job_id=job_id, **body))["seq"]
        return seq

    async def batch(self, *reports: Said) -> list[int]:
        """Report many events at once, and return their numbers."""
        answer = await self.client.post("/progress/batch", json=reports)
        assert answer.json()["refused"] == 0, answer.text
        return [result["seq"] for result in answer.json()["results"]]

    async def job(self, job_id: str) -> Said:
        status: Said = (await self.get(f"/progress/job/{job_id}"))["job_status"]
        return status

    async def events(self) -> list[Said]:
        """Return all stored messages."""
        messages: list[Said] = []
        query: dict[str, Any] = {"limit": 10_000}
        while True:
            answer = await self.get("/progress/events", **query)
            assert answer["recovered"] is True
            messages += answer["messages"]
            if not answer["messages"]:
                return messages
            query["since"] = f"{answer['position']['epoch']}/{answer['position']['seq']}"

    async def kill(self) -> None:
        """Kill it with SIGKILL, as the kernel does when memory runs out."""
        self.server.process.kill()
        await self.server.process.wait()


@asynccontextmanager
async def crashing(data_dir: Path, *flags: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Crashing]:
    """Run a server for the length of the block, or until it is killed."""
    async with (
        server_process(data_dir, *flags, env=env) as server,
        client_of(server.url) as client,
    ):
        with trio.fail_after(120):
            yield Crashing(server, client)
