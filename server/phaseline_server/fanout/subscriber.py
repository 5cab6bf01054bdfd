"""The base class of subscribers: channels, permissions and the end of a subscription."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

from phaseline.stream import Message
from phaseline_server.fanout.frames import Bundle

__all__ = ["Subscriber", "Writer", "do_nothing"]


def do_nothing(_: object) -> None:
    """Do nothing; the callback of a subscriber without a broadcaster."""


class Writer(Protocol):
    """Sends whole frames without blocking.

    Attributes:
        fd: The file descriptor of a socket with an empty queue, for direct writes; -1 for none.
    """

    fd: int

    def write(self, frames: bytes, count: int = 0) -> bool:
        """Send or queue frames of `count` messages; return False if the queue is full, which never happens with 0."""
        ...

    def finish(self, frames: bytes, size: int) -> None:
        """Queue the rest of frames whose first `size` bytes were written to `fd`."""
        ...


class Subscriber(ABC):
    """One receiver of messages, created by the broadcaster.

    Attributes:
        channels: Its channels; may be replaced at any time.
        admits: Returns whether messages about a job id ("" for none) may be received; None admits all.
        slow: Whether it was ended because it read too slowly.
    """

    __slots__ = ("_admits", "_channels", "_on_change", "_queue", "_settle", "slow")

    def __init__(
        self,
        queue: int,
        channels: frozenset[str],
        on_change: Callable[["Subscriber"], None],
        settle: Callable[["Subscriber"], None],
    ) -> None:
        """Create a subscriber.

        Args:
            queue: Maximum number of queued messages.
            channels: Its channels.
            on_change: Called when `writer` may have changed.
            settle: Gives it everything that was published; called before a change and before anything else is sent.
        """
        self._queue = queue
        self._channels = channels
        self._admits: Callable[[str], bool] | None = None
        self._on_change = on_change
        self._settle = settle
        self.slow = False

    @property
    def channels(self) -> frozenset[str]:  # noqa: D102 (see the class)
        return self._channels

    @channels.setter
    def channels(self, channels: frozenset[str]) -> None:
        self._settle(self)
        self._channels = channels
        self._on_change(self)

    @property
    def admits(self) -> Callable[[str], bool] | None:  # noqa: D102 (see the class)
        return self._admits

    @admits.setter
    def admits(self, admits: Callable[[str], bool] | None) -> None:
        self._settle(self)
        self._admits = admits
        self._on_change(self)

    @property
    def writer(self) -> Writer | None:
        """The writer, if it receives all messages of its channels unchanged; otherwise None."""
        return None

    @property
    @abstractmethod
    def queued(self) -> int:
        """The number of queued messages."""

    def wants(self, message: Message) -> bool:
        """Return whether `message` is on one of its channels and may be received."""
        if message.channels.isdisjoint(self._channels):
            return False
        return self._admits is None or self._admits(message.job_id)

    @abstractmethod
    def take(self, bundle: Bundle, wanted: tuple[Message, ...]) -> bool:
        """Queue or send `wanted`, a selection of `bundle`; return False if the queue is full and it must be ended."""

    @abstractmethod
    def end_slow(self) -> None:
        """End it because it reads too slowly, and drop its queue; the client will resume from its last position."""

    @abstractmethod
    def end(self) -> None:
        """End it because its grant has ended; the client may reconnect with a valid token."""

    def close(self) -> None:  # noqa: B027 (some have nothing to close)
        """Stop receiving."""

    def _reason(self) -> str:
        return f"{self._queue} messages unread; allowed: fewer; reconnect and resume from your last position"
