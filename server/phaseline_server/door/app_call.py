"""One ASGI call of the app for a WebSocket: its `receive` and `send` functions."""

from typing import TYPE_CHECKING, Any

import trio
from hypercorn.typing import ASGIReceiveEvent, WebsocketDisconnectEvent
from wsproto.frame_protocol import CloseReason

from phaseline_server.door.handshake import Upgrade
from phaseline_server.fanout.frames import text_frame

if TYPE_CHECKING:
    from phaseline_server.door.websocket import WebSocket

__all__ = ["AppCall"]


class AppCall:
    """One call of the app, from the client's handshake until the app returns."""

    def __init__(self, socket: "WebSocket", handshake: Upgrade) -> None:
        """Create the call in which the app answers `handshake` and uses `socket`."""
        self._socket = socket
        self._handshake: Upgrade | None = handshake  # None once it is accepted
        self._connected = False  # `websocket.connect` is delivered
        self._rejected = False
        self._closed = False  # by the app
        self._unread: list[str | bytes] = []  # the latest first

    async def receive(self) -> ASGIReceiveEvent:
        """Return the next event for the app."""
        socket = self._socket
        if not self._connected:
            self._connected = True
            await trio.lowlevel.checkpoint()
            return {"type": "websocket.connect"}
        while self._handshake is not None and socket.code is None:
            await socket.wait_news()
        if self._closed:
            await socket.wait_closed()
        elif socket.is_taken_over:
            while socket.code is None:
                await socket.wait_news()
        elif self._unread or await self._receive_more():
            message = self._unread.pop()
            text, data = (message, None) if isinstance(message, str) else (None, message)
            return {"type": "websocket.receive", "bytes": data, "text": text}
        await trio.lowlevel.checkpoint()
        code = socket.code or int(CloseReason.ABNORMAL_CLOSURE)
        disconnect: WebsocketDisconnectEvent = {"type": "websocket.disconnect", "code": code}
        return disconnect

    async def _receive_more(self) -> bool:
        self._unread = (await self._socket.receive())[::-1]
        return bool(self._unread)

    async def send(self, message: Any) -> None:
        """Handle a message from the app.

        Raises:
            ValueError: ASGI does not allow this message, or not in this state.
        """
        kind = message["type"]
        if self._socket.code is not None or self._closed:
            pass  # sending after the client disconnected is not an error of the app
        elif self._handshake is not None:
            self._answer(self._handshake, kind, message)
        elif kind == "websocket.send":
            await self._send(message)
            return
        elif kind == "websocket.close":
            self._close(message)
        else:
            raise _not_allowed(kind)
        # A checkpoint, so that a route that sends in a loop can be canceled.
        await trio.lowlevel.checkpoint()

    def end(self) -> None:
        """Handle the app's return or failure; an unanswered handshake is rejected with 500."""
        if self._handshake is not None and not self._rejected:
            self._reject(self._handshake, 500)

    def _answer(self, handshake: Upgrade, kind: str, message: Any) -> None:
        """Accept or reject the handshake."""
        if kind == "websocket.accept":
            answer = handshake.accept(message.get("subprotocol"), message.get("headers", ()))
            self._handshake = None
            self._socket.begin(answer, handshake.early)
        elif kind == "websocket.close":
            self._reject(handshake, 403)
        elif kind == "websocket.http.response.start":
            self._rejected = True
            self._socket.writer.write(handshake.refuse(int(message["status"]), list(message.get("headers", ()))))
        elif kind == "websocket.http.response.body":
            more = message.get("more_body", False)
            self._socket.writer.write(handshake.body(bytes(message.get("body", b"")), last=not more))
            if not more:
                self._socket.note_end(int(CloseReason.NORMAL_CLOSURE))
        else:
            raise _not_allowed(kind)

    async def _send(self, message: Any) -> None:
        data, socket = message.get("bytes"), self._socket
        if not socket.is_open:
            await trio.lowlevel.checkpoint()
            return
        socket.writer.write(text_frame(message["text"].encode()) if data is None else socket.binary(bytes(data)))
        await socket.wait_flushed()

    def _close(self, message: Any) -> None:
        # Quart also sends a close when the call of a WebSocket that was taken over ends.
        if not self._socket.is_taken_over:
            self._socket.send_close(int(message.get("code") or 1000), message.get("reason") or "")
            self._closed = True

    def _reject(self, handshake: Upgrade, status: int) -> None:
        self._rejected = True
        head = handshake.refuse(status, [(b"content-length", b"0")])
        self._socket.writer.write(head + handshake.body(b"", last=True))
        self._socket.note_end(int(CloseReason.NORMAL_CLOSURE))


def _not_allowed(kind: str) -> ValueError:
    return ValueError(f"message type is {kind!a}; allowed: a WebSocket message that ASGI permits in this state")
