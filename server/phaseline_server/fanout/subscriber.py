"""What each receiver of messages has in common: its channels, what it may receive, and how it ends."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

from phaseline.stream import Message
from phaseline_server.fanout.frames import Bundle

__all__ = ["Subscriber", "Writer"]


class Writer(Protocol):
    """Sends whole frames without waiting.

    Attributes:
        fd: A socket that takes frames at once, since nothing waits for it; -1 for none.
    """

    fd: int

    def write(self, frames: bytes, count: int = 0) -> bool:
        """Send or queue frames of `count` messages; False when too many wait, which with 0 they never do."""
        ...

    def finish(self, frames: bytes, size: int) -> None:
        """Queue the rest of frames of which `fd` has taken the first `size` bytes."""
        ...


class Subscriber(ABC):
    """One receiver of messages; made by the broadcaster.

    Attributes:
        channels: The channels that it wants; may be replaced at any time.
        admits: Returns for a job's id ("" for none) whether its messages may be received; None admits all.
        slow: Whether it was ended because it did not keep up.
    """

    __slots__ = ("_admits", "_channels", "_on_change", "_queue", "slow")

    def __init__(self, queue: int, channels: frozenset[str], on_change: Callable[["Subscriber"], None]) -> None:
        """Hold at most `queue` unreceived messages; `on_change` is called when `writer` may differ."""
        self._queue = queue
        self._channels = channels
        self._admits: Callable[[str], bool] | None = None
        self._on_change = on_change
        self.slow = False

    @property
    def channels(self) -> frozenset[str]:  # noqa: D102 (see the class)
        return self._channels

    @channels.setter
    def channels(self, channels: frozenset[str]) -> None:
        self._channels = channels
        self._on_change(self)

    @property
    def admits(self) -> Callable[[str], bool] | None:  # noqa: D102 (see the class)
        return self._admits

    @admits.setter
    def admits(self, admits: Callable[[str], bool] | None) -> None:
        self._admits = admits
        self._on_change(self)

    @property
    def writer(self) -> Writer | None:
        """The writer of one that takes all that its channels carry, as it is; None for any other."""
        return None

    @property
    @abstractmethod
    def queued(self) -> int:
        """The number of messages that wait."""

    def wants(self, message: Message) -> bool:
        """Return whether one of the channels that carry `message` is wanted, and the message may be received."""
        if message.channels.isdisjoint(self._channels):
            return False
        return self._admits is None or self._admits(message.job_id)

    @abstractmethod
    def take(self, bundle: Bundle, wanted: tuple[Message, ...]) -> bool:
        """Take `wanted`, which are of `bundle`; return False if there is no room: it is to be ended."""

    @abstractmethod
    def end_slow(self) -> None:
        """End it because it did not keep up; what waits is dropped, since it will resume anyway."""

    @abstractmethod
    def end(self) -> None:
        """End it as if it had not kept up: it may come back, and shows its token anew."""

    def close(self) -> None:  # noqa: B027 (some have nothing to close)
        """Receive no more."""

    def _why(self) -> str:
        return f"{self._queue} messages waited unread; allowed: fewer; come back, and resume from your last position"
