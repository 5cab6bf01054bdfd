"""Requests by HTTP/1.1 over a connection that stays open, for clients behind a proxy that blocks WebSockets."""

from collections.abc import Awaitable, Callable

import h11
import msgspec
import trio

__all__ = ["HttpConnection", "HttpRejected", "Stream"]

Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]

_CHUNK = 65_536


class HttpRejected(Exception):
    """The server answered a request with an error status.

    Attributes:
        status: The HTTP status.
        code: The stable code of the error, or "".
        text: The error text.
    """

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(f"HTTP {status}: {text}")
        self.status = status
        self.code = code
        self.text = text


class _Failure(msgspec.Struct):
    error: str = ""
    code: str = ""


_failures = msgspec.json.Decoder(_Failure)


class HttpConnection:
    """A connection to a server for one request at a time; it is opened again when the other side has closed it."""

    def __init__(
        self,
        authority: str,
        base: str,
        token: str | None,
        connect: Callable[[], Awaitable[Stream]],
        most: int = 2**22,
    ) -> None:
        """Prepare requests.

        Args:
            authority: Server's `host:port`.
            base: Path prefix of its URLs, without a slash at the end.
            token: Token to send, if any.
            connect: Opens a stream to the server.
            most: Maximum size of an answer in bytes.
        """
        self._base = base
        self._most = most
        self._headers = [("Host", authority), ("Content-Type", "application/json")]
        if token:
            self._headers.append(("Authorization", f"Bearer {token}"))
        self._connect = connect
        self._stream: Stream | None = None
        self._http = h11.Connection(h11.CLIENT)

    async def get(self, path: str) -> bytes:
        """Return the body of the answer to a GET request; for the errors see `post`."""
        return await self._send("GET", path, b"")

    async def post(self, path: str, body: bytes) -> bytes:
        """Send a POST request and return the body of the answer. A request may be sent twice, so it must be idempotent.

        Raises:
            HttpRejected: The answer has an error status.
            h11.RemoteProtocolError: The answer is not HTTP.
            trio.BrokenResourceError: The connection was lost.
        """
        return await self._send("POST", path, body)

    async def _send(self, method: str, path: str, body: bytes) -> bytes:
        reused = self._stream is not None
        try:
            return await self._request(method, path, body)
        except (h11.RemoteProtocolError, trio.BrokenResourceError):
            await self.aclose()
            if not reused:  # otherwise the other side closed the idle connection
                raise
            return await self._request(method, path, body)

    async def _request(self, method: str, path: str, body: bytes) -> bytes:
        if self._stream is None:
            self._stream, self._http = await self._connect(), h11.Connection(h11.CLIENT)
        headers = [*self._headers, ("Content-Length", str(len(body)))]
        request = h11.Request(method=method, target=f"{self._base}{path}", headers=headers)
        parts = (self._http.send(request), self._http.send(h11.Data(body)), self._http.send(h11.EndOfMessage()))
        await self._stream.send_all(b"".join(part for part in parts if part))
        status, answer = await self._answer(self._stream)
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            await self.aclose()
        if status >= 400:  # noqa: PLR2004 - an error status
            raise _rejected(status, answer)
        return answer

    async def _answer(self, stream: Stream) -> tuple[int, bytes]:
        status, body = 0, bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(bytes(await stream.receive_some(_CHUNK)))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > self._most:
                    raise h11.RemoteProtocolError(f"the answer has more than {self._most} bytes")
            elif isinstance(event, h11.EndOfMessage):
                return status, bytes(body)
            elif isinstance(event, h11.ConnectionClosed):
                raise h11.RemoteProtocolError("the connection was closed before the answer")

    async def aclose(self) -> None:
        """Close the connection; the next request opens another."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await trio.aclose_forcefully(stream)


def _rejected(status: int, body: bytes) -> HttpRejected:
    try:
        failure = _failures.decode(body)
    except msgspec.MsgspecError:
        failure = _Failure()
    return HttpRejected(status, failure.code, failure.error or "no Phaseline server answered")
