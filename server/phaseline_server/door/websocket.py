"""A WebSocket within one connection: hypercorn's, with its gaps closed.

Not compressed, since deflate costs more than all else together and lets a small frame swell beyond any limit.
"""

from collections.abc import Iterable
from typing import Any

import trio
from hypercorn.protocol.events import Body, Data, Event, Request, StreamClosed
from hypercorn.protocol.ws_stream import ASGIWebsocketState, WSStream
from hypercorn.typing import ASGISendEvent, WebsocketAcceptEvent
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Message, Ping
from wsproto.frame_protocol import CloseReason

__all__ = ["WebSocketStream", "is_readable_handshake"]

# Hypercorn reads these as text, and ends the whole connection with an error of its own if they aren't.
_READ_AS_TEXT = frozenset({b"connection", b"upgrade"})


def is_readable_handshake(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return whether every header that makes the handshake is ASCII, as RFC 6455 section 4.1 has it."""
    return all(
        value.isascii() for name, value in headers if name in _READ_AS_TEXT or name.startswith(b"sec-websocket-")
    )


class WebSocketStream(WSStream):
    """One WebSocket, from its handshake on."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._answered = trio.Event()
        self._size = 0  # of the message being received, so far, in bytes
        self._failed = False  # the client broke the rules (RFC 6455 section 7.1.7)

    @property
    def is_closed_by_both(self) -> bool:
        """Return whether the closing handshake is complete."""
        return self.handshake.accepted and self.connection.state is ConnectionState.CLOSED

    @property
    def awaits_close(self) -> bool:
        """Return whether we have closed and the client has yet to agree."""
        closing = self.handshake.accepted and self.connection.state is ConnectionState.LOCAL_CLOSING
        return closing and not self._failed

    async def handle(self, event: Event) -> None:
        """Take what the client sent."""
        if isinstance(event, (Body, Data)):
            # A client may send frames along with its handshake. They wait until the app has accepted it,
            # and mean nothing if it didn't.
            await self._answered.wait()
            if not self.handshake.accepted:
                return
        await super().handle(event)
        if isinstance(event, Request) and self.app_put is None:
            # Refused without asking the app; nobody else would end the connection then.
            self._answered.set()
            await self.send(StreamClosed(stream_id=self.stream_id))

    async def app_send(self, message: ASGISendEvent | None) -> None:
        """Take what the app sent, None for its end."""
        if message is not None and (self.closed or self.state is ASGIWebsocketState.CLOSED):
            # A checkpoint, which hypercorn lacks here: a route that sends in a loop would never be cancelled.
            await trio.lowlevel.checkpoint()
            return
        try:
            await super().app_send(message)
        finally:
            if message is None or self.state is not ASGIWebsocketState.HANDSHAKE:
                self._answered.set()

    async def leave(self) -> None:
        """Say goodbye (1001, going away) to client and app, if the app has not done so."""
        if self.closed or self.state is not ASGIWebsocketState.CONNECTED:
            return
        self.state = ASGIWebsocketState.CLOSED
        await self._send_wsproto_event(CloseConnection(code=CloseReason.GOING_AWAY))
        await self._end(CloseReason.GOING_AWAY)

    async def _accept(self, message: WebsocketAcceptEvent) -> None:
        self.handshake.extensions = None  # hypercorn would agree to deflate
        await super()._accept(message)

    async def _handle_events(self) -> None:
        for event in self.connection.events():
            if isinstance(event, Message):
                if not await self._take(event):
                    return
            elif isinstance(event, Ping):
                await self._send_wsproto_event(event.response())
            elif isinstance(event, CloseConnection):
                # The client's close is answered; a frame that breaks the rules is what wsproto makes the
                # other kind of, with the code that we owe the client.
                state = self.connection.state
                self._failed = state is ConnectionState.OPEN
                asked = state is ConnectionState.REMOTE_CLOSING
                await self._send_wsproto_event(event.response() if asked else event)
                await self._end(event.code)
                return

    async def _take(self, event: Message[Any]) -> bool:
        """Add a part of a message; return whether there is room for more."""
        self._size += len(event.data.encode() if isinstance(event.data, str) else event.data)
        if self._size > self.config.websocket_max_message_size:
            self._failed = True
            reason = f"allowed: at most {self.config.websocket_max_message_size} bytes"
            await self._send_wsproto_event(CloseConnection(code=CloseReason.MESSAGE_TOO_BIG, reason=reason))
            # Hypercorn went on receiving, so that a message over the limit grew without end.
            await self._end(CloseReason.MESSAGE_TOO_BIG)
            return False
        self.buffer.extend(event)
        if event.message_finished:
            self._size = 0
            if self.app_put is not None:
                await self.app_put(self.buffer.to_message())
            self.buffer.clear()
        return True

    async def _end(self, code: int) -> None:
        """Tell the app why the WebSocket is over, and end the connection."""
        if self.app_put is not None:
            await self.app_put({"type": "websocket.disconnect", "code": int(code)})
        await self.send(StreamClosed(stream_id=self.stream_id))
