"""WebSockets by our own server: bounds, deadlines, closes, and the fast path, each as the client's socket sees it."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
import trio.testing
from quart import websocket
from quart_trio import QuartTrio

from phaseline_server.door import FANOUT, Door, Limits, WebSocket
from phaseline_server.door.endpoint import Endpoint
from phaseline_server.door.outgoing import Outgoing
from phaseline_server.door.pings import Pings
from phaseline_server.fanout.frames import text_frame
from tests.support.door_clients import (
    PATIENT,
    OpenDoor,
    close_code,
    frame,
    open_door,
    plain_app,
    read_all,
    read_until,
    reset,
    upgrade,
)

CLOSE = frame(b"\x03\xe8", 8)
PING = b"\x89\x00"


# ------------------------------------------------------------------ what a client may send


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(b"", final=False) + frame(b"", 0, final=False) * 64, 1009),
        (frame(b"x", final=False) + frame(b"x", 0, final=False) * 62 + frame(b"x", 0), None),
        (frame(b"x", final=False) + (frame(b"x", 0, final=False) + frame(b"", 9)) * 64, 1009),
        (frame(b"x" * 1024), None),
        (frame(b"x" * 1025), 1009),
        (frame(b"x" * 512, final=False) + frame(b"x" * 513, 0), 1009),
        (frame("ü".encode() * 513), 1009),
        (frame(b"x" * 2**20, 2)[:2000], 1009),
        (frame(b"x", 10), None),
        (frame("ü".encode()[:1], final=False) + frame("ü".encode()[1:], 0), None),
    ],
    ids=range(10),
)
def test_a_message_is_limited_in_bytes_and_fragments(sent: bytes, code: int | None) -> None:
    for piece in (1, 7, len(sent)):
        endpoint = Endpoint(Limits(message=1024, fragments=64))
        for start in range(0, len(sent), piece):
            endpoint.feed(sent[start : start + piece])
        assert (endpoint.close_code, endpoint.failed) == (code, code is not None)
        if code:
            assert close_code(bytes(endpoint.replies).replace(b"\x8a\x00", b"")) == code
            assert endpoint.messages == []


def test_frames_after_a_close_are_ignored() -> None:
    endpoint = Endpoint(Limits())
    endpoint.feed(frame(b"one") + CLOSE + frame(b"two"))
    endpoint.feed(frame(b"three"))
    assert (endpoint.messages, endpoint.close_code) == (["one"], 1000)


async def test_a_close_is_answered_and_the_connection_closed_at_once() -> None:
    async with open_door() as opened:
        stream = await opened.connect()
        async with stream:
            await upgrade(stream)
            await stream.send_all(CLOSE)
            assert await read_all(stream) == b"\x88\x02\x03\xe8"
        await opened.wait_empty()


async def test_an_upgrade_with_a_body_is_rejected() -> None:
    async with open_door() as opened:
        head = b"GET /echo HTTP/1.1\r\nHost: door\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 6\r\n"
        answer = await opened.ask(head + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n\r\nabcdef")
        assert answer.startswith(b"HTTP/1.1 400 ")
        await opened.wait_empty()


# ------------------------------------------------------------------ deadlines


async def test_pings_are_sent_in_turn_to_connected_clients(autojump_clock: trio.testing.MockClock) -> None:
    asked: list[tuple[float, str]] = []

    class Each:
        def __init__(self, name: str) -> None:
            self.name = name

        def ping(self) -> None:
            asked.append((trio.current_time() - begun, self.name))

    pings, begun = Pings(20), trio.current_time()
    one, two = Each("one"), Each("two")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pings.run)
        await trio.sleep(3)
        pings.add(one)
        await trio.sleep(5)
        pings.add(two)
        await trio.sleep(40)
        pings.remove(one)
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert [(round(when), name) for when, name in asked] == [(23, "one"), (28, "two"), (43, "one"), (48, "two")]


async def test_only_a_client_that_answers_no_ping_is_cut_off(
    socket_clock: trio.testing.MockClock,
) -> None:
    async with open_door(limits=Limits(pong_seconds=2)) as opened:
        silent, lively = await opened.connect(), await opened.connect()
        async with silent, lively:
            await upgrade(silent)
            await upgrade(lively)
            with trio.fail_after(30):
                async with trio.open_nursery() as nursery:

                    async def answer() -> None:
                        async for received in lively:
                            await lively.send_all(frame(b"", 10) * received.count(PING))

                    nursery.start_soon(answer)
                    assert (await read_all(silent)).startswith(PING)
                    await trio.sleep(20)
                    seen = opened.door.statistics()
                    assert (seen.connections, seen.counts.late) == (1, {"pong": 1})
                    nursery.cancel_scope.cancel()
        assert opened.door.statistics().failed == 0


@asynccontextmanager
async def outgoing(limits: Limits) -> AsyncIterator[tuple[Outgoing, trio.SocketStream, list[str]]]:
    """Yield the sending side of a pair of sockets, the other side, and the reports about the first."""
    ours, theirs = map(trio.SocketStream, trio.socket.socketpair())
    reported: list[str] = []
    async with trio.open_nursery() as nursery, theirs:
        out = Outgoing(ours, limits, nursery.start_soon, partial(reported.append, "cut"))
        yield out, theirs, reported
        out.end()
        nursery.cancel_scope.cancel()


async def fill(out: Outgoing) -> int:
    """Write until the socket is full; return how many frames of 1,000 bytes it was."""
    frames = 0
    while out.idle:
        out.write(text_frame(b"x" * 996))
        frames += 1
    return frames


async def test_a_client_that_reads_nothing_until_the_write_deadline_is_cut_off(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with outgoing(Limits(write_seconds=10)) as (out, _, reported):
        await fill(out)
        begun = trio.current_time()
        await out.wait_flushed()
        assert trio.current_time() - begun == pytest.approx(10, abs=0.1)
        assert (out.ended, reported) == (True, ["cut"])
        assert out.write(b"into the void")


async def test_queued_frames_are_sent_whole_and_in_order_and_a_drop_breaks_no_frame() -> None:
    async with outgoing(PATIENT) as (out, theirs, reported):
        frames = await fill(out)
        assert out.write(text_frame(b"dropped"), 1)
        out.drop()
        for number in range(300):
            assert out.write(text_frame(b"%d" % number), 1)
        received = bytearray()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(out.wait_flushed)
            expected = text_frame(b"x" * 996) * frames + b"".join(text_frame(b"%d" % number) for number in range(300))
            while len(received) < len(expected):
                received += await theirs.receive_some()
        assert received == expected
        assert (out.idle, out.queued, reported) == (True, 0, [])


async def test_the_queue_is_limited_in_messages_and_bytes() -> None:
    async with outgoing(Limits(queue=3)) as (out, _, _):
        await fill(out)
        assert [out.write(b"x", 1) for _ in range(4)] == [True, True, True, False]
        assert out.write(b"what does not count")
        assert out.queued == 3
    async with outgoing(Limits(queue_bytes=100)) as (out, _, _):
        await fill(out)
        assert [out.write(b"x" * 60, 1) for _ in range(3)] == [True, True, False]


# ------------------------------------------------------------------ the fast path


def direct_app(door: Door) -> QuartTrio:
    """Return an app with a route that takes its WebSocket over, and answers each reading with what it read."""
    app = plain_app(door)

    @app.websocket("/direct")
    async def direct() -> None:
        socket: WebSocket = websocket.scope["extensions"][FANOUT]["socket"]
        socket.take_over(partial(answer, socket), 10)
        await websocket.accept()

    async def answer(socket: WebSocket) -> None:
        while messages := await socket.receive():
            for message in messages:
                if message == "close":
                    socket.writer.write(text_frame(b"before"))
                    socket.close(4000, "as you wish")
                    assert not await socket.receive()
                    return
                socket.writer.write(text_frame(b"%d %s" % (len(messages), str(message).encode())))

    return app


@asynccontextmanager
async def open_direct() -> AsyncIterator[tuple[OpenDoor, trio.SocketStream]]:
    async with open_door(direct_app(Door())) as opened:
        stream = await opened.connect()
        async with stream:
            await upgrade(stream, "/direct")
            yield opened, stream


async def test_messages_and_pings_received_together_are_answered_in_order() -> None:
    async with open_direct() as (_, stream):
        await stream.send_all(frame(b"a") + frame(b"b") + frame(b"", 9) + frame(b"c"))
        received = await read_until(stream, b" c")
        # How many come in one reading is the network's choice.
        assert received.index(b" a") < received.index(b" b") < received.index(b" c")
        assert b"\x8a\x00" in received


async def test_a_route_may_close_after_its_queued_frames() -> None:
    async with open_direct() as (opened, stream):
        await stream.send_all(frame(b"close") + frame(b"ignored"))
        received = await read_until(stream, b"as you wish")
        assert received == text_frame(b"before") + b"\x88\x0d\x0f\xa0as you wish"
        await stream.send_all(frame(b"\x0f\xa0", 8))
        assert await read_all(stream) == b""
        await opened.wait_empty()
        assert opened.door.statistics().failed == 0


@pytest.mark.parametrize("how", ["close", "end", "reset", "bad frame"])
async def test_a_route_that_took_over_ends_when_its_client_disconnects(how: str) -> None:
    async with open_direct() as (opened, stream):
        if how == "reset":
            reset(stream)
        elif how == "end":
            await stream.send_eof()
            await read_all(stream)
        else:
            await stream.send_all(CLOSE if how == "close" else frame(b"x", masked=False))
            assert close_code(await read_all(stream)) == (1000 if how == "close" else 1002)
            await stream.aclose()
        await opened.wait_empty()
        assert opened.door.statistics().failed == 0


async def test_the_door_closes_a_websocket_that_was_taken_over() -> None:
    async with open_direct() as (opened, stream), trio.open_nursery() as nursery:
        nursery.start_soon(opened.door.close, 0)
        assert close_code(await read_all(stream)) == 1001


async def test_a_stalled_client_delays_neither_the_route_nor_the_shutdown() -> None:
    async with open_direct() as (opened, stream):
        big = frame(b"x" * 60_000)
        with trio.move_on_after(1):
            await stream.send_all(big * 400)
        with trio.fail_after(60):
            await opened.door.close(0.1)


def test_a_frame_uses_the_shortest_length_field() -> None:
    for length, head in ((0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)):
        made = text_frame(os.urandom(length))
        assert len(made) == head + length
        assert made[0] == 0x81
