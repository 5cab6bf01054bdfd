"""Explain why a client has no connection: what failed, the value, what to do.

A server's text is untrusted: it is put on one line, truncated, and stripped of terminal control characters.
"""

import ssl
from collections.abc import Iterator
from typing import Final

import trio
import trio_websocket
import wsproto.utilities

from phaseline.client.address import Address
from phaseline.client.http import HttpRejected
from phaseline.client.token import TOKEN_ADVICE
from phaseline.protocol import GOING_AWAY, STAY_AWAY, TOO_BIG, UNAUTHORIZED
from phaseline.text import one_line

__all__ = ["blocks_websockets", "closed_by_server", "is_final", "reason_of"]

_LOST: Final = 1006  # RFC 6455: no close frame was received
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_BUSY: Final = frozenset({429, 502, 503, 504})


def reason_of(  # noqa: PLR0911 - one return per kind of error
    error: BaseException, address: Address, setting: str = "PROGRESS_URL", advice: str = TOKEN_ADVICE
) -> str:
    """Return why an attempt to connect to `address` failed, or why the connection was lost.

    Args:
        error: The error.
        address: The address.
        setting: Name of the setting with the address.
        advice: Instruction to set the token.
    """
    errors = list(_chain(error))
    for each in errors:
        if isinstance(each, ssl.SSLError):
            return _tls(each, address, setting)
    first = errors[0]
    match first:
        case trio_websocket.ConnectionClosed():
            return _closed(first, advice)
        case trio_websocket.ConnectionRejected():
            return _rejected(first, address, advice)
        case HttpRejected():
            return one_line(str(first))
        case trio.TooSlowError():
            return "the server did not answer in time"
        case wsproto.utilities.RemoteProtocolError():
            return f"{address.authority} does not speak WebSocket: {one_line(str(first))}"
        case _:
            return one_line(str(first)) or type(first).__name__


def blocks_websockets(error: BaseException) -> bool:
    """Return whether `error` suggests a proxy that answers but blocks WebSockets, so that HTTP is worth a try."""
    first = next(_chain(error))
    if isinstance(first, trio_websocket.ConnectionRejected):
        return first.status_code not in {_UNAUTHORIZED, _FORBIDDEN, *_BUSY}
    return isinstance(first, wsproto.utilities.RemoteProtocolError)


def closed_by_server(websocket: trio_websocket.WebSocketConnection) -> bool:
    """Return whether the server's close frame ended the connection, rather than ours.

    A close code means one thing in each direction: 1009 from the server rejects a frame of ours. trio-websocket [0.12]
    stores both in one place, and has this event for its own tests.
    """
    return websocket._for_testing_peer_closed_connection.is_set()  # noqa: SLF001 - there is no public way


def is_final(error: BaseException) -> bool:
    """Return whether the server asked this client not to reconnect soon."""
    first = next(_chain(error))
    reason = first.reason if isinstance(first, trio_websocket.ConnectionClosed) else None
    return reason is not None and reason.code in STAY_AWAY


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the first error in a group, then its causes."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__


def _tls(error: ssl.SSLError, address: Address, setting: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        what = one_line(error.verify_message or str(error))
        if "match" in what.lower() or "IP address" in what:
            return f"the certificate is not for {address.host}: {what}; use a name in it, in {setting}"
        return (
            f"the certificate of {address.authority} is not trusted: {what}; "
            "set SSL_CERT_FILE to the certificate, or to that of its authority"
        )
    if error.reason == "WRONG_VERSION_NUMBER":
        return f"{address.authority} does not speak TLS; use http:// in {setting}"
    return f"TLS with {address.authority} failed: {one_line(str(error.reason or error))}"


def _closed(error: trio_websocket.ConnectionClosed, advice: str) -> str:
    reason = error.reason
    if reason is None or reason.code == _LOST:
        return "the server closed the connection without a reason; it may have stopped"
    text = f": {one_line(reason.reason)}" if reason.reason else ""
    match reason.code:
        case 1001:
            return f"the server is shutting down or restarting (close code {GOING_AWAY}{text})"
        case 4501:
            return f"the server needs a valid token (close code {UNAUTHORIZED}{text}); {advice}"
        case 1009:
            return f"a message exceeds its receiver's size limit (close code {TOO_BIG}{text})"
        case code:
            return f"the server closed the connection (close code {code}{text})"


def _rejected(error: trio_websocket.ConnectionRejected, address: Address, advice: str) -> str:
    body = one_line((error.body or b"")[:2000].decode("utf-8", "replace"))
    detail = f": {body}" if body else ""
    if error.status_code == _UNAUTHORIZED:
        return f"the server needs a valid token (HTTP 401); {advice}"
    if error.status_code == _FORBIDDEN:
        return f"the server does not allow this client (HTTP 403{detail})"
    if error.status_code in _BUSY:
        return f"the server or its proxy is not available (HTTP {error.status_code}{detail})"
    return (
        f"{address.authority} answered HTTP {error.status_code} instead of opening a WebSocket{detail}; "
        "check the address, or the proxy in front of it"
    )
