"""The links' interface to the rest of the program: batches of frames, statuses of connections, settings."""

from dataclasses import dataclass
from enum import Enum

from phaseline.text import one_line
from phaseline_tui.model.decoding import decode_answer
from phaseline_tui.model.frames import Frame

__all__ = ["Batch", "LinkState", "LinkStatus", "Reply", "Timing"]


class LinkState(Enum):
    """State of the connection to a server."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    STALE = "stale"
    """Connected, but no data for a while: the jobs may be out of date."""
    WAITING = "waiting"
    """Not connected; retries automatically."""
    STOPPED = "stopped"
    """Not connected; retries only when the user asks, because an automatic retry would fail again."""
    MERGED = "merged"
    """Ended: another connection follows the same log, and uses this server if its own fails."""


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """Status of a connection at one moment."""

    state: LinkState
    reason: str = ""
    """Text of the problem, if any; while connecting, of the failed previous attempt."""
    since: float = 0.0
    """Start of this state, in monotonic seconds; for a stale link, time of the last data."""
    next_try: float | None = None
    """Time of the next attempt, in monotonic seconds; only while waiting."""
    distant: bool = False
    """Whether it is the server that is stale, because it lacks news from the leader of its log."""
    polling: bool = False
    """Whether messages come by HTTP requests, because a proxy passes no WebSockets."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The frames that one connection received within one tick, in order."""

    frames: tuple[Frame, ...]
    received: float
    """Time of the last frame, in monotonic seconds."""
    status: LinkStatus | None = None
    """New status of the connection, if it changed."""
    ignored: int = 0
    """Number of unknown messages and malformed fields."""
    origin: str = ""
    """Label of the connection; empty for the only one."""
    delay: float | None = None
    """Seconds from the last ping to its pong, if there was one."""
    messages: int = 0
    """Number of messages received, including those replaced by newer ones of the same tick."""
    size: int = 0
    """Size of those messages in bytes."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's response to an HTTP request."""

    status: int
    body: bytes
    kind: str = ""
    """Its `Content-Type`."""

    @property
    def problem(self) -> str:
        """The server's error text on one line, empty if the body has none."""
        try:
            return one_line(str(decode_answer(self.body, dict[str, object]).get("error") or ""))
        except ValueError:
            return ""


@dataclass(frozen=True, slots=True)
class Timing:
    """Time-outs and intervals of the links, in seconds."""

    batch: float = 0.1
    """Minimum time between two batches."""
    open: float = 5.0
    """Time-out for each step of connecting."""
    first_message: float = 10.0
    """Time-out for the server's first message. A server that waits for a token rejects the client after 5 s."""
    login: float = 20.0
    """Time-out for the login of ssh."""
    ping: float = 3.0
    """Interval of the pings that measure the delay."""
    stale: float = 10.0
    """Time without data after which the link is stale."""
    dead: float = 25.0
    """Time without data after which the connection is dropped."""
    first_retry: float = 0.5
    """First pause between two attempts; it doubles with each attempt, up to `last_retry`."""
    last_retry: float = 10.0
    closing: float = 0.25
    """Time-out for the closing handshake when the program ends."""
