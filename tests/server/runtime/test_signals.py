"""SIGINT and SIGTERM end a real server: the first cleanly, even with connected clients, the second at once."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from phaseline_server.runtime.signals import wait_for_signal
from tests.support.door_clients import get, read_until, upgrade

PROGRAM = [sys.executable, "-X", "dev", "-m", "tests.support.door_program"]
BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@asynccontextmanager
async def server(*args: str) -> AsyncIterator[tuple[trio.Process, trio.SocketStream]]:
    """Run the program within the block, with a client that is connected to it."""
    process = await trio.lowlevel.open_process(
        [*PROGRAM, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    async with process.stdout, process.stderr:
        try:
            url = (await line_of(process)).decode()
            yield process, await trio.open_tcp_stream("127.0.0.1", int(url.rpartition(":")[2]))
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()


async def line_of(process: trio.Process) -> bytes:
    """Return the next line of the program's output."""
    assert process.stdout is not None
    line = b""
    with trio.fail_after(30):
        while not line.endswith(b"\n"):
            character = await process.stdout.receive_some(1)
            assert character, f"the program ended: {line!r}"
            line += character
    return line


async def rest_of(stream: trio.abc.ReceiveStream | None) -> bytes:
    assert stream is not None
    return b"".join([part async for part in stream])


@BOTH
@pytest.mark.parametrize("client", ["idle", "reads no body", "reads no WebSocket"])
async def test_a_signal_stops_the_server_cleanly_with_clients_connected(number: signal.Signals, client: str) -> None:
    async with server() as (process, stream), stream:
        if client == "reads no body":
            await get(stream, "/trickle")
            await read_until(stream, b"\r\n\r\n")
        elif client == "reads no WebSocket":
            await upgrade(stream, "/flood")
        process.send_signal(number)
        with trio.fail_after(60):
            output = await rest_of(process.stdout)
            errors = await rest_of(process.stderr)
            assert await process.wait() == 0
        assert output.endswith(b"ended\n")
        assert b"Traceback" not in errors
        assert b"Warning" not in errors


@BOTH
async def test_a_second_signal_stops_the_server_at_once(number: signal.Signals) -> None:
    async with server("stubborn") as (process, stream), stream:
        process.send_signal(number)
        assert b"interrupt again to force exit" in await line_of(process)
        process.send_signal(number)
        with trio.fail_after(60):
            assert b"ended\n" not in await rest_of(process.stdout)
            assert await process.wait() == -number


@BOTH
async def test_wait_for_signal_returns_the_signal(number: signal.Signals) -> None:
    seen: list[signal.Signals] = []

    async def wait() -> None:
        seen.append(await wait_for_signal())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        signal.raise_signal(number)
    assert seen == [number]
