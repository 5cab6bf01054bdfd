"""The opening handshake of a WebSocket (RFC 6455 section 4.2): the request, its ASGI scope and the responses."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast
from urllib.parse import unquote

import h11
from hypercorn.typing import LifespanState, WebsocketScope
from hypercorn.utils import build_and_validate_headers
from wsproto.handshake import WEBSOCKET_VERSION
from wsproto.utilities import generate_accept_token, split_comma_header

__all__ = ["Upgrade", "is_upgrade"]

Headers = Sequence[tuple[bytes, bytes]]
Address = tuple[str, int] | None


class Ends(NamedTuple):
    """The addresses of both ends of a connection, and whether it uses TLS."""

    client: Address
    server: Address
    secure: bool = False


class Upgrade:
    """A client's request to open a WebSocket.

    Attributes:
        early: Data that the client sent directly after the request.
    """

    def __init__(self, request: h11.Request, connection: h11.Connection, common: Headers) -> None:
        """Prepare responses to `request` on `connection`, each with the headers `common`."""
        self._request = request
        self._connection = connection
        self._common = list(common)
        self.early = bytes(connection.trailing_data[0])
        self._refusal: tuple[int, Headers] | None = None

    @staticmethod
    def is_valid(request: h11.Request) -> bool:
        """Return whether the handshake is complete and well-formed."""
        found: dict[bytes, bytes] = {}
        for name, value in request.headers:
            if name in {b"content-length", b"transfer-encoding"}:
                return False  # request smuggling: its body would be frames to us, but a request to a proxy
            if name in {b"connection", b"upgrade"} or name.startswith(b"sec-websocket-"):
                if not value.isascii():
                    return False
                found[name] = value
        version, key = found.get(b"sec-websocket-version"), found.get(b"sec-websocket-key")
        return request.http_version == b"1.1" and version == WEBSOCKET_VERSION and bool(key)

    def scope(
        self,
        *,
        client: Address,
        server: Address,
        state: LifespanState,
        extensions: dict[str, Any],
        secure: bool = False,
    ) -> WebsocketScope:
        """Return the ASGI scope."""
        path, _, query = self._request.target.partition(b"?")
        return cast(
            WebsocketScope,
            {
                "type": "websocket",
                "asgi": {"spec_version": "2.3", "version": "3.0"},
                "scheme": "wss" if secure else "ws",
                "http_version": "1.1",
                "path": unquote(path.decode("ascii")),
                "raw_path": path,
                "query_string": query,
                "root_path": "",
                "headers": list(self._request.headers),
                "client": client,
                "server": server,
                "state": state.copy(),
                "subprotocols": self._subprotocols(),
                "extensions": {"websocket.http.response": {}, **extensions},
            },
        )

    def _subprotocols(self) -> list[str]:
        return [
            each
            for name, value in self._request.headers
            if name == b"sec-websocket-protocol"
            for each in split_comma_header(value)
        ]

    def accept(self, subprotocol: str | None, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Return the response that opens the WebSocket.

        Raises:
            ValueError: The client did not offer `subprotocol`.
        """
        key = dict(self._request.headers)[b"sec-websocket-key"]
        answer = [
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade"),
            (b"sec-websocket-accept", generate_accept_token(key)),
        ]
        if subprotocol is not None:
            offered = self._subprotocols()
            if subprotocol not in offered:
                raise ValueError(f"subprotocol is {subprotocol!r}; allowed: one that the client offered, of {offered}")
            answer.append((b"sec-websocket-protocol", subprotocol.encode("ascii")))
        answer += [*build_and_validate_headers(headers), *self._common]
        return self._encode(h11.InformationalResponse(status_code=101, headers=answer))

    def refuse(self, status: int, headers: Headers = ()) -> bytes:
        """Return the head of a response that rejects the handshake; its body follows."""
        head = [*build_and_validate_headers(headers), (b"connection", b"close"), *self._common]
        return self._encode(h11.Response(status_code=status, headers=head))

    def body(self, data: bytes, *, last: bool) -> bytes:
        """Return a part of the body of a rejecting response."""
        return self._encode(h11.Data(data=data)) + (self._encode(h11.EndOfMessage()) if last else b"")

    def _encode(self, event: h11.Event) -> bytes:
        return self._connection.send(event) or b""


def is_upgrade(request: h11.Request) -> bool:
    """Return whether `request` asks to become a WebSocket (RFC 6455 section 4.2.1)."""
    tokens: set[bytes] = set()
    upgrade = b""
    for name, value in request.headers:
        if name == b"connection":
            tokens |= {token.strip().lower() for token in value.split(b",")}
        elif name == b"upgrade":
            upgrade = value.strip().lower()
    return request.method == b"GET" and upgrade == b"websocket" and b"upgrade" in tokens
