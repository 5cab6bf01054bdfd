"""Our end of a WebSocket as a protocol: wsproto's frames made into whole messages, within bounds; no I/O."""

from typing import Any

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, TextMessage
from wsproto.frame_protocol import CloseReason

from phaseline_server.door.limits import Limits

__all__ = ["Endpoint"]


class Endpoint:
    """Speaks one WebSocket's protocol.

    Attributes:
        messages: Those that are complete; to be taken out by whoever reads.
        replies: Frames that are due to the client for what it sent; to be taken out and sent.
        close_code: The code of the close that has come, or that a broken rule asks for; None while it is open.
        failed: Whether the client broke a rule (RFC 6455 section 7.1.7), so that its close is not waited for.
    """

    __slots__ = ("_fragments", "_limits", "_parts", "_size", "_wire", "close_code", "failed", "messages", "replies")

    def __init__(self, limits: Limits) -> None:
        """Begin after the handshake. Nothing is compressed: deflate lets a small frame swell beyond any limit."""
        self._wire = Connection(ConnectionType.SERVER)
        self._limits = limits
        self._parts: list[Any] = []  # of the message that is not complete yet
        self._size = self._fragments = 0  # of the same
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
        """Whether neither side has closed."""
        return self._wire.state is ConnectionState.OPEN and not self.failed

    def feed(self, data: bytes) -> None:
        """Take what was received; look at all attributes afterwards."""
        if self.failed or self.is_closed_by_both:
            return
        self._wire.receive_data(data)
        for event in self._wire.events():
            if isinstance(event, Message):
                if not self._take(event):
                    return
            elif isinstance(event, Ping):
                if self.is_open:
                    self.replies += self._wire.send(event.response())
            elif isinstance(event, CloseConnection):
                self._closed(event)
                return

    def binary(self, data: bytes) -> bytes:
        """Return a binary message."""
        return bytes(self._wire.send(BytesMessage(data=data)))

    def ping(self) -> bytes:
        """Return a ping."""
        return bytes(self._wire.send(Ping()))

    def close(self, code: int, reason: str = "") -> bytes:
        """Return our close; nothing may be sent behind it."""
        return bytes(self._wire.send(CloseConnection(code=code, reason=reason or None)))

    def _take(self, event: Message[Any]) -> bool:
        """Add a part of a message; return whether there is room for more."""
        data = event.data
        if not self._size and event.message_finished and not self._fragments and len(data) * 4 <= self._limits.message:
            self.messages.append(data if isinstance(data, str) else bytes(data))
            return True
        # Characters of a text may have up to four bytes each.
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
            # Made of bytearrays, which keep nothing of a frame but its payload.
            self.messages.append("".join(self._parts) if isinstance(event, TextMessage) else b"".join(self._parts))
            self._parts = []
            self._size = self._fragments = 0
        return True

    def _fail(self, reason: str) -> None:
        if self.is_open:
            self.replies += self.close(CloseReason.MESSAGE_TOO_BIG, reason)
        self.failed, self.close_code = True, int(CloseReason.MESSAGE_TOO_BIG)

    def _closed(self, event: CloseConnection) -> None:
        """Take a close: the client's, its answer to ours, or what wsproto makes of a frame that breaks the rules."""
        state = self._wire.state
        self.close_code = int(event.code)
        if state is ConnectionState.REMOTE_CLOSING:
            self.replies += self._wire.send(event.response())
        elif state is ConnectionState.OPEN:
            self.replies += self._wire.send(event)
            self.failed = True
        elif state is ConnectionState.LOCAL_CLOSING:
            self.failed = True
