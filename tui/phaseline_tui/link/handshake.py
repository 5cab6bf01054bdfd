"""The begin of a WebSocket over a stream, and tasks that last as long as it does."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from phaseline.client import handshake
from phaseline.client.handshake import HungUp
from phaseline_tui.link.ssh import Forward
from phaseline_tui.link.streams import Stream
from phaseline_tui.model import failures
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import Pace

__all__ = ["shake_hands", "while_open"]

_MOST_BYTES: Final = 256 * 1024 * 1024
"""Of one message: a snapshot of ten thousand jobs has some thirty megabytes."""
_RECEIVE_BYTES: Final = 262144


async def shake_hands(
    nursery: trio.Nursery,
    stream: Stream,
    server: ServerAddress,
    pace: Pace,
    headers: Mapping[str, str],
    forward: Forward | None,
) -> WebSocketConnection:
    """Speak WebSocket over `stream` from now on.

    Args:
        nursery: for the connection's own task.
        stream: connected to `server`.
        server: whom to ask.
        pace: how long to wait.
        headers: for the handshake's request.
        forward: the way that `stream` takes, if it is one of ssh.

    Raises:
        Ended: there was no answer in time, the server hung up, or nothing is at the far end of `forward`.
    """
    try:
        with trio.fail_after(pace.open) as attempt:
            if forward is not None:
                nursery.start_soon(_end_with_complaint, forward, attempt)
            wrap = partial(
                wrap_client_stream,
                stream=stream,
                host=server.authority,
                resource=server.path,
                extra_headers=[(name.encode(), value.encode()) for name, value in headers.items()],
                max_message_size=_MOST_BYTES,
                receive_buffer_size=_RECEIVE_BYTES,
                message_queue_size=64,
            )
            return await handshake.shake_hands(nursery, wrap)
    except HungUp:
        raise failures.closed(server, 1006, None) from None
    except trio.TooSlowError:
        raise failures.not_phaseline(server, "no answer to the WebSocket handshake") from None


async def while_open(task: Callable[[WebSocketConnection], Awaitable[None]], websocket: WebSocketConnection) -> None:
    """Run `task` until the connection closes; why it did is heard by who listens."""
    with suppress(ConnectionClosed):
        await task(websocket)


async def _end_with_complaint(forward: Forward, attempt: trio.CancelScope) -> None:
    """End a handshake through a forward that has nothing at its far end."""
    await forward.wait_complaint()
    attempt.cancel()
