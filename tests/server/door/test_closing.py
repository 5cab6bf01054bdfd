"""Shutdown: requests may finish, no client can delay it, and no task or socket remains."""

import gc

import pytest
import trio
from quart_trio import QuartTrio

from phaseline_server.door import Door, open_listeners
from tests.support.door_clients import (
    HOUR,
    PATIENT,
    UPGRADE,
    close_code,
    frame,
    get,
    open_door,
    plain_app,
    read_all,
    read_until,
    upgrade,
)

# Seconds: far longer than a shutdown on the slowest machine, far shorter than a stalled client could delay it.
PATIENCE = 60
# The data that a client sends before it stops reading and sending.
STALLED = {
    "nothing": b"",
    "half a head": b"GET / HTTP/1.1\r\nHo",
    "half a body": b"POST /length HTTP/1.1\r\nHost: door\r\nContent-Length: 9\r\n\r\nx",
    "a request for a huge body": b"GET /huge HTTP/1.1\r\nHost: door\r\n\r\n",
    "a request for an endless body": b"GET /trickle HTTP/1.1\r\nHost: door\r\n\r\n",
    "a request that is never answered": b"GET /for-ever HTTP/1.1\r\nHost: door\r\n\r\n",
    "requests in a pipeline": b"GET /until-closing HTTP/1.1\r\nHost: door\r\n\r\n" * 100,
    "a handshake": UPGRADE + b"\r\n",
    "a handshake and half a frame": UPGRADE + b"\r\n" + frame(b"12345")[:-1],
    "a handshake and many frames": UPGRADE + b"\r\n" + frame(b"x" * 60_000) * 100,
    "a handshake to a flood": UPGRADE.replace(b"/echo", b"/flood") + b"\r\n",
}


async def connect_stalled(port: int, nursery: trio.Nursery) -> None:
    """Connect a stalled client of each kind, and wait until the server has as much of it as it takes."""
    for sent in STALLED.values():
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        nursery.start_soon(_send_and_stay, stream, sent)
    await trio.testing.wait_all_tasks_blocked(0.05)


async def _send_and_stay(stream: trio.SocketStream, sent: bytes) -> None:
    async with stream:
        try:
            await stream.send_all(sent)
        except trio.BrokenResourceError:
            return
        await trio.sleep_forever()


@pytest.mark.parametrize("how", ["closed", "cancelled"])
async def test_stalled_clients_do_not_delay_the_shutdown(how: str) -> None:
    door = Door(PATIENT)
    scope = trio.CancelScope()

    async def serve(task_status: trio.TaskStatus[list[str]]) -> None:
        with scope:
            await door.serve(plain_app(door), listeners, task_status=task_status)

    listeners = await open_listeners(["127.0.0.1:0"], explicit=True)
    async with trio.open_nursery() as clients:
        async with trio.open_nursery() as nursery:
            [url] = await nursery.start(serve)
            await connect_stalled(int(url.rpartition(":")[2]), clients)
            assert door.statistics().connections == len(STALLED)
            with trio.fail_after(PATIENCE):
                if how == "closed":
                    await door.close(0.2)
                else:
                    scope.cancel()
                await door._closed.wait()
        assert door.statistics().connections == 0
        assert door.statistics().failed == 0
        clients.cancel_scope.cancel()
    gc.collect()  # a socket left open would cause a ResourceWarning, which is an error


async def test_a_closing_door_accepts_no_connections() -> None:
    async with open_door() as opened:
        stream = await opened.connect()
        async with stream, trio.open_nursery() as nursery:
            await get(stream, "/for-ever")
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(opened.door.close, 0.2)
            await opened.door.closing.wait()
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(OSError, match="connect"):
                await opened.connect()


async def test_a_request_in_progress_is_finished() -> None:
    app, begun, go_on = QuartTrio(__name__), trio.Event(), trio.Event()

    @app.get("/waits")
    async def waits() -> str:
        begun.set()
        await go_on.wait()
        return "waited"

    async with open_door(app) as opened:
        stream = await opened.connect()
        async with trio.open_nursery() as nursery, stream:
            await get(stream, "/waits")
            with trio.fail_after(PATIENCE):
                await begun.wait()
            nursery.start_soon(opened.door.close, HOUR)  # ends as soon as no client is left
            await opened.door.closing.wait()
            await trio.testing.wait_all_tasks_blocked()
            go_on.set()
            answer = await read_all(stream)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"waited")


async def test_an_idle_connection_does_not_use_the_grace_period() -> None:
    async with open_door() as opened:
        stream = await opened.connect()
        async with stream:
            await get(stream, "/")
            await read_until(stream, b"here")
            await trio.testing.wait_all_tasks_blocked()
            with trio.fail_after(PATIENCE):
                await opened.door.close(HOUR)
            assert await read_all(stream) == b""


async def test_a_websocket_route_may_send_a_last_message_before_the_close() -> None:
    async with open_door() as opened:
        stream = await opened.connect()
        async with trio.open_nursery() as nursery, stream:
            await upgrade(stream, "/until-closing")
            nursery.start_soon(opened.door.close, HOUR)
            frames = await read_until(stream, b"\x88\x02\x03\xe9")
            assert b"last words" in frames
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert not stream.socket.is_readable()  # not ended either: it waits for the client's answer
            await stream.send_all(frame(b"\x03\xe9", 8))
            with trio.fail_after(PATIENCE):
                assert await read_all(stream) == b""
                await opened.wait_empty()  # without waiting for the client, because both sides have finished


async def test_the_door_closes_a_websocket_that_its_route_leaves_open() -> None:
    async with open_door() as opened:
        stream = await opened.connect()
        async with stream, trio.open_nursery() as nursery:
            await upgrade(stream)
            nursery.start_soon(opened.door.close, 0)
            frames = await read_all(stream)
        assert close_code(frames) == 1001


async def test_a_second_close_shortens_the_grace_period() -> None:
    async with open_door() as opened:
        stream = await opened.connect()
        async with stream, trio.open_nursery() as nursery:
            await get(stream, "/for-ever")
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(opened.door.close, HOUR)
            await trio.testing.wait_all_tasks_blocked()
            with trio.fail_after(PATIENCE):
                await opened.door.close(0.1)


async def test_a_door_closed_before_it_opens_serves_no_clients() -> None:
    door = Door()
    await door.close()
    listeners = await open_listeners(["127.0.0.1:0"], explicit=True)
    with trio.fail_after(PATIENCE):
        await door.serve(plain_app(door), listeners)


async def test_a_door_cannot_be_used_twice() -> None:
    async with open_door() as opened:
        with pytest.raises(RuntimeError, match="create a new one"):
            await opened.door.serve(plain_app(opened.door), [])
        assert (await opened.ask()).startswith(b"HTTP/1.1 200 ")
