"""A subscriber whose messages go straight into a sink, without a task in between."""

from collections.abc import Callable
from typing import Final, Protocol

import trio

from phaseline.protocol import SLOW
from phaseline.stream import Message
from phaseline_server.fanout.frames import Bundle, array_frames, text_frames
from phaseline_server.fanout.subscriber import Subscriber, Writer

__all__ = ["DirectSubscriber", "Sink"]

_PROGRESS: Final = "job_progress"


class Sink(Protocol):
    """Takes frames without waiting."""

    @property
    def writer(self) -> Writer:
        """What sends them."""
        ...

    @property
    def queued(self) -> int:
        """The number of messages that wait in it."""
        ...

    async def wait_flushed(self) -> None:
        """Wait until nothing waits in it, or it is over."""
        ...

    def close(self, code: int, reason: str = "", *, drop: bool = False) -> None:
        """End it behind all that waits; with `drop`, at once."""
        ...


class DirectSubscriber(Subscriber):
    """One receiver with a sink."""

    __slots__ = ("_batch", "_coalesce_s", "_gathered", "_gathering", "_sink")

    def __init__(
        self,
        sink: Sink,
        queue: int,
        channels: frozenset[str] = frozenset(),
        on_change: Callable[[Subscriber], None] = lambda _: None,
    ) -> None:
        """Send everything to `sink`; the rest as `Subscriber`."""
        super().__init__(queue, channels, on_change)
        self._sink = sink
        self._batch = False
        self._coalesce_s = 0.0
        self._gathered: list[Message] = []
        self._gathering: trio.Event | None = None

    @property
    def writer(self) -> Writer | None:
        """See `Subscriber`; None also while it makes arrays, coalesces, or may not receive everything."""
        if self._batch or self._coalesce_s or self._admits or self.slow:
            return None
        return self._sink.writer

    @property
    def queued(self) -> int:
        """See `Subscriber`."""
        return self._sink.queued + len(self._gathered)

    # ------------------------------------------------------------------ giving

    def form(self, *, batch: bool, coalesce_s: float) -> None:
        """From now on, send arrays of messages, and progress at this pace (0: at once).

        With a pace, `run_pace` must run.
        """
        self.flush()
        self._batch, self._coalesce_s = batch, coalesce_s
        self._on_change(self)

    def take(self, bundle: Bundle, wanted: tuple[Message, ...]) -> bool:
        """See `Subscriber`."""
        if self.slow:
            return False
        if self._coalesce_s:
            return self._gather(wanted)
        return self._sink.writer.write(bundle.framed(wanted, batch=self._batch), len(wanted))

    def put(self, *messages: Message) -> bool:
        """Send messages, whatever their channels; return False if it has ended.

        The sink takes them in any case, so the caller waits now and then until there is room (`wait_free`).
        """
        if self.slow:
            return False
        self.flush()
        return self._sink.writer.write(self._framed(messages))

    async def put_when_free(self, *messages: Message) -> bool:
        """As `put`, once there is room."""
        await self.wait_free()
        return self.put(*messages)

    async def wait_free(self) -> None:
        """Wait until there is room for more, or it has ended."""
        await self._sink.wait_flushed()

    def _framed(self, messages: tuple[Message, ...] | list[Message]) -> bytes:
        payloads = [message.payload for message in messages]
        return array_frames(payloads) if self._batch else text_frames(payloads)

    # ------------------------------------------------------------------ ending

    def end_slow(self) -> None:
        """See `Subscriber`."""
        self._gathered = []
        self._sink.close(SLOW, self._why(), drop=True)
        self.end()

    def end(self) -> None:
        """See `Subscriber`."""
        self.slow = True
        self._on_change(self)
        self._sink.close(SLOW, "come back, and resume from your last position", drop=True)

    # ------------------------------------------------------------------ pace

    def flush(self) -> None:
        """Send what was gathered."""
        if self._gathered:
            gathered, self._gathered = _latest(self._gathered), []
            if not self._sink.writer.write(self._framed(gathered), len(gathered)):
                self.end_slow()

    def _gather(self, messages: tuple[Message, ...]) -> bool:
        self._gathered.extend(messages)
        if len(self._gathered) > self._queue:
            self._gathered = _latest(self._gathered)
            if len(self._gathered) > self._queue // 2:
                self.flush()
        if self._gathering is not None:
            self._gathering.set()
        return not self.slow

    async def run_pace(self) -> None:
        """Send what is gathered, at its pace; runs until cancelled."""
        while True:
            if not self._gathered:
                self._gathering = trio.Event()
                await self._gathering.wait()
            await trio.sleep(self._coalesce_s)
            self.flush()


def _latest(batch: list[Message]) -> list[Message]:
    """Return the batch without each `job_progress` that another one of the same job follows."""
    last = {message.job_id: message.seq for message in batch if message.type == _PROGRESS}
    return [message for message in batch if message.type != _PROGRESS or last[message.job_id] == message.seq]
