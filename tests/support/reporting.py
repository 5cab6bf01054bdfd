"""Helpers for tests of reporters: a server at a fixed port, subscribers, programs, and a bad network."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
import trio_websocket

from tests.support.servers import client_of, environment

Message = dict[str, Any]
# Deadlines of reporters that a machine would miss if it stalled for some seconds; tests of one of them set it.
PATIENT = {"phaseline.reporting.delivery.delivery._HANDSHAKE_S": 600.0, "phaseline.reporting.reporter._END_S": 60.0}
# The same in a separate program, whose background thread has not yet imported its modules.
_PATIENT_PROGRAM = """
import phaseline.reporting.delivery.background
from phaseline.reporting import Reporter
Reporter.__init__.__kwdefaults__["flush_timeout"] = 60.0
def patiently(load=phaseline.reporting.delivery.background.load):
    load()
    import phaseline.reporting.delivery.delivery
    phaseline.reporting.delivery.delivery._HANDSHAKE_S = 600.0
phaseline.reporting.delivery.background.load = patiently
del phaseline, patiently, Reporter
"""


def ws_url(http_url: str) -> str:
    return f"{http_url.replace('http', 'ws', 1)}/ws"


class Subscriber:
    """A subscriber to job `B`, which collects its messages.

    Attributes:
        messages: B's messages so far.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._waiting = trio.lowlevel.ParkingLot()

    def take(self, message: Message) -> None:
        self.messages.append(message)
        self._waiting.unpark_all()

    async def until(self, condition: Callable[[list[Message]], object]) -> list[Message]:
        """Wait until the messages meet a condition; return them."""
        with trio.fail_after(60):
            while not condition(self.messages):
                await self._waiting.park()
        return self.messages

    async def until_type(self, kind: str, count: int = 1) -> list[Message]:
        """Wait for a number of messages of a type; return all messages."""
        return await self.until(lambda messages: len([m for m in messages if m["type"] == kind]) >= count)

    def of(self, job_id: str) -> list[Message]:
        return [message for message in self.messages if message.get("job_id") == job_id]


@asynccontextmanager
async def subscriber(http_url: str, *channels: str) -> AsyncIterator[Subscriber]:
    """Watch a server for the length of the block; replies and snapshots aside."""
    found = Subscriber()
    async with (
        trio_websocket.open_websocket_url(ws_url(http_url), max_message_size=2**24) as websocket,
        trio.open_nursery() as nursery,
    ):
        await websocket.send_message(json.dumps({"type": "subscribe", "channels": channels or ("jobs", "photos")}))
        confirmed = trio.Event()

        async def read() -> None:
            try:
                while True:
                    message = json.loads(await websocket.get_message())
                    if message["type"] == "subscription_confirmed":
                        confirmed.set()
                    elif "job_id" in message:
                        found.take(message)
            except trio_websocket.ConnectionClosed:
                return  # a test may end the server

        nursery.start_soon(read)
        await confirmed.wait()
        yield found
        nursery.cancel_scope.cancel()


async def job_status(http_url: str, job_id: str) -> dict[str, Any]:
    async with client_of(http_url) as client:
        answer = await client.get(f"/progress/job/{job_id}")
        status: dict[str, Any] = answer.raise_for_status().json()["job_status"]
        return status


async def run_program(
    code: str, *arguments: str, env: Mapping[str, str] | None = None, check: bool = True
) -> subprocess.CompletedProcess[bytes]:
    """Run Python code in a separate process."""
    with trio.fail_after(120):
        done = await trio.run_process(
            [sys.executable, "-c", _PATIENT_PROGRAM + code, *arguments],
            env=environment(**(env or {})),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    assert not check or done.returncode == 0, done.stderr.decode()
    return done


class Network:
    """A connection path to a server that can be cut.

    Attributes:
        url: The WebSocket's address, by this way.
        connections: How many were made so far.
        deaf_after: Bytes from the server after which a connection is cut.
        mute_after: Bytes to the server after which a connection is cut, be it in the midst of a message.
    """

    def __init__(self, port: int) -> None:
        self.url = f"ws://127.0.0.1:{port}/ws"
        self.connections = 0
        self.closed = False
        self.deaf_after = self.mute_after = sys.maxsize
        self._scopes: set[trio.CancelScope] = set()

    def cut(self) -> None:
        """End every connection, and drop the data in flight."""
        for scope in self._scopes:
            scope.cancel()

    def close(self) -> None:
        """Cut all connections, and accept no new ones."""
        self.closed = True
        self.cut()

    async def carry(self, near: trio.SocketStream, far: trio.SocketStream) -> None:
        self.connections += 1
        if self.closed:
            return
        with trio.CancelScope() as scope:
            self._scopes.add(scope)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pump, near, far, self.mute_after, scope)
                nursery.start_soon(self._pump, far, near, self.deaf_after, scope)
        self._scopes.discard(scope)

    async def _pump(self, source: trio.SocketStream, to: trio.SocketStream, most: int, scope: trio.CancelScope) -> None:
        """Carry at most this many bytes, and then cut."""
        try:
            async for chunk in source:
                await to.send_all(chunk[:most])
                most -= len(chunk)
                if most <= 0:
                    break
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        scope.cancel()


@asynccontextmanager
async def network(http_url: str) -> AsyncIterator[Network]:
    """Carry connections to a server for the length of the block."""
    port = int(http_url.rpartition(":")[2])
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    way = Network(listener.socket.getsockname()[1])

    async def handle(near: trio.SocketStream) -> None:
        async with await trio.open_tcp_stream("127.0.0.1", port) as far:
            await way.carry(near, far)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, handle, [listener])
        yield way
        nursery.cancel_scope.cancel()


def spool_files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.spool")) if directory.is_dir() else []
