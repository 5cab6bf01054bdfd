"""Open the connections of Phaseline's clients: TLS if the address requires it, and a WebSocket over them."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import trio
import trio_websocket

from phaseline.client.address import Address
from phaseline.client.handshake import shake_hands
from phaseline.client.http import Stream

__all__ = ["secured", "websocket_over"]

_GOODBYE_S: Final = 1.0
_NORMAL: Final = 1000


async def secured(stream: trio.SocketStream, address: Address) -> Stream:
    """Return a connection to `address`, encrypted if the address requires it. It is closed if the handshake fails.

    Raises:
        trio.BrokenResourceError: The server does not speak TLS, or its certificate is not trusted.
    """
    if not address.tls:
        return stream
    context = ssl.create_default_context()
    secure = trio.SSLStream(stream, context, server_hostname=address.host, https_compatible=True)
    try:
        # A separate step, because the WebSocket library hides the errors of a TLS handshake.
        await secure.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(secure)
        raise
    return secure


@asynccontextmanager
async def websocket_over(
    stream: Stream,
    address: Address,
    token: str,
    *,
    patience_s: float,
    largest: int,
    goodbye: Callable[[], int] = lambda: _NORMAL,
) -> AsyncIterator[trio_websocket.WebSocketConnection]:
    """Open a WebSocket at the path of `address` for the length of the block, which closes `stream`.

    Args:
        stream: A connection to `address`.
        address: The address.
        token: The token to send, or "".
        patience_s: Time for the handshake, in seconds.
        largest: Maximum size of a message, in bytes.
        goodbye: Returns the close code.
    """
    headers = [(b"Authorization", b"Bearer " + token.encode())] if token else None
    try:
        async with trio.open_nursery() as nursery:
            with trio.fail_after(patience_s):
                wrap = partial(
                    trio_websocket.wrap_client_stream,
                    stream=stream,
                    host=address.authority,
                    resource=address.path,
                    extra_headers=headers,
                    max_message_size=largest,
                )
                websocket = await shake_hands(nursery, wrap)
            try:
                yield websocket
            finally:
                with trio.move_on_after(_GOODBYE_S, shield=True):
                    await websocket.aclose(goodbye())
                nursery.cancel_scope.cancel()
    finally:
        await trio.aclose_forcefully(stream)
