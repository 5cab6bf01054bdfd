"""A door on a free loopback port with a Quart-Trio app behind it, and clients that speak in raw bytes."""

import base64
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import trio
import trio.testing
from hypercorn.typing import ASGIFramework
from quart import Response, request, websocket
from quart_trio import QuartTrio

from phaseline_server.door import CLIENT_LEFT, Door, Limits, open_listeners

FRESH = b"GET / HTTP/1.1\r\nHost: door\r\nConnection: close\r\n\r\n"
KEY = base64.b64encode(b"sixteen bytes !!")
UPGRADE = (
    b"GET /echo HTTP/1.1\r\nHost: door\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n"
)
_HUGE = 64 * 1024 * 1024
HOUR = 3600
PATIENT = Limits(head_seconds=HOUR, idle_seconds=HOUR, write_seconds=HOUR, pong_seconds=HOUR, linger_seconds=HOUR)
"""For tests of anything but these limits, which a machine that stands still for two seconds would meet."""


@dataclass
class OpenDoor:
    """An open door, and where it is."""

    door: Door
    port: int

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)

    async def ask(self, request: bytes = FRESH) -> bytes:
        """Send `request` on a new connection, and return everything received until its end."""
        stream = await self.connect()
        async with stream:
            await stream.send_all(request)
            return await read_all(stream)

    async def wait_empty(self) -> None:
        """Wait until the server has no connection left."""
        with trio.fail_after(30):
            await trio.testing.wait_all_tasks_blocked()  # clients that have just connected are counted by then
            await self.door._wait_empty()


async def get(stream: trio.SocketStream, path: str) -> None:
    """Ask for `path`, to be answered on a connection that stays."""
    await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: door\r\n\r\n".encode())


async def upgrade(stream: trio.SocketStream, path: str = "/echo") -> None:
    """Open a WebSocket to `path`, and wait for the answer."""
    await stream.send_all(UPGRADE.replace(b"/echo", path.encode()) + b"\r\n")
    answer = await read_until(stream, b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 ")


@asynccontextmanager
async def open_door(app: ASGIFramework | None = None, limits: Limits | None = None) -> AsyncIterator[OpenDoor]:
    """Serve `app` (or `plain_app`) within the block; it must have been closed completely at the end."""
    door = Door(limits or PATIENT)
    async with trio.open_nursery() as nursery:
        listeners = await open_listeners(["127.0.0.1:0"], explicit=True)
        [url] = await nursery.start(door.serve, app or plain_app(door), listeners)
        try:
            yield OpenDoor(door, int(url.rpartition(":")[2]))
        finally:
            with trio.CancelScope(shield=True):
                await door.close(0.2)


def plain_app(door: Door) -> QuartTrio:
    """Return an app with a route of every kind that a connection may be held up in."""
    app = QuartTrio(__name__)
    _add_answers(app)
    _add_waits(app, door)
    _add_websockets(app, door)
    return app


def _add_answers(app: QuartTrio) -> None:
    @app.get("/")
    async def index() -> str:
        return "here"

    @app.post("/length")
    async def length() -> dict[str, int]:
        return {"length": len(await request.get_data())}

    @app.get("/huge")
    async def huge() -> bytes:
        return bytes(_HUGE)

    @app.get("/trickle")
    async def trickle() -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            while True:
                yield bytes(65_536)

        return Response(pieces())

    @app.get("/broken")
    async def broken() -> str:
        raise ExceptionGroup("two at once", [ValueError("one"), AssertionError("two")])


def _add_waits(app: QuartTrio, door: Door) -> None:
    @app.get("/until-closing")
    async def until_closing() -> str:
        await door.closing.wait()
        return "waited"

    @app.get("/for-ever")
    async def for_ever() -> str:
        await trio.sleep_forever()
        raise AssertionError


def _add_websockets(app: QuartTrio, door: Door) -> None:
    @app.websocket("/echo")
    async def echo() -> None:
        await websocket.accept()
        with suppress(*CLIENT_LEFT):
            while True:
                await websocket.send(await websocket.receive())

    @app.websocket("/flood")
    async def flood() -> None:
        await websocket.accept()
        while True:
            await websocket.send("x" * 60_000)

    @app.websocket("/until-closing")
    async def socket_until_closing() -> None:
        await websocket.accept()
        await door.closing.wait()
        await websocket.send("last words")
        await websocket.close(1001)


async def read_all(stream: trio.SocketStream) -> bytes:
    """Return what arrives until the end of `stream`, or until it breaks."""
    seen = bytearray()
    with trio.fail_after(30), suppress(trio.BrokenResourceError):
        async for data in stream:
            seen += data
    return bytes(seen)


async def read_until(stream: trio.SocketStream, end: bytes) -> bytes:
    """Return the data up to and including `end`, and possibly more."""
    seen = bytearray()
    with trio.fail_after(30):
        while end not in seen:
            data = await stream.receive_some()
            assert data, f"ended before {end!r} came: {bytes(seen)!r}"
            seen += data
    return bytes(seen)


def reset(stream: trio.SocketStream) -> None:
    """Close `stream` by a reset."""
    stream.socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


def frame(
    payload: bytes, opcode: int = 1, *, final: bool = True, masked: bool = True, reserved: int = 0, mask_key: int = 0
) -> bytes:
    """Return one WebSocket frame as a client sends it, its mask all zeros by default; or one that breaks the rules."""
    head = bytes([(0x80 if final else 0) | (reserved << 4) | opcode])
    mask = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([mask | len(payload)])
    elif len(payload) < 65_536:
        head += bytes([mask | 126]) + struct.pack("!H", len(payload))
    else:
        head += bytes([mask | 127]) + struct.pack("!Q", len(payload))
    key = mask_key.to_bytes(4) if masked else b""
    return (
        head + key + bytes(byte ^ key[at % 4] for at, byte in enumerate(payload)) if mask_key else head + key + payload
    )


def close_code(received: bytes) -> int:
    """Return the code of the close frame among the frames `received`."""
    frames = received
    while frames:
        opcode, length, rest = frames[0] & 0x0F, frames[1], frames[2:]
        if length == 126:
            length, rest = struct.unpack("!H", rest[:2])[0], rest[2:]
        if opcode == 8:
            return int(struct.unpack("!H", rest[:2])[0])
        frames = rest[length:]
    raise AssertionError(f"no close frame in {received!r}")
