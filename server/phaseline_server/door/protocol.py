"""HTTP/1.1 within one connection: hypercorn's on h11, with nothing else to switch to.

Neither an h2c upgrade nor the preface of HTTP/2 is followed: hypercorn leaves the checked path there.
"""

import json
from typing import cast

import h11
from hypercorn.events import Closed
from hypercorn.protocol.events import Request
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol, H11WSConnection
from hypercorn.protocol.http_stream import HTTPStream

from phaseline.errors import MalformedRequest, PhaselineError, TooLarge
from phaseline_server.door.websocket import WebSocketStream, is_readable_handshake

__all__ = ["Http1Protocol"]

_HEAD_TOO_LARGE = 431
_VERSION_NOT_SUPPORTED = 505
_WHAT_IS_WRONG = {
    400: "the request is malformed; allowed: HTTP/1.1 as in RFC 9112",
    431: "the request's line and headers are too large",
    501: "the request's transfer coding is not known; allowed: chunked",
    505: "the request's version of HTTP is not spoken here; allowed: 1.0 and 1.1",
}


class Http1Protocol(H11Protocol):
    """One connection's requests, one after another."""

    async def _check_protocol(self, event: h11.Request) -> None:
        """Stay with HTTP/1.1, whatever the request asks for."""

    async def _create_stream(self, request: h11.Request) -> None:
        headers = list(request.headers)
        if not request.http_version.startswith(b"1."):
            await self._refuse(_VERSION_NOT_SUPPORTED)
            return
        upgrade = _is_websocket(request)
        # The target: hypercorn and Quart take any other form for a path, and stumble over it.
        if not request.target.startswith((b"/", b"http://", b"https://")) and request.target != b"*":
            await self._refuse(400)
            return
        if upgrade and not is_readable_handshake(headers):
            await self._refuse(400)
            return
        # This is where a connection turns into a WebSocket for the rest of its life.
        self.stream = self._new_stream(WebSocketStream if upgrade else HTTPStream)
        if upgrade:
            self.connection = H11WSConnection(cast(h11.Connection, self.connection))
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=headers,
                http_version=request.http_version.decode(),
                method=request.method.decode("ascii").upper(),
                raw_path=request.target,
                state=self.connection_state,
            )
        )
        self.keep_alive_requests += 1
        await self.context.mark_request()

    def _new_stream(self, kind: type[WebSocketStream | HTTPStream]) -> WebSocketStream | HTTPStream:
        return kind(
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

    async def _refuse(self, status: int) -> None:
        await self._send_error_response(status)
        await self.send(Closed())

    async def _send_error_response(self, status_code: int) -> None:
        kind: type[PhaselineError] = TooLarge if status_code == _HEAD_TOO_LARGE else MalformedRequest
        text = _WHAT_IS_WRONG.get(status_code, _WHAT_IS_WRONG[400])
        await self.send_error(status_code, text, kind.code)

    async def send_error(self, status: int, text: str, code: str) -> None:
        """Answer with an error in the form that every other error has, as the connection's last words."""
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


def _is_websocket(request: h11.Request) -> bool:
    """Return whether `request` asks to become a WebSocket (RFC 6455 section 4.2.1)."""
    tokens: set[bytes] = set()
    upgrade = b""
    for name, value in request.headers:
        if name == b"connection":
            tokens |= {token.strip().lower() for token in value.split(b",")}
        elif name == b"upgrade":
            upgrade = value.strip().lower()
    return request.method == b"GET" and upgrade == b"websocket" and b"upgrade" in tokens
