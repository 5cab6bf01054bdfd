"""A real HTTP server on loopback with scripted faults: late, truncated, endless or invalid answers."""

import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import trio
from trio.testing import MockClock

from tests.support.arrival import wait_read

CHUNK = 65_536
_REASONS = {200: "OK", 302: "Found", 400: "Bad Request", 429: "Too Many Requests", 500: "Internal Server Error"}


@dataclass
class Request:
    """A request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Misbehaving:
    """The server's address, the requests, and the number of sent bytes of bodies.

    `clients_gone` is set when a client has disconnected in the middle of a reply, or when all of it has been sent.
    """

    port: int
    requests: list[Request] = field(default_factory=list)
    sent: int = 0
    clients_gone: trio.Event = field(default_factory=trio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


Reply = Callable[[trio.SocketStream, Misbehaving], Awaitable[None]]


@asynccontextmanager
async def misbehaving(*replies: Reply) -> AsyncIterator[Misbehaving]:
    """Serve one request per connection with one reply after the other; the last one is repeated."""
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        server = Misbehaving(listener.socket.getsockname()[1])

        async def handle(stream: trio.SocketStream) -> None:
            with suppress(trio.BrokenResourceError):  # the client may disconnect
                request = await _request(stream)
                if request is None:
                    await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    return
                server.requests.append(request)
                reply = replies[min(len(server.requests), len(replies)) - 1]
                await reply(stream, server)

        nursery.start_soon(trio.serve_listeners, handle, [listener])
        yield server
        nursery.cancel_scope.cancel()


async def _request(stream: trio.SocketStream) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = await stream.receive_some()
        if not more or not more[:1].isascii() or more[:1] == b"\x16":  # gone, or the first byte of TLS
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        more = await stream.receive_some()
        if not more:
            return None
        body += more
    method, target, _ = first.split(" ")
    return Request(method, target, headers, body)


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Whatever')}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def answer(body: bytes | dict[str, Any] = b"", status: int = 200, **headers: str) -> Reply:
    """Answer successfully; `Retry_After="0"` becomes a header."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def reply(stream: trio.SocketStream, server: Misbehaving) -> None:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        await stream.send_all(_head(status, {"Content-Length": str(len(content)), **fields}) + content)
        server.sent += len(content)

    return reply


def redirect(location: str) -> Reply:
    return answer(status=302, Location=location)


def cut_off(body: bytes, after: int) -> Reply:
    """Promise all of `body`, send its first `after` bytes and hang up."""

    async def reply(stream: trio.SocketStream, server: Misbehaving) -> None:
        await stream.send_all(_head(200, {"Content-Length": str(len(body))}) + body[:after])
        server.sent += after
        await stream.aclose()

    return reply


def huge(total: int, *, says_so: bool) -> Reply:
    """Send `total` bytes, with `Content-Length` if the server `says_so`, and count those that went out."""

    async def reply(stream: trio.SocketStream, server: Misbehaving) -> None:
        try:
            await stream.send_all(_head(200, {"Content-Length": str(total)} if says_so else {}))
            while server.sent < total:
                await stream.send_all(b"x" * CHUNK)
                server.sent += CHUNK
        finally:
            server.clients_gone.set()

    return reply


async def hang_up(stream: trio.SocketStream, _server: Misbehaving) -> None:
    """Close the connection without an answer."""
    await stream.aclose()


async def silence(stream: trio.SocketStream, server: Misbehaving) -> None:
    """Never answer; notice when the client leaves."""
    if await stream.receive_some() == b"":
        server.clients_gone.set()


def too_slow(clock: MockClock, seconds: float, head: bytes = b"") -> Reply:
    """Send `head`, raw, and then nothing until the client's time-out, which passes at once."""

    async def reply(stream: trio.SocketStream, server: Misbehaving) -> None:
        await stream.send_all(head)
        await wait_read(stream)
        clock.jump(seconds)
        await silence(stream, server)

    return reply


@contextmanager
def nobody_there() -> Iterator[str]:
    """Yield the address of a port without a listener, which no other program can use meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
