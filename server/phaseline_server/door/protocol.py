"""HTTP/1.1 within one connection: hypercorn's on h11, with nothing else to switch to.

Neither an h2c upgrade nor the preface of HTTP/2 is followed: hypercorn leaves the checked path there.
"""

import json
from collections import Counter
from typing import Any, cast

import h11
import trio
from hypercorn.events import Closed, RawData
from hypercorn.protocol.events import Request
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.typing import ASGISendEvent, H11SendableEvent

from phaseline.errors import MalformedRequest, PhaselineError, TooLarge
from phaseline_server.door.handshake import Upgrade, is_upgrade

__all__ = ["Http1Protocol"]

_HEAD_TOO_LARGE = 431
_VERSION_NOT_SUPPORTED = 505
_WHAT_IS_WRONG = {
    400: "the request is malformed; allowed: HTTP/1.1 as in RFC 9112",
    408: "the request's head was not there in time; send it at once",
    431: "the request's line and headers are too large",
    501: "the request's transfer coding is not known; allowed: chunked",
    505: "the request's version of HTTP is not spoken here; allowed: 1.0 and 1.1",
}


class _HttpStream(HTTPStream):
    """One request and its answer."""

    async def app_send(self, message: ASGISendEvent | None) -> None:
        """Take what the app sent, None for its end."""
        if message is not None and self.closed:
            # A checkpoint, lest an answer without end that nobody waits for be sent in a loop that can't be cancelled.
            await trio.lowlevel.checkpoint()
            return
        await super().app_send(message)


class Http1Protocol(H11Protocol):
    """One connection's requests, one after another."""

    def __init__(self, refused: Counter[int], *args: Any) -> None:
        """Count in `refused` what is answered with an error here, by status; the rest is hypercorn's."""
        super().__init__(*args)
        self._refused = refused
        self.upgrade: Upgrade | None = None
        """This is where a connection turns into a WebSocket for the rest of its life."""
        self._held = b""  # the head of an answer, to leave in one write with its body
        self.connection = _Parser(h11.SERVER, max_incomplete_event_size=self.config.h11_max_incomplete_size)

    @property
    def has_more(self) -> bool:
        """Return whether the client has sent something of its next request."""
        return bool(self.connection.trailing_data[0])

    async def _check_protocol(self, event: h11.Request) -> None:
        """Stay with HTTP/1.1, whatever the request asks for."""

    async def _create_stream(self, request: h11.Request) -> None:
        if not request.http_version.startswith(b"1."):
            await self.refuse(_VERSION_NOT_SUPPORTED)
            return
        # Two lengths, of which another server in between may have believed the other (RFC 9112 section 6.3).
        if {name for name, _ in request.headers} >= {b"content-length", b"transfer-encoding"}:
            await self.refuse(400)
            return
        # The target: hypercorn and Quart take any other form for a path, and stumble over it.
        if not request.target.startswith((b"/", b"http://", b"https://")) and request.target != b"*":
            await self.refuse(400)
            return
        if is_upgrade(request):
            if not Upgrade.is_valid(request):
                await self.refuse(400)
                return
            self.upgrade = Upgrade(request, cast(h11.Connection, self.connection), self.config.response_headers("h11"))
            return
        self.stream = self._new_stream()
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=list(request.headers),
                http_version=request.http_version.decode(),
                method=request.method.decode("ascii").upper(),
                raw_path=request.target,
                state=self.connection_state,
            )
        )
        self.keep_alive_requests += 1
        await self.context.mark_request()

    def _new_stream(self) -> _HttpStream:
        return _HttpStream(
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )

    async def _send_h11_event(self, event: H11SendableEvent) -> None:
        """Send, but the head of an answer whose length is known only with what follows: that is at hand."""
        if isinstance(event, h11.Response) and self.connection.their_state is h11.SEND_BODY:
            # The body has not come whole, so the connection ends with this answer. A client that is not told so may
            # send its next request on it before it sees the end.
            event = h11.Response(status_code=event.status_code, headers=[*event.headers, (b"connection", b"close")])
        try:
            data = bytes(self.connection.send(event) or b"")
        except h11.LocalProtocolError:
            if self.connection.their_state is not h11.ERROR:
                raise
            return
        data, self._held = self._held + data, b""
        if isinstance(event, h11.Response) and any(name == b"content-length" for name, _ in event.headers):
            self._held = data
        elif data:
            await self.send(RawData(data=data))

    async def refuse(self, status: int) -> None:
        """Answer with an error, and end the connection."""
        await self._send_error_response(status)
        await self.send(Closed())

    async def _send_error_response(self, status_code: int) -> None:
        kind: type[PhaselineError] = TooLarge if status_code == _HEAD_TOO_LARGE else MalformedRequest
        text = _WHAT_IS_WRONG.get(status_code, _WHAT_IS_WRONG[400])
        await self.send_error(status_code, text, kind.code)

    async def send_error(self, status: int, text: str, code: str) -> None:
        """Answer with an error in the form that every other error has, as the connection's last words."""
        self._refused[status] += 1
        body = json.dumps({"success": False, "error": text, "code": code}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            *self.config.response_headers("h11"),
        ]
        await self._send_h11_event(h11.Response(status_code=status, headers=headers))
        await self._send_h11_event(h11.Data(data=body))
        await self._send_h11_event(h11.EndOfMessage())


class _Parser(h11.Connection):
    """h11, except that what follows the client's last request is passed over.

    h11 makes it an error at once, before that request has been answered. Old clients send an empty line there.
    """

    def receive_data(self, data: bytes) -> None:
        """Take what the client sent, empty for its end."""
        if not data or self.their_state is not h11.MUST_CLOSE:
            super().receive_data(data)

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next event of what the client sent."""
        if self.their_state is h11.MUST_CLOSE and self.trailing_data[0]:
            return h11.NEED_DATA
        return super().next_event()
