"""The same app under hypercorn as it comes, instead of our own door."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from hypercorn.typing import ASGIFramework

from phaseline_server.door import Door, url_of


async def _serve(
    door: Door,
    app: ASGIFramework,
    listeners: Sequence[trio.SocketListener],
    *,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    config = Config()
    # Copies, as both would close theirs.
    config.bind = [f"fd://{os.dup(listener.socket.fileno())}" for listener in listeners]
    config.accesslog = config.errorlog = None
    config.graceful_timeout = 0.2
    async with trio.open_nursery() as nursery:

        async def run(task_status: trio.TaskStatus[list[str]]) -> None:
            await serve(app, config, shutdown_trigger=trio.sleep_forever, task_status=task_status, mode="asgi")

        urls = [url_of(listener) for listener in listeners]
        await nursery.start(run)
        task_status.started(urls)


@contextmanager
def stock_server() -> Iterator[None]:
    """Have every door in this process be hypercorn, for the length of the block."""
    ours = Door.serve
    Door.serve = _serve  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Door.serve = ours  # type: ignore[method-assign]
