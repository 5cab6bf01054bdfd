"""HTTP in raw bytes, without the corrections that an HTTP client makes."""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
import trio


@dataclass
class Answer:
    """A response; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def send(client: httpx.AsyncClient, request: bytes) -> Answer:
    """Send `request`, which asks for the connection to be closed, and return the answer."""
    port = client.base_url.port
    assert port is not None
    with trio.fail_after(60):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            received = bytearray()
            # A server that has answered need not take the rest, however long it takes to send it.
            with suppress(trio.BrokenResourceError):
                await stream.send_all(request)
            with suppress(trio.BrokenResourceError):
                async for chunk in stream:
                    received += chunk
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Answer(int(first.split()[1]), headers, body)


async def get(client: httpx.AsyncClient, target: str, *headers: str, method: str = "GET") -> Answer:
    """Request exactly this target; only spaces and non-ASCII characters, which no request can contain, are quoted."""
    quoted = "".join(f"%{byte:02X}" if byte > 126 or byte == 32 else chr(byte) for byte in target.encode())
    lines = "".join(f"{header}\r\n" for header in headers)
    return await send(
        client, f"{method} {quoted} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n".encode()
    )
