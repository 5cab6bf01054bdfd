"""Connection limits, time-outs, and errors that the accept loop survives."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs
from trio.testing import MockClock

from phaseline_server.door import Door, Limits, open_listeners
from tests.support.door_clients import FRESH, PATIENT, get, open_door, plain_app, read_all, read_until, upgrade

PATIENCE = 5  # seconds; far above every limit set here, far below those that are the default
SHORT = 0.05


async def test_a_client_over_the_limit_gets_503_until_another_disconnects() -> None:
    async with open_door(limits=replace(PATIENT, connections=2)) as opened:
        first, second = await opened.connect(), await opened.connect()
        async with first, second:
            for stream in (first, second):
                await get(stream, "/")
                await read_until(stream, b"here")
            with capture_logs() as logs:
                answers = [await opened.ask(b"") for _ in range(3)]
            for answer in answers:
                assert answer.startswith(b"HTTP/1.1 503 ")
                assert answer.endswith(b'"code": "TOO_MANY"}')
            assert [entry["log_level"] for entry in logs] == ["warning"]  # once, not for each
        await opened.wait_empty()
        assert (await opened.ask()).startswith(b"HTTP/1.1 200 ")
        await opened.wait_empty()
        seen = opened.door.statistics()
        assert (seen.connections, seen.accepted, seen.counts.refused, seen.failed) == (0, 3, {503: 3}, 0)


@pytest.mark.parametrize("begun", [b"", b"G", b"GET / HTTP/1.1\r\nHost: door\r\n"])
async def test_a_client_that_never_finishes_its_head_is_cut_off(begun: bytes, socket_clock: MockClock) -> None:
    async with open_door(limits=Limits(head_seconds=SHORT)) as opened:
        with trio.fail_after(PATIENCE):
            answer = await opened.ask(begun)
            assert answer.startswith(b"HTTP/1.1 408 ") if begun else not answer
            await opened.wait_empty()


async def test_a_slow_request_head_gets_no_more_time(socket_clock: MockClock) -> None:
    async with open_door(limits=Limits(head_seconds=4 * SHORT)) as opened:
        stream = await opened.connect()
        async with stream:
            with trio.fail_after(PATIENCE), suppress(trio.BrokenResourceError):
                while True:
                    await stream.send_all(b"x")
                    await trio.sleep(SHORT / 5)


async def test_an_idle_connection_outlives_the_head_time_out(socket_clock: MockClock) -> None:
    async with open_door(limits=Limits(head_seconds=SHORT)) as opened:
        stream = await opened.connect()
        async with stream:
            for _ in range(3):
                await get(stream, "/")
                await read_until(stream, b"here")
                await trio.sleep(2 * SHORT)


async def test_an_idle_connection_times_out(socket_clock: MockClock) -> None:
    async with open_door(limits=Limits(idle_seconds=SHORT)) as opened:
        stream = await opened.connect()
        async with stream:
            await get(stream, "/")
            await read_until(stream, b"here")
            with trio.fail_after(PATIENCE):
                assert await read_all(stream) == b""


@pytest.mark.parametrize("before", [b"", b"POST / HTTP/1.1\r\nHost: door\r\nContent-Length: 3\r\n\r\nxxx"])
@pytest.mark.parametrize(("more", "status"), [(0, b"200"), (1, b"431")])
async def test_the_limit_of_a_head_is_exact(before: bytes, more: int, status: bytes) -> None:
    async with open_door(limits=replace(PATIENT, head=2048)) as opened:
        head, end = b"GET / HTTP/1.1\r\nHost: door\r\nConnection: close\r\nX: ", b"\r\n\r\n"
        request = head + b"x" * (2048 - len(head) - len(end) + more) + end
        answer = await opened.ask(before + request)
        assert answer.rpartition(b"HTTP/1.1 ")[2].startswith(status)


@pytest.mark.parametrize("when", ["with the first", "after its answer"])
async def test_the_head_of_a_second_request_has_its_own_time_out(when: str, socket_clock: MockClock) -> None:
    async with open_door(limits=Limits(head_seconds=SHORT)) as opened:
        stream = await opened.connect()
        async with stream:
            await stream.send_all(
                FRESH.replace(b"close", b"keep-alive") + (b"GET /" if when == "with the first" else b"")
            )
            await read_until(stream, b"here")
            if when == "after its answer":
                await trio.testing.wait_all_tasks_blocked()
                await stream.send_all(b"GET /")
            with trio.fail_after(PATIENCE):
                assert (await read_all(stream)).startswith(b"HTTP/1.1 408 ")


async def test_a_long_request_does_not_time_out(socket_clock: MockClock) -> None:
    async with open_door(limits=Limits(head_seconds=SHORT, idle_seconds=SHORT)) as opened:
        stream = await opened.connect()
        async with trio.open_nursery() as nursery, stream:
            await get(stream, "/until-closing")
            await trio.sleep(4 * SHORT)
            nursery.start_soon(opened.door.close, PATIENCE)
            assert (await read_all(stream)).endswith(b"waited")


@pytest.mark.parametrize("path", ["/huge", "/trickle"])
async def test_a_client_that_reads_nothing_is_cut_off(path: str, socket_clock: MockClock) -> None:
    async with open_door(limits=Limits(write_seconds=SHORT)) as opened:
        stream = await opened.connect()
        async with stream:
            await get(stream, path)
            while not opened.door.statistics().connections:
                await trio.lowlevel.checkpoint()
            with trio.fail_after(PATIENCE):
                await opened.wait_empty()
        assert opened.door.statistics().counts.late == {"write": 1}
        assert (await opened.ask()).startswith(b"HTTP/1.1 200 ")


async def test_a_websocket_that_reads_nothing_is_cut_off(socket_clock: MockClock) -> None:
    async with open_door(limits=Limits(write_seconds=SHORT)) as opened:
        stream = await opened.connect()
        async with stream:
            await upgrade(stream, "/flood")
            with trio.fail_after(PATIENCE):
                await opened.wait_empty()
        seen = opened.door.statistics()
        assert (seen.failed, seen.counts.late) == (0, {"write": 1})


async def test_a_client_that_never_closes_its_side_is_cut_off(socket_clock: MockClock) -> None:
    async with open_door(limits=Limits(linger_seconds=SHORT)) as opened:
        stream = await opened.connect()
        async with stream:
            await stream.send_all(FRESH)
            assert (await read_all(stream)).endswith(b"here")
            with trio.fail_after(PATIENCE):
                await opened.wait_empty()


@pytest.mark.slow
async def test_a_connection_has_no_limit_of_requests() -> None:
    async with open_door() as opened:
        stream = await opened.connect()
        async with stream:
            for _ in range(1_100):
                await get(stream, "/")
                await read_until(stream, b"here")
        assert opened.door.statistics().accepted == 1


@contextmanager
def no_more_files() -> Iterator[None]:
    """Let this process open no file and accept no connection within the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_accept_resumes_after_running_out_of_file_descriptors(
    monkeypatch: pytest.MonkeyPatch, socket_clock: MockClock
) -> None:
    door = Door()
    [listener] = await open_listeners(["127.0.0.1:0"], explicit=True)
    accept = listener.accept
    asked = 0

    async def counted_accept() -> trio.SocketStream:
        nonlocal asked
        asked += 1
        return await accept()

    monkeypatch.setattr(listener, "accept", counted_accept)
    async with trio.open_nursery() as nursery:
        await nursery.start(door.serve, plain_app(door), [listener])
        with trio.socket.socket() as client, capture_logs() as logs:
            with no_more_files():
                await client.connect(listener.socket.getsockname())
                await trio.sleep(0.3)
                assert 2 <= asked < 20  # in a busy loop it would be thousands
                assert door.statistics().accepted == 0
            stream = trio.SocketStream(client)
            await stream.send_all(FRESH)
            assert (await read_all(stream)).endswith(b"here")
            assert [entry["log_level"] for entry in logs] == ["warning"]
        await door.close(0)
