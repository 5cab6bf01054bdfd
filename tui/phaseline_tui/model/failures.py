"""Error texts for failed connections: what failed, and what to do about it."""

import errno
import socket
import ssl
from collections.abc import Iterator
from typing import Final

from phaseline.errors import shown
from phaseline.protocol import COME_BACK, GOING_AWAY, PROTOCOL, SLOW, STAY_AWAY, TOO_BIG
from phaseline_tui.model.address import ServerAddress

__all__ = [
    "LinkError",
    "broken",
    "broken_http",
    "closed",
    "not_phaseline",
    "refused",
    "rejected",
    "silent",
    "unreachable",
    "wrong_protocol",
]

_CLOSE_WORDS: Final = {
    1000: "",
    GOING_AWAY: "the server is shutting down",
    1006: "no close frame was received",
    TOO_BIG: "a message was too large",
    1011: "internal server error",
    1012: "the server is restarting",
    SLOW: "this client read too slowly",
}
_NOT_FOUND: Final = frozenset({200, 404, 405, 426})
_REFUSED_TOKEN: Final = frozenset({401, 403})


class LinkError(Exception):
    """A connection ended or could not be opened. The text gives the reason."""

    def __init__(self, reason: str, *, final: bool = False, soon: bool = False) -> None:
        """Store the reason and how to retry.

        Args:
            reason: Text for the user.
            final: Whether an automatic retry is pointless.
            soon: Whether the server asked the client to reconnect.
        """
        super().__init__(reason)
        self.reason = reason
        self.final = final
        self.soon = soon


def unreachable(server: ServerAddress, error: OSError) -> LinkError:
    """Return the error for an attempt to connect that failed with `error`."""
    causes = list(_causes(error))
    numbers = {cause.errno for cause in causes}
    words = next((_special(server, cause) for cause in causes if _special(server, cause)), None)
    if words is None and errno.ECONNREFUSED in numbers:
        words = f"no server at {server.url}: start one with progress-server"
    elif words is None and numbers & {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}:
        words = f"no route to {server.host}: check the network"
    elif words is None and errno.ETIMEDOUT in numbers:
        return silent(server)
    text = next((cause.strerror for cause in causes if cause.strerror), None) or "connection failed"
    return LinkError(words or f"{server.url}: {text.lower()}")


def _special(server: ServerAddress, error: OSError) -> str | None:
    """Return the text for an error of TLS or DNS; None for any other error."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: the certificate of {server.authority} is not trusted: {shown(error.verify_message)[1:-1]}"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "handshake failed").replace("_", " ").lower()
        return f"TLS: {server.authority} does not use TLS ({reason}); try http://{server.authority}"
    if isinstance(error, socket.gaierror):
        return f"DNS: host name {server.host} not found; check the spelling and the network"
    return None


def silent(server: ServerAddress) -> LinkError:
    """Return the error for a connect time-out."""
    return LinkError(f"{server.authority} does not answer: check the address and the firewall")


def rejected(server: ServerAddress, status: int, *, token: bool = False, withheld: bool = False) -> LinkError:
    """Return the error for a WebSocket handshake that was answered with an HTTP error.

    Args:
        server: Server that answered.
        status: HTTP status of the response.
        token: Whether a token was sent.
        withheld: Whether a token exists but was not sent, because the connection is not encrypted.
    """
    if status in _REFUSED_TOKEN:
        return refused(server, f"HTTP {status}", token=token, withheld=withheld)
    if status in _NOT_FOUND:
        return LinkError(f"not a Phaseline server at {server.url}: {server.path} returned HTTP {status}")
    return LinkError(f"{server.url} returned HTTP {status}")


def refused(server: ServerAddress, problem: str, *, token: bool, withheld: bool = False) -> LinkError:
    """Return the error for a token that is invalid or missing; for the other arguments see `rejected`."""
    if withheld:
        advice = "the token was not sent, because http:// is not encrypted; use https:// or ssh://"
    elif token:
        advice = "the token is not valid; set PROGRESS_TOKEN to another, or write it to ~/.config/phaseline/token"
    else:
        advice = "a token is required; set PROGRESS_TOKEN, or write it to ~/.config/phaseline/token (mode 0600)"
    problem = problem.partition(";")[0]  # the rest is advice for other clients
    return LinkError(f"{server.url} denied access ({shown(problem)[1:-1]}): {advice}", final=True)


def not_phaseline(server: ServerAddress, reason: str) -> LinkError:
    """Return the error for a server that is not Phaseline."""
    return LinkError(f"not a Phaseline server at {server.url}: {reason}")


def broken(server: ServerAddress, group: BaseException) -> LinkError:
    """Return the error for a violation of the WebSocket protocol that has no more specific error."""
    error = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return LinkError(
        f"{server.url} violated the WebSocket protocol ({type(error).__name__}: {shown(str(error))[1:-1]})"
    )


def broken_http(server: ServerAddress, error: BaseException) -> LinkError:
    """Return the error for an HTTP request that failed."""
    return LinkError(f"HTTP request to {server.url} failed ({type(error).__name__}: {shown(str(error))[1:-1]})")


def wrong_protocol(server: ServerAddress, protocol: int) -> LinkError:
    """Return the error for a server with another protocol version."""
    older = "progress-tui" if protocol > PROTOCOL else "the server"
    return LinkError(f"{server.url} uses protocol {protocol}, progress-tui uses {PROTOCOL}; update {older}", final=True)


def closed(server: ServerAddress, code: int, text: str | None) -> LinkError:
    """Return the error for an open connection that the server closed."""
    words = _CLOSE_WORDS.get(code, shown(text)[1:-1] if text else "")
    number = "" if code in {1000, 1006} else f" ({code})"
    reason = f"{server.url} closed the connection{number}" + (f": {words}" if words else "")
    return LinkError(reason, final=code in STAY_AWAY, soon=code in COME_BACK)


def _causes(error: BaseException | None) -> Iterator[OSError]:
    """Yield every OSError in `error`, its group and its causes."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _causes(each)
    elif error is not None:
        if isinstance(error, OSError):
            yield error
        yield from _causes(error.__cause__)
