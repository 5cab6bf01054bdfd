"""A small HTTP/1.1 client; importing the standard library's takes as long as the rest of a command.

It sends one request at a time, and reads answers with a length, in chunks (RFC 9112, section 7.1), or up to the end of
the connection.
"""

import socket
from typing import BinaryIO, Final, Self

__all__ = ["Answer", "NotHTTP"]

_MOST_HEADERS: Final = 200
_LONGEST_LINE: Final = 65_536
_INFORMATIONAL: Final = range(100, 200)


class NotHTTP(Exception):
    """The other side closed the connection too early, or does not speak HTTP."""


class Answer:
    """An answer, whose body is yet to be read.

    Attributes:
        status: The HTTP status.
        keeps: Whether the connection can be used again once the body is read.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Read the head of an answer from `file`; raise NotHTTP or OSError."""
        self._file = file
        self.status, headers = self._head()
        while self.status in _INFORMATIONAL:
            self.status, headers = self._head()
        self._left: int | None = None  # bytes of the body, or of its chunk; None: up to the end of the connection
        self._chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        self._first = self._chunked
        if self._chunked:
            self._left = 0
        elif headers.get("content-length", "").isdecimal():
            self._left = int(headers["content-length"])
        self.keeps = self._left is not None and headers.get("connection", "").lower() != "close"
        self._buffer = bytearray()  # of `line`

    @classmethod
    def to(cls, stream: socket.socket, file: BinaryIO, head: str, body: bytes) -> Self:
        """Send a request and return its answer; `head` has the request line and the headers, without the length."""
        stream.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body)
        return cls(file)

    def _head(self) -> tuple[int, dict[str, str]]:
        version, _, rest = self._line().partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
            raise NotHTTP
        headers: dict[str, str] = {}
        for _ in range(_MOST_HEADERS):
            line = self._line()
            if not line:
                return int(rest[:3]), headers
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        raise NotHTTP

    def _line(self) -> str:
        line = self._file.readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise NotHTTP
        return line.decode("latin-1").rstrip("\r\n")

    def _some(self) -> bytes:
        """Return the next bytes of the body, b"" at its end."""
        if self._chunked and not self._left:
            if not self._first:
                self._line()
            self._first = False
            try:
                self._left = int(self._line().partition(";")[0], 16)
            except ValueError:
                raise NotHTTP from None
            if self._left == 0:
                while self._line():
                    pass
                self._chunked = False
                return b""
        if self._left == 0:
            return b""
        data: bytes = self._file.read1(_LONGEST_LINE if self._left is None else min(self._left, _LONGEST_LINE))  # type: ignore[attr-defined]
        if self._left is not None:
            if not data:
                raise NotHTTP
            self._left -= len(data)
        return data

    def read(self, most: int) -> bytes:
        """Return the rest of the body; raise NotHTTP if it has more than `most` bytes."""
        parts = []
        size = 0
        while data := self._some():
            parts.append(data)
            size += len(data)
            if size > most:
                raise NotHTTP
        return b"".join(parts)

    def line(self, most: int) -> bytes:
        """Return the next line of the body with its end; b"" at the end; raise NotHTTP if it has more than `most`."""
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            data = self._some()
            if not data:
                return b""
            self._buffer += data
            if len(self._buffer) > most:
                raise NotHTTP
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return line
