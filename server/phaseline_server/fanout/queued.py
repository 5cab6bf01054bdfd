"""A subscriber that queues messages in a memory channel."""

from collections.abc import Callable

import trio

from phaseline.stream import Message
from phaseline_server.errors import SlowSubscriber
from phaseline_server.fanout.frames import Bundle
from phaseline_server.fanout.subscriber import Subscriber, do_nothing

__all__ = ["QueuedSubscriber"]


class QueuedSubscriber(Subscriber):
    """A subscriber with a memory channel of limited length."""

    __slots__ = ("_receive", "_send")

    def __init__(
        self,
        queue: int,
        channels: frozenset[str] = frozenset(),
        on_change: Callable[[Subscriber], None] = do_nothing,
        settle: Callable[[Subscriber], None] = do_nothing,
    ) -> None:
        """See `Subscriber`."""
        super().__init__(queue, channels, on_change, settle)
        self._send, self._receive = trio.open_memory_channel[Message](queue)

    @property
    def queued(self) -> int:
        """See `Subscriber`."""
        return self._receive.statistics().current_buffer_used

    def take(self, bundle: Bundle, wanted: tuple[Message, ...]) -> bool:
        """See `Subscriber`."""
        del bundle
        return self.put(*wanted)

    def put(self, *messages: Message) -> bool:
        """Queue messages; if the queue is full, end the subscriber and return False."""
        if self.slow:
            return False
        try:
            for message in messages:
                self._send.send_nowait(message)
        except trio.WouldBlock:
            self.end()
            return False
        return True

    def end_slow(self) -> None:
        """See `Subscriber`."""
        self.end()

    def end(self) -> None:
        """See `Subscriber`."""
        self.slow = True
        self._send.close()

    def close(self) -> None:
        """See `Subscriber`."""
        self._send.close()
        self._receive.close()

    async def receive_batch(self) -> list[Message]:
        """Return all queued messages, waiting for the first one.

        Raises:
            SlowSubscriber: It read too slowly. Its queue is dropped; the client will resume from its last position.
        """
        if self.slow:
            raise SlowSubscriber(self._reason())
        batch: list[Message] = []
        try:
            batch.append(await self._receive.receive())
            while True:
                batch.append(self._receive.receive_nowait())
        except trio.WouldBlock:
            return batch
        except trio.EndOfChannel:
            raise SlowSubscriber(self._reason()) from None
