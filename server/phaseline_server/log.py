"""The log: where events are kept, numbered, and handed out from. The tracker and the routes know only the protocol."""

import secrets
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Protocol

from phaseline.stream import Message, Position, Tail
from phaseline_server.broadcaster import Broadcaster, BroadcasterStatistics, Subscriber

__all__ = ["Log", "MemoryLog"]


class Log(Protocol):
    """The stream's keeper."""

    @property
    def top(self) -> Position:
        """The position after the newest message."""
        ...

    def append(self, encode: Callable[[Position], Message]) -> Position:
        """Give the next number, keep the message that `encode` makes with it, and hand it to the subscribers."""
        ...

    def since(self, position: Position) -> tuple[Message, ...]:
        """Return every message after `position`; raises Unrecoverable as `phaseline.stream.Tail.since` does."""
        ...

    def subscribe(self, channels: Iterable[str]) -> AbstractContextManager[Subscriber]:
        """Add a subscriber for the length of the block."""
        ...

    def statistics(self) -> BroadcasterStatistics:
        """Return the fan-out's counts of the moment."""
        ...


class MemoryLog:
    """A log that lives as long as the process: its epoch is new with every start."""

    def __init__(self, history: int, queue: int) -> None:
        """Keep `history` messages to resume from, and at most `queue` waiting for each subscriber."""
        self._tail = Tail(secrets.token_hex(8), history)
        self._broadcaster = Broadcaster()
        self._queue = queue

    @property
    def top(self) -> Position:
        """See `Log.top`."""
        return self._tail.top

    def append(self, encode: Callable[[Position], Message]) -> Position:
        """See `Log.append`. No await stands between the number and the last queue: one order for everybody."""
        position = Position(self.top.epoch, self.top.seq + 1)
        message = encode(position)
        self._tail.append(message)
        self._broadcaster.publish(message)
        return position

    def since(self, position: Position) -> tuple[Message, ...]:
        """See `Log.since`."""
        return self._tail.since(position)

    def subscribe(self, channels: Iterable[str]) -> AbstractContextManager[Subscriber]:
        """See `Log.subscribe`."""
        return self._broadcaster.subscribe(channels, self._queue)

    def statistics(self) -> BroadcasterStatistics:
        """See `Log.statistics`."""
        return self._broadcaster.statistics()
