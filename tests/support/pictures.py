"""Servers that make pictures quickly, with a scripted images API on loopback as the provider."""

import base64
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import trio
from PIL import Image

from phaseline_server.pictures import helpers
from tests.support.misbehaving import Misbehaving, Reply, answer, misbehaving
from tests.support.servers import serving

Snapshot = dict[str, Any]


def png(width: int = 64, height: int = 64) -> bytes:
    """Return a picture that is not all of one colour."""
    content = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(content, "PNG")
    return content.getvalue()


GOOD = answer({"data": [{"b64_json": base64.b64encode(png()).decode()}]})
BAD = answer({"error": {"message": "no paint left"}}, 400)


class Gate:
    """A reply that sets `asked` when it is requested, and sends a picture once it is `opened`."""

    def __init__(self) -> None:
        self.asked = trio.Event()
        self.opened = trio.Event()

    async def __call__(self, stream: trio.SocketStream, server: Misbehaving) -> None:
        self.asked.set()
        await self.opened.wait()
        await GOOD(stream, server)


@asynccontextmanager
async def studio(
    data_dir: Path, *replies: Reply, **settings: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, Misbehaving]]:
    """Serve with an images API that answers with one reply after the other; the last one is repeated."""
    async with (
        misbehaving(*replies) as api,
        serving(data_dir, provider="openai", image_url=f"{api.url}/v1", image_retries=0, **settings) as client,
    ):
        yield client, api


async def wait_over() -> None:
    """Wait until no run of the server in this process is active."""
    with trio.fail_after(60):
        await helpers._running[-1][0].wait_over()


async def ask(client: httpx.AsyncClient, path: str, status: int = 200) -> Snapshot:
    """Return the JSON that answers GET `path`, which must have this status."""
    response = await client.get(path)
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    found: Snapshot = response.json()
    return found


async def made(client: httpx.AsyncClient, path: str) -> Snapshot:
    """Request the picture at `path`, and return its last snapshot, also if the run failed."""
    await ask(client, f"{path}?generate=1")
    await wait_over()
    return await ask(client, path)


def forget_jobs(data_dir: Path) -> None:
    """Delete the journal, so that the next server knows no job."""
    for path in data_dir.glob("journal.*"):
        path.unlink()


async def starts(client: httpx.AsyncClient) -> int:
    """Return how many jobs have begun."""
    messages = helpers._running[-1][1].log
    top = messages.top
    return sum(message.type == "job_started" for message in messages.recent(type(top)(top.epoch, 0)))
