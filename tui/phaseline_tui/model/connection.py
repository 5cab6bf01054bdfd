"""What the links tell the rest of the program: batches of frames, and how each connection is."""

from dataclasses import dataclass, field
from enum import Enum

from phaseline_tui.model.frames import Frame

__all__ = ["Access", "Batch", "LinkState", "LinkStatus", "Pace", "Reply"]


class LinkState(Enum):
    """How the connection to a server is."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    STALE = "stale"
    """Connected, but nothing was heard for a while: what is shown may be old."""
    WAITING = "waiting"
    """Not connected; tries again by itself."""
    STOPPED = "stopped"
    """Not connected; only a key starts another attempt, because another one by itself could not go better."""


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """The connection at one moment."""

    state: LinkState
    reason: str = ""
    """Why, in words, unless all is well; while connecting: why the attempt before failed."""
    since: float = 0.0
    """When this began, monotonic seconds; of a stale link: when the server was last heard."""
    next_try: float | None = None
    """When the next attempt comes, monotonic seconds; only while waiting."""


@dataclass(frozen=True, slots=True)
class Batch:
    """All that came over one connection within one beat, in its order."""

    frames: tuple[Frame, ...]
    received: float
    """When the last of it came, monotonic seconds."""
    status: LinkStatus | None = None
    """How the connection is now, if that changed."""
    ignored: int = 0
    """Unknown messages and malformed fields among it."""
    origin: str = ""
    """The label of the connection; empty means the only one."""
    delay: float | None = None
    """Seconds from the latest ping to its pong, if one came."""
    messages: int = 0
    """How many came, those included that a newer one of the same beat replaced."""
    size: int = 0
    """Bytes of those messages."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer to an HTTP request."""

    status: int
    body: bytes
    kind: str = ""
    """Its `Content-Type`."""


@dataclass(frozen=True, slots=True)
class Access:
    """What opens the doors of servers."""

    token: str = field(default="", repr=False)
    """For every server that has none of its own in `tokens`."""
    tokens: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Pairs of host and token."""
    ca_file: str | None = None
    """Certificates to trust besides the system's; a PEM file."""

    def token_for(self, host: str) -> str:
        """Return the token for `host`; empty if there is none."""
        return dict(self.tokens).get(host, self.token)


@dataclass(frozen=True, slots=True)
class Pace:
    """The links' times, all in seconds."""

    batch: float = 0.1
    """Least time between two batches."""
    open: float = 5.0
    """Most time for each step of connecting."""
    greet: float = 10.0
    """Most time for the server's first words; one that waits for a token says after five seconds that none came."""
    login: float = 20.0
    """Most time for ssh to log in."""
    ping: float = 3.0
    """From one ping to the next, by which the delay is measured."""
    stale: float = 10.0
    """Silence after which the link is called stale."""
    dead: float = 25.0
    """Silence after which the connection is given up."""
    first_retry: float = 0.5
    last_retry: float = 10.0
    goodbye: float = 0.25
    """Most time for closing politely when the program ends."""
