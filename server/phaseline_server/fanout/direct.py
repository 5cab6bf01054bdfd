"""A subscriber that writes messages directly to a sink, without a task."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import trio

from phaseline.protocol import SLOW, UNAUTHORIZED
from phaseline.stream import Message
from phaseline_server.fanout.frames import Bundle, array_frames, text_frames
from phaseline_server.fanout.subscriber import Subscriber, Writer, do_nothing

__all__ = ["DirectSubscriber", "Sink"]

_PROGRESS: Final = "job_progress"


class Sink(Protocol):
    """Accepts frames without waiting, such as a WebSocket."""

    @property
    def writer(self) -> Writer:
        """The writer of frames."""
        ...

    @property
    def queued(self) -> int:
        """The number of queued messages."""
        ...

    async def wait_flushed(self) -> None:
        """Wait until its queue is empty or it is closed."""
        ...

    def close(self, code: int, reason: str = "", *, drop: bool = False) -> None:
        """Close it after its queue is sent; with `drop`, drop the queue."""
        ...


class DirectSubscriber(Subscriber):
    """A subscriber with a sink."""

    __slots__ = ("_batch", "_coalesce_s", "_gathered", "_gathering", "_sink")

    def __init__(
        self,
        sink: Sink,
        queue: int,
        channels: frozenset[str] = frozenset(),
        on_change: Callable[[Subscriber], None] = do_nothing,
        settle: Callable[[Subscriber], None] = do_nothing,
    ) -> None:
        """Create a subscriber that writes to `sink`; for the other arguments see `Subscriber`."""
        super().__init__(queue, channels, on_change, settle)
        self._sink = sink
        self._batch = False
        self._coalesce_s = 0.0
        self._gathered: list[Message] = []
        self._gathering: trio.Event | None = None

    @property
    def writer(self) -> Writer | None:
        """See `Subscriber`; also None while it sends arrays, coalesces, or is limited by permissions."""
        if self._batch or self._coalesce_s or self._admits or self.slow:
            return None
        return self._sink.writer

    @property
    def queued(self) -> int:
        """See `Subscriber`."""
        return self._sink.queued + len(self._gathered)

    # ------------------------------------------------------------------ sending

    def form(self, *, batch: bool, coalesce_s: float) -> None:
        """Set the format: arrays of messages, and progress coalesced at an interval.

        Args:
            batch: Whether to send arrays.
            coalesce_s: Interval in seconds; 0 sends at once. With an interval, `run_pace` must run.
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
        """Send messages of any channel; return False if the subscriber has ended.

        The sink never rejects them, so the caller must call `wait_free` at intervals.
        """
        return self.put_texts([message.payload for message in messages])

    def put_texts(self, texts: Sequence[bytes]) -> bool:
        """Send texts that are no messages of the stream, such as acks; as `put`."""
        self.flush()
        return not self.slow and self._sink.writer.write(self._framed(texts))

    def put_frames(self, frames: bytes) -> bool:
        """Send encoded frames, which several subscribers may share; as `put`."""
        if self.slow:
            return False
        self.flush()
        return self._sink.writer.write(frames)

    async def wait_free(self) -> None:
        """Wait until the sink's queue is empty, or it is closed."""
        await self._sink.wait_flushed()

    def _framed(self, payloads: Sequence[bytes]) -> bytes:
        return array_frames(payloads) if self._batch else text_frames(payloads)

    # ------------------------------------------------------------------ ending

    def end_slow(self) -> None:
        """See `Subscriber`."""
        self._gathered = []
        self._sink.close(SLOW, self._reason(), drop=True)
        self.end()

    def end(self) -> None:
        """See `Subscriber`."""
        self.slow = True
        self._on_change(self)
        self._sink.close(UNAUTHORIZED, "the token was revoked or has expired; send a valid one", drop=True)

    # ------------------------------------------------------------------ coalescing

    def flush(self) -> None:
        """Send everything that was published, and the gathered messages."""
        if not self.slow:
            self._settle(self)
            self._send_gathered()

    def _send_gathered(self) -> None:
        if self._gathered:
            gathered, self._gathered = _latest(self._gathered), []
            payloads = [message.payload for message in gathered]
            if not self._sink.writer.write(self._framed(payloads), len(gathered)):
                self.end_slow()

    def _gather(self, messages: tuple[Message, ...]) -> bool:
        self._gathered.extend(messages)
        if len(self._gathered) > self._queue:
            self._gathered = _latest(self._gathered)
            if len(self._gathered) > self._queue // 2:
                self._send_gathered()
        if self._gathering is not None:
            self._gathering.set()
        return not self.slow

    async def run_pace(self) -> None:
        """Send the gathered messages at the interval; runs until canceled."""
        while True:
            if not self._gathered:
                self._gathering = trio.Event()
                await self._gathering.wait()
            await trio.sleep(self._coalesce_s)
            self._send_gathered()


def _latest(batch: list[Message]) -> list[Message]:
    """Return the batch with only the last `job_progress` of each job."""
    last = {message.job_id: message.seq for message in batch if message.type == _PROGRESS}
    return [message for message in batch if message.type != _PROGRESS or last[message.job_id] == message.seq]
