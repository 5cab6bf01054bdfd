"""The view of the log that is limited to the permissions of the current client."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from phaseline.stream import Message, Position
from phaseline_server.access.grant import OPEN
from phaseline_server.access.keeper import CURRENT, Keeper
from phaseline_server.fanout.broadcaster import BroadcasterStatistics
from phaseline_server.fanout.direct import DirectSubscriber, Sink
from phaseline_server.fanout.queued import QueuedSubscriber
from phaseline_server.fanout.subscriber import Subscriber
from phaseline_server.log.protocol import Standing
from phaseline_server.log.stream import PAGE, Log

__all__ = ["StreamView"]

_AnySubscriber = TypeVar("_AnySubscriber", bound=Subscriber)


class StreamView:
    """The log, limited to the current client's permissions."""

    def __init__(self, log: Log, keeper: Keeper) -> None:
        """Create a view of `log`; `keeper` ends subscriptions whose token is revoked or expires."""
        self._log = log
        self._keeper = keeper

    @property
    def top(self) -> Position:
        """See `Log.top`."""
        return self._log.top

    @property
    def oldest(self) -> Position:
        """See `Log.oldest`."""
        return self._log.oldest

    @property
    def standing(self) -> Standing:
        """See `Log.standing`."""
        return self._log.standing

    def can_resume(self, position: Position) -> bool:
        """See `Log.can_resume`."""
        return self._log.can_resume(position)

    async def catch_up(self, position: Position) -> None:
        """See `Log.catch_up`."""
        await self._log.catch_up(position)

    def statistics(self) -> BroadcasterStatistics:
        """See `Log.statistics`."""
        return self._log.statistics()

    async def since(self, position: Position, limit: int = PAGE) -> tuple[Message, ...]:
        """See `Log.since`. A message that the client may not read is replaced by an empty one, to keep its number."""
        access = CURRENT.get()
        found = await self._log.since(position, limit)
        return tuple(message if access.reads(message.job_id) else _hidden(message) for message in found)

    def subscribe(self, channels: Iterable[str]) -> AbstractContextManager[QueuedSubscriber]:
        """See `Log.subscribe`. The subscriber receives only readable messages, and ends when the grant ends."""
        return self._watched(self._log.subscribe(channels))

    def attach(self, sink: Sink) -> AbstractContextManager[DirectSubscriber]:
        """See `Log.attach`; limited as `subscribe`."""
        return self._watched(self._log.attach(sink))

    @contextmanager
    def _watched(self, subscribed: AbstractContextManager[_AnySubscriber]) -> Iterator[_AnySubscriber]:
        access = CURRENT.get()
        with subscribed as subscriber:
            # An open server stays open for the life of this connection, so it needs no filter: the common case.
            subscriber.admits = None if access.grant is OPEN else access.reads
            self._keeper.add(access)
            access.at_end(subscriber.end)
            try:
                yield subscriber
            finally:
                access.not_at_end(subscriber.end)
                self._keeper.remove(access)


def _hidden(message: Message) -> Message:
    """Return an empty message with `message`'s number, which no channel carries."""
    return Message(message.seq, "", "", frozenset(), b"")
