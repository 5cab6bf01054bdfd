"""A reporter on a plain socket: WebSocket frames made by hand, so that the load costs little."""

import json
import socket
from typing import Any

_UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
_TEXT = 0x81  # a whole text frame
_MASKED = 0x80
_KEY = bytes(4)  # which changes nothing


def frame(document: bytes) -> bytes:
    """Return a client's frame around a text of less than 64 KiB."""
    size = len(document)
    length = bytes([_MASKED | size]) if size < 126 else bytes([_MASKED | 126]) + size.to_bytes(2, "big")
    return bytes([_TEXT]) + length + _KEY + document


class RawReporter:
    """One connection that asked for acks.

    Attributes:
        socket: The connection itself.
    """

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pending = b""
        self.socket.sendall(_UPGRADE)
        while b"\r\n\r\n" not in self._pending:
            self._receive_some()
        head, _, self._pending = self._pending.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        self.send([{"type": "register", "client_type": "torture", "acks": True}])
        received: list[dict[str, Any]] = []
        while len(received) < 2:
            received += self.receive()
        assert [entry["type"] for entry in received] == ["connection_established", "registration_confirmed"], received

    def _receive(self) -> bool:
        """Return whether there was more."""
        more = self.socket.recv(2**16)
        self._pending += more
        return bool(more)

    def _receive_some(self) -> None:
        if not self._receive():
            raise ConnectionResetError("the server hung up")

    def send(self, messages: list[dict[str, Any]]) -> None:
        """Send messages, one to a frame, all at once."""
        if messages:
            self.socket.sendall(b"".join(frame(json.dumps(message).encode()) for message in messages))

    def receive(self) -> list[dict[str, Any]]:
        """Wait for data, and return the received messages; raise ConnectionError if there is none."""
        self._receive_some()
        return self._frames()

    def rest(self) -> list[dict[str, Any]]:
        """Return all remaining messages of a killed server."""
        try:
            while self._receive():
                pass
        except ConnectionError:
            pass
        return self._frames()

    def _frames(self) -> list[dict[str, Any]]:
        found, start, data = [], 0, self._pending
        while len(data) >= start + 4:
            size, body = data[start + 1], start + 2
            if size == 126:
                size, body = int.from_bytes(data[body : body + 2], "big"), body + 2
            if len(data) < body + size:
                break
            assert data[start] == _TEXT, data[start]
            found.append(json.loads(data[body : body + size]))
            start = body + size
        self._pending = data[start:]
        return found

    def close(self) -> None:
        self.socket.close()
