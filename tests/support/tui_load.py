"""A scripted server that puts a terminal view under load: many jobs, some of which change at every tick."""

import contextlib
import random
import threading
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from tests.support.tui_jobs import PHOTO, photo_job

__all__ = ["LoadServer", "jobs_at_work"]

Json = dict[str, Any]
BEAT: Final = 0.1
"""Seconds between two changes."""


def jobs_at_work(count: int) -> list[Json]:
    """Return jobs in every phase, sorted by their start."""
    draw = random.Random(7)
    jobs = []
    for number in range(count):
        index = draw.randint(1, len(PHOTO))
        made = photo_job(
            f"job_{number:05}", f"IMG_{number:05}.CR3", index, progress=draw.uniform(1, 30), speed=draw.uniform(5, 90)
        )
        made["started_at"] = f"2026-11-09T{5 + number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"
        jobs.append(made)
    return jobs


class LoadServer:
    """Sends progress of jobs at every beat, as batches if it is asked for them.

    Args:
        jobs: as `jobs_at_work` makes them.
        choose: gives the indices of those that change at a beat.
    """

    def __init__(self, jobs: list[Json], choose: Callable[[], Sequence[int]]) -> None:
        self.port = 0
        self.going = False
        """Whether progress is sent."""
        self._jobs = jobs
        self._choose = choose
        self._draw = random.Random(11)
        self._seq = 7
        self._snapshot = msgspec.json.encode({"type": "snapshot", "epoch": "e1", "seq": 7, "jobs": jobs}).decode()
        self._thread = threading.Thread(target=trio.run, args=(self._main,), name="load")
        self._listening = threading.Event()
        self._token: trio.lowlevel.TrioToken | None = None
        self._scope = trio.CancelScope()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(60), "the server does not listen"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the server. Safe to call twice."""
        assert self._token is not None
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._scope.cancel)
        self._thread.join()

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        with self._scope:
            async with trio.open_nursery() as nursery:
                serve = partial(serve_websocket, self._handle, "127.0.0.1", 0, None, handler_nursery=nursery)
                self.port = (await nursery.start(serve)).port
                self._listening.set()

    async def _handle(self, request: WebSocketRequest) -> None:
        websocket = await request.accept()
        greeting = {"type": "connection_established", "client_id": "c1", "epoch": "e1", "protocol": 1}
        await websocket.send_message(msgspec.json.encode(greeting).decode())
        try:
            async with trio.open_nursery() as nursery:
                while True:
                    message = msgspec.json.decode(await websocket.get_message())
                    if message["type"] == "subscribe":
                        batch = bool(message.get("batch"))
                        await websocket.send_message(f"[{self._snapshot}]" if batch else self._snapshot)
                        nursery.start_soon(self._send, websocket, batch)
                    elif message["type"] == "ping":
                        await websocket.send_message('[{"type":"pong"}]' if message.get("batch") else '{"type":"pong"}')
        except* ConnectionClosed:
            pass

    async def _send(self, websocket: WebSocketConnection, batch: bool) -> None:
        due = trio.current_time()
        while True:
            due += BEAT
            await trio.sleep_until(due)
            if not self.going:
                continue
            messages = [self._progress(index) for index in self._choose()]
            if batch:
                await websocket.send_message(msgspec.json.encode(messages).decode())
                continue
            for message in messages:
                await websocket.send_message(msgspec.json.encode(message).decode())

    def _progress(self, index: int) -> Json:
        """Advance a job a little, and return the server's messages about it."""
        job = self._jobs[index]
        self._seq += 1
        # A step that changes each number, the bar and the message every time; restart at the end.
        job["progress"] = (job["progress"] + self._draw.uniform(2.0, 4.0)) % 99.0
        job["percent"] = (job["percent"] + self._draw.uniform(1.0, 2.0)) % 99.0
        job["elapsed_seconds"] += BEAT
        job["eta_seconds"] = job["eta_seconds"] * self._draw.uniform(0.8, 1.25)
        return {
            "type": "job_progress",
            "stage": job["current_stage"],
            "message": f"tile {int(job['progress'] * 10)} of 1000",
            "details": None,
            "timestamp": "2026-11-09T18:38:02.123Z",
            "epoch": "e1",
            "seq": self._seq,
            "eta_low_seconds": job["eta_seconds"] * 0.7,
            "eta_high_seconds": job["eta_seconds"] * 1.6,
        } | {
            name: job[name]
            for name in (
                "job_id", "photo_id", "progress", "workflow", "series", "host", "state", "percent", "eta_seconds",
                "eta_basis", "eta_runs", "stage_index", "stage_count", "elapsed_seconds",
            )
        }  # fmt: skip
