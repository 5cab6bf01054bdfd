"""HTTP/1.1 in one connection: hypercorn's h11 protocol, without switching to another protocol.

An h2c upgrade and the preface of HTTP/2 are ignored, because hypercorn would leave the guarded code there.
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

from phaseline.errors import PhaselineError, TooLarge
from phaseline_server.door.handshake import Upgrade, is_upgrade
from phaseline_server.door.target import in_origin_form
from phaseline_server.errors import MalformedRequest

__all__ = ["Http1Protocol"]

_HEAD_TOO_LARGE = 431
_VERSION_NOT_SUPPORTED = 505
_ERROR_TEXTS = {
    400: "the request is malformed; allowed: HTTP/1.1 as in RFC 9112",
    408: "the request head was not received in time; send it without pauses",
    431: "the request line and headers are too large; send fewer or shorter headers",
    501: "the request's transfer coding is not supported; allowed: chunked",
    505: "the request's HTTP version is not supported; allowed: 1.0 and 1.1",
}


class _HttpStream(HTTPStream):
    """One request and its response."""

    async def app_send(self, message: ASGISendEvent | None) -> None:
        """Handle a message of the app; None when the app has returned."""
        if message is not None and self.closed:
            # A checkpoint, so that an app that sends an endless response to a closed stream can be canceled.
            await trio.lowlevel.checkpoint()
            return
        await super().app_send(message)


class Http1Protocol(H11Protocol):
    """The requests of one connection, in sequence."""

    def __init__(self, refused: Counter[int], *args: Any) -> None:
        """Create the protocol.

        Args:
            refused: Counter of the requests rejected here, by status.
            args: Hypercorn's arguments.
        """
        super().__init__(*args)
        self._refused = refused
        self.upgrade: Upgrade | None = None
        """The handshake with which the connection becomes a WebSocket."""
        self._held = b""  # the head of a response, to be sent in one write with its body
        self.connection = _Parser(h11.SERVER, max_incomplete_event_size=self.config.h11_max_incomplete_size)

    @property
    def has_more(self) -> bool:
        """Whether a part of the next request has been received."""
        return bool(self.connection.trailing_data[0])

    async def _check_protocol(self, event: h11.Request) -> None:
        """Stay with HTTP/1.1, even if the request asks for another protocol."""

    async def _create_stream(self, request: h11.Request) -> None:
        if not request.http_version.startswith(b"1."):
            await self.refuse(_VERSION_NOT_SUPPORTED)
            return
        # Request smuggling: a proxy may have used the other one of the two lengths (RFC 9112 section 6.3).
        if {name for name, _ in request.headers} >= {b"content-length", b"transfer-encoding"}:
            await self.refuse(400)
            return
        if cast(_Parser, self.connection).head_size > self.config.h11_max_incomplete_size:
            await self.refuse(_HEAD_TOO_LARGE)
            return
        found = in_origin_form(request)
        if found is None:
            await self.refuse(400)
            return
        request = found
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
        """Send an event, but hold back the head of a response of known length, to send it with the body at hand."""
        if isinstance(event, h11.Response) and self.connection.their_state is h11.SEND_BODY:
            # The request body is incomplete, so the connection ends with this response. Without the header, the client
            # may send its next request before it sees the end.
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
        """Send an error response and end the connection."""
        await self._send_error_response(status)
        await self.send(Closed())

    async def _send_error_response(self, status_code: int) -> None:
        kind: type[PhaselineError] = TooLarge if status_code == _HEAD_TOO_LARGE else MalformedRequest
        text = _ERROR_TEXTS.get(status_code, _ERROR_TEXTS[400])
        await self.send_error(status_code, text, kind.code)

    async def send_error(self, status: int, text: str, code: str) -> None:
        """Send an error response in the common JSON format, as the last response of the connection."""
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
    """h11's parser, which also measures each request's head, and ignores data after the client's last request.

    h11 limits only incomplete heads. For data after the last request, it raises an error at once, before that request
    is answered; old clients send an empty line there.

    Attributes:
        head_size: The size of the latest request's line and headers, in bytes.
    """

    head_size = 0

    def receive_data(self, data: bytes) -> None:
        """Add data from the client; empty at its end."""
        if not data or self.their_state is not h11.MUST_CLOSE:
            super().receive_data(data)

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next event in the client's data."""
        if self.their_state is h11.MUST_CLOSE and self.trailing_data[0]:
            return h11.NEED_DATA
        before = len(self.trailing_data[0]) if self.their_state is h11.IDLE else 0
        event = super().next_event()
        if isinstance(event, h11.Request):
            self.head_size = before - len(self.trailing_data[0])
        return event
