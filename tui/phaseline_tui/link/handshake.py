"""The client's WebSocket handshake and subscription, and tasks that run while the connection is open."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from phaseline.client import handshake
from phaseline.client.handshake import HungUp
from phaseline_tui.link.credentials import Credentials
from phaseline_tui.link.ssh import Forward
from phaseline_tui.link.streams import Stream
from phaseline_tui.model import failures
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import Timing
from phaseline_tui.model.decoding import decode
from phaseline_tui.model.frames import ConnectionEstablished, Frame, Problem

__all__ = ["shake_hands", "subscribe", "while_open"]

_MAX_BYTES: Final = 128 * 1024 * 1024
"""Maximum size of a message. A snapshot of ten thousand jobs has about 30 MB."""
_RECEIVE_BYTES: Final = 262144
_SUBSCRIBE: Final = msgspec.json.encode(
    {
        "type": "subscribe",
        "channels": ["jobs", "photos", "system"],
        "snapshot": True,
        "batch": True,  # messages in one frame cost a tenth of messages in single frames
        "coalesce_ms": 100,
    }
).decode()


async def shake_hands(
    nursery: trio.Nursery,
    stream: Stream,
    server: ServerAddress,
    timing: Timing,
    headers: Mapping[str, str],
    forward: Forward | None,
) -> WebSocketConnection:
    """Open a WebSocket connection over `stream`.

    Args:
        nursery: Runs the connection's background task.
        stream: Stream connected to `server`.
        server: Server to connect to.
        timing: Time-outs.
        headers: Headers of the handshake request.
        forward: SSH forward that `stream` passes through, if any.

    Raises:
        LinkError: The handshake timed out, the server disconnected, or no server listens at the far end of `forward`.
    """
    try:
        with trio.fail_after(timing.open) as attempt:
            if forward is not None:
                nursery.start_soon(_cancel_on_ssh_error, forward, attempt)
            wrap = partial(
                wrap_client_stream,
                stream=stream,
                host=server.authority,
                resource=server.path,
                extra_headers=[(name.encode(), value.encode()) for name, value in headers.items()],
                max_message_size=_MAX_BYTES,
                receive_buffer_size=_RECEIVE_BYTES,
                message_queue_size=16,
            )
            return await handshake.shake_hands(nursery, wrap)
    except HungUp:
        raise failures.closed(server, 1006, None) from None
    except trio.TooSlowError:
        raise failures.not_phaseline(server, "no answer to the WebSocket handshake") from None


async def subscribe(
    websocket: WebSocketConnection,
    server: ServerAddress,
    credentials: Credentials,
    timing: Timing,
    wanted: Callable[[str], bool] = lambda _: True,
) -> int | None:
    """Send the token, wait for the server's first message, and subscribe.

    Args:
        websocket: The connection.
        server: The server.
        credentials: The token for it.
        timing: Time-outs.
        wanted: Returns whether to subscribe to the log of this epoch, or of "" if the server does not name it.

    Returns:
        The server's protocol version; None if its log is not wanted.

    Raises:
        LinkError: The server denies access, or it is not a Phaseline server.
    """
    if credentials.token:
        await websocket.send_message(msgspec.json.encode({"type": "auth", "token": credentials.token}).decode())
    frame: Frame | None = None
    try:
        with trio.fail_after(timing.first_message):
            first = await websocket.get_message()
            frame, _ = decode(first) if isinstance(first, str) else (None, 1)
    except trio.TooSlowError:
        raise failures.not_phaseline(server, "no message after the WebSocket handshake") from None
    if isinstance(frame, Problem):
        credentials.check(frame)
    if not isinstance(frame, ConnectionEstablished):
        raise failures.not_phaseline(server, "its first message is not connection_established")
    if not wanted(frame.epoch or ""):
        return None
    await websocket.send_message(_SUBSCRIBE)
    return frame.protocol or 0


async def while_open(
    task: Callable[[Callable[[], Awaitable[None]]], Awaitable[None]], ping: Callable[[], Awaitable[None]]
) -> None:
    """Run `task` with `ping` until the connection closes. The task that receives messages reports the reason."""
    with suppress(ConnectionClosed):
        await task(ping)


async def _cancel_on_ssh_error(forward: Forward, attempt: trio.CancelScope) -> None:
    """Cancel a handshake when ssh reports that no server listens at the far end of the forward."""
    await forward.wait_refusal()
    attempt.cancel()
