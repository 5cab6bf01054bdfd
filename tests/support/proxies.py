"""A proxy that passes no WebSockets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def plain_proxy(http_url: str) -> AsyncIterator[str]:
    """Pass requests on without the headers of an upgrade, one per connection, as nginx does by default."""
    port = int(http_url.rpartition(":")[2])
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def handle(near: trio.SocketStream) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = await near.receive_some()
            if not chunk:
                return
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        lines = [
            line
            for line in head.split(b"\r\n")
            if not line.lower().startswith((b"upgrade:", b"connection:", b"sec-websocket-"))
        ]
        try:
            far = await trio.open_tcp_stream("127.0.0.1", port)
        except OSError:
            await near.send_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await near.aclose()
            return
        async with far:
            await far.send_all(b"\r\n".join([*lines, b"Connection: close", b"", body]))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_pump, near, far)
                await _pump(far, near)
                nursery.cancel_scope.cancel()
        await near.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, handle, [listener])
        yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def _pump(source: trio.SocketStream, to: trio.SocketStream) -> None:
    try:
        async for chunk in source:
            await to.send_all(chunk)
    except trio.BrokenResourceError:
        return
