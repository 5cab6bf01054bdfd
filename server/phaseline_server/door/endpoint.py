"""The server side of the WebSocket protocol, without I/O: frames become messages of limited size."""

from typing import Any

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, TextMessage
from wsproto.frame_protocol import CloseReason

from phaseline_server.door.incoming import Incoming
from phaseline_server.door.limits import Limits

__all__ = ["Endpoint"]


class Endpoint:
    """The protocol state of one WebSocket.

    Attributes:
        messages: Complete messages; the reader removes them.
        replies: Frames to send in reply to the client's frames; the writer removes them.
        close_code: The code of the received close, or of the close after a protocol error; None while open.
        failed: Whether the client broke the protocol (RFC 6455 section 7.1.7); its close is not awaited then.
    """

    __slots__ = (
        "_fragments",
        "_incoming",
        "_limits",
        "_parts",
        "_size",
        "_wire",
        "close_code",
        "failed",
        "messages",
        "replies",
    )

    def __init__(self, limits: Limits) -> None:
        """Begin after the handshake. Compression is never used: a small deflated frame can expand beyond any limit."""
        self._wire = Connection(ConnectionType.SERVER)
        self._incoming = Incoming(limits.message)
        self._limits = limits
        self._parts: list[Any] = []  # of the incomplete message
        self._size = self._fragments = 0  # of the incomplete message
        self.messages: list[str | bytes] = []
        self.replies = b""
        self.close_code: int | None = None
        self.failed = False

    @property
    def is_closed_by_both(self) -> bool:
        """Whether the closing handshake is complete."""
        return self._wire.state is ConnectionState.CLOSED

    @property
    def is_open(self) -> bool:
        """Whether neither side has sent a close."""
        return self._wire.state is ConnectionState.OPEN and not self.failed

    def feed(self, data: bytes) -> None:
        """Process received data, and update the attributes."""
        if self.failed or self.is_closed_by_both:
            return
        for piece in self._incoming.cut(data):
            if isinstance(piece, str):
                self.messages.append(piece)
            elif not self._feed_wire(piece):
                return

    def _feed_wire(self, frame: bytes) -> bool:
        """Process a frame, or a part of one; return False if nothing after it may be processed."""
        self._wire.receive_data(frame)
        for event in self._wire.events():
            if isinstance(event, Message):
                if not self._take(event):
                    return False
            elif isinstance(event, Ping):
                if self.is_open:
                    self.replies += self._wire.send(event.response())
            elif isinstance(event, CloseConnection):
                self._closed(event)
                return False
        return True

    def binary(self, data: bytes) -> bytes:
        """Return the frame of a binary message."""
        return bytes(self._wire.send(BytesMessage(data=data)))

    def ping(self) -> bytes:
        """Return a ping frame."""
        return bytes(self._wire.send(Ping()))

    def close(self, code: int, reason: str = "") -> bytes:
        """Return a close frame. Nothing may be sent after it."""
        return bytes(self._wire.send(CloseConnection(code=code, reason=reason or None)))

    def _take(self, event: Message[Any]) -> bool:
        """Add a part of a message; return False if the message is over a limit."""
        data = event.data
        if not self._size and event.message_finished and not self._fragments and len(data) * 4 <= self._limits.message:
            self.messages.append(data if isinstance(data, str) else bytes(data))
            return True
        # A character has up to four bytes in UTF-8.
        self._size += len(data.encode()) if isinstance(data, str) and not data.isascii() else len(data)
        self._fragments += event.frame_finished
        if self._size > self._limits.message:
            self._fail(f"allowed: at most {self._limits.message} bytes")
            return False
        if self._fragments > self._limits.fragments:
            self._fail(f"allowed: at most {self._limits.fragments} fragments")
            return False
        self._parts.append(data)
        if event.message_finished:
            # The parts are bytearrays of payload only, so no frame stays in memory.
            self.messages.append("".join(self._parts) if isinstance(event, TextMessage) else b"".join(self._parts))
            self._parts = []
            self._size = self._fragments = 0
        return True

    def _fail(self, reason: str) -> None:
        if self.is_open:
            self.replies += self.close(CloseReason.MESSAGE_TOO_BIG, reason)
        self.failed, self.close_code = True, int(CloseReason.MESSAGE_TOO_BIG)

    def _closed(self, event: CloseConnection) -> None:
        """Handle a close: the client's own, its reply to ours, or the one by which wsproto reports a bad frame."""
        state = self._wire.state
        self.close_code = int(event.code)
        if state is ConnectionState.REMOTE_CLOSING:
            self.replies += self._wire.send(event.response())
        elif state is ConnectionState.OPEN:
            self.replies += self._wire.send(event)
            self.failed = True
        elif state is ConnectionState.LOCAL_CLOSING:
            self.failed = True
