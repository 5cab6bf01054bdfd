"""What the link tells the rest of the program: batches of frames, and how the connection is."""

from dataclasses import dataclass
from enum import Enum

from phaseline_tui.frames import Frame

__all__ = ["Batch", "LinkState", "LinkStatus", "Pace"]


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
    """All that came within one beat, in its order."""

    frames: tuple[Frame, ...]
    received: float
    """When the last of it came, monotonic seconds."""
    status: LinkStatus | None = None
    """How the connection is now, if that changed."""
    ignored: int = 0
    """Unknown messages and malformed fields among it."""
    origin: str = ""
    """The label of the connection; empty means the only one."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The link's times, all in seconds."""

    batch: float = 0.1
    """Least time between two batches."""
    open: float = 5.0
    """Most time for each step of connecting."""
    quiet: float = 3.0
    """Silence after which a ping is sent."""
    stale: float = 10.0
    """Silence after which the link is called stale."""
    dead: float = 25.0
    """Silence after which the connection is given up."""
    first_retry: float = 0.5
    last_retry: float = 10.0
    goodbye: float = 0.25
    """Most time for closing politely when the program ends."""
