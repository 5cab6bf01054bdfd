"""Why a connection failed, in words: what happened, and what to do about it."""

import errno
import socket
import ssl
from collections.abc import Iterator
from typing import Final

from phaseline.errors import shown
from phaseline.protocol import COME_BACK, GOING_AWAY, PROTOCOL, SLOW, STAY_AWAY, TOO_BIG
from phaseline_tui.model.address import ServerAddress

__all__ = [
    "Ended",
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
    GOING_AWAY: "it is going away",
    1006: "without a word",
    TOO_BIG: "a message was too large",
    1011: "it had an internal error",
    1012: "it is restarting",
    SLOW: "this terminal did not keep up",
}
_NOT_FOUND: Final = frozenset({200, 404, 405, 426})
_REFUSED_TOKEN: Final = frozenset({401, 403})


class Ended(Exception):
    """A connection ended, or never began. The text says why."""

    def __init__(self, reason: str, *, final: bool = False, soon: bool = False) -> None:
        """Give the `reason` in words.

        Args:
            reason: for people.
            final: whether trying again by itself is pointless.
            soon: whether the server asked to come back.
        """
        super().__init__(reason)
        self.reason = reason
        self.final = final
        self.soon = soon


def unreachable(server: ServerAddress, error: OSError) -> Ended:
    """Say why no connection to `server` came about."""
    causes = list(_causes(error))
    numbers = {cause.errno for cause in causes}
    words = next((_special(server, cause) for cause in causes if _special(server, cause)), None)
    if words is None and errno.ECONNREFUSED in numbers:
        words = f"no server at {server.url}: start one with progress-server"
    elif words is None and numbers & {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}:
        words = f"no way to {server.host}: check the network"
    elif words is None and errno.ETIMEDOUT in numbers:
        return silent(server)
    said = next((cause.strerror for cause in causes if cause.strerror), None) or "connection failed"
    return Ended(words or f"{server.url}: {said.lower()}")


def _special(server: ServerAddress, error: OSError) -> str | None:
    """Say what TLS or the name service complains about; None for any other error."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: the certificate of {server.authority} is not trusted: {shown(error.verify_message)[1:-1]}"
    if isinstance(error, ssl.SSLError):
        what = (error.reason or "handshake failed").replace("_", " ").lower()
        return f"TLS: {server.authority} does not answer in TLS ({what}); is it http://{server.authority}?"
    if isinstance(error, socket.gaierror):
        return f"DNS: the name {server.host} is not known; check the spelling and the network"
    return None


def silent(server: ServerAddress) -> Ended:
    """Say that nobody answered the attempt to connect."""
    return Ended(f"{server.authority} does not answer; is a firewall between?")


def rejected(server: ServerAddress, status: int, *, token: bool = False, kept_back: bool = False) -> Ended:
    """Say that the WebSocket handshake was answered with an HTTP `status`.

    Args:
        server: who answered.
        status: of the answer.
        token: whether a token was shown.
        kept_back: whether one was there, but not shown because others could have read it.
    """
    if status in _REFUSED_TOKEN:
        return refused(server, f"HTTP {status}", token=token, kept_back=kept_back)
    if status in _NOT_FOUND:
        return Ended(f"not a Phaseline server at {server.url}: {server.path} answers HTTP {status}")
    return Ended(f"{server.url} answers HTTP {status}")


def refused(server: ServerAddress, said: str, *, token: bool, kept_back: bool = False) -> Ended:
    """Say that the server lets nobody in with this token, or without one; for the arguments see `rejected`."""
    if kept_back:
        advice = "the token was not sent, because http:// is open to all on the way: use https:// or ssh://"
    elif token:
        advice = "it does not take this token: set PROGRESS_TOKEN to another, or write it to ~/.config/phaseline/token"
    else:
        advice = "it asks for a token: set PROGRESS_TOKEN, or write it to ~/.config/phaseline/token (mode 0600)"
    return Ended(f"{server.url} refuses this terminal ({shown(said)[1:-1]}); {advice}", final=True)


def not_phaseline(server: ServerAddress, what: str) -> Ended:
    """Say that something else listens there."""
    return Ended(f"not a Phaseline server at {server.url}: {what}")


def broken(server: ServerAddress, group: BaseException) -> Ended:
    """Say that the server broke the rules of WebSocket in a way that has no better name."""
    error = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return Ended(f"{server.url} does not speak WebSocket properly ({type(error).__name__}: {shown(str(error))[1:-1]})")


def broken_http(server: ServerAddress, error: BaseException) -> Ended:
    """Say that an HTTP request came to no good end."""
    return Ended(f"{server.url} did not answer properly ({type(error).__name__}: {shown(str(error))[1:-1]})")


def wrong_protocol(server: ServerAddress, protocol: int) -> Ended:
    """Say which side is too old."""
    older = "this progress-tui is too old: update it" if protocol > PROTOCOL else "the server is too old: update it"
    return Ended(f"{server.url} speaks protocol {protocol}, this program {PROTOCOL}; {older}", final=True)


def closed(server: ServerAddress, code: int, text: str | None) -> Ended:
    """Say how the server closed an open connection."""
    words = _CLOSE_WORDS.get(code, shown(text)[1:-1] if text else "")
    number = "" if code in {1000, 1006} else f" ({code})"
    reason = f"{server.url} closed the connection{number}" + (f": {words}" if words else "")
    return Ended(reason, final=code in STAY_AWAY, soon=code in COME_BACK)


def _causes(error: BaseException | None) -> Iterator[OSError]:
    """Yield every OSError at or under `error`."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _causes(each)
    elif error is not None:
        if isinstance(error, OSError):
            yield error
        yield from _causes(error.__cause__)
