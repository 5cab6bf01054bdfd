"""One receiver of messages: by a memory channel that somebody empties, or straight into a sink."""

import math
from collections.abc import Callable
from typing import Final, Protocol

import trio

from phaseline.errors import SlowSubscriber
from phaseline.protocol import SLOW
from phaseline.stream import Message
from phaseline_server.fanout.frames import Bundle, array_frames, text_frames

__all__ = ["Sink", "Subscriber", "Writer"]

_PROGRESS: Final = "job_progress"


class Writer(Protocol):
    """What sends frames, which are whole, without waiting.

    Attributes:
        fd: A socket that takes them at once, for nothing waits for it; -1 for none.
    """

    fd: int

    def write(self, frames: bytes, count: int = 0) -> bool:
        """Send or queue frames of `count` messages; False when too many wait, which with 0 they never do."""
        ...

    def finish(self, frames: bytes, size: int) -> None:
        """Queue the rest of frames of which `fd` has taken the first `size` bytes."""
        ...


class Sink(Protocol):
    """Where frames go without waiting."""

    @property
    def writer(self) -> Writer:
        """What sends them."""
        ...

    @property
    def queued(self) -> int:
        """How many messages wait in it."""
        ...

    async def wait_flushed(self) -> None:
        """Wait until nothing waits in it, or it is over."""
        ...

    def close(self, code: int, reason: str = "", *, drop: bool = False) -> None:
        """End it behind all that waits; with `drop`, at once."""
        ...


class Subscriber:
    """One receiver of messages; made by `Broadcaster.subscribe`.

    Attributes:
        channels: The channels that it wants; may be replaced at any time.
        admits: Says of a job's id ("" for none) whether its messages may be received; None admits all.
    """

    __slots__ = (
        "_admits",
        "_batch",
        "_channel",
        "_channels",
        "_coalesce_s",
        "_gathered",
        "_gathering",
        "_on_change",
        "_queue",
        "_room",
        "_sink",
        "_slow",
    )

    def __init__(
        self,
        queue: int,
        channels: frozenset[str] = frozenset(),
        on_change: Callable[["Subscriber"], None] = lambda _: None,
    ) -> None:
        """Hold at most `queue` messages that are not received yet; `on_change` is called when `writer` may differ."""
        self._channels = channels
        self._admits: Callable[[str], bool] | None = None
        self._on_change = on_change
        self._queue = queue
        self._slow = False
        # Each slot holds messages that belong together: mostly one, or all that a resuming client missed.
        self._channel: (
            tuple[trio.MemorySendChannel[tuple[Message, ...]], trio.MemoryReceiveChannel[tuple[Message, ...]]] | None
        ) = None
        self._room = trio.lowlevel.ParkingLot()
        self._sink: Sink | None = None
        self._batch = False
        self._coalesce_s = 0.0
        self._gathered: list[Message] = []
        self._gathering: trio.Event | None = None

    # ------------------------------------------------------------------ what it wants

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
        """What sends all that its channels carry; None while there is more to it.

        Such as to wait for a receiver, to make arrays, to coalesce, or to look who may receive what.
        """
        plain = self._sink is not None and not (self._batch or self._coalesce_s or self._admits or self._slow)
        return self._sink.writer if self._sink is not None and plain else None

    # ------------------------------------------------------------------ how it is

    @property
    def queued(self) -> int:
        """How many messages wait."""
        if self._sink is not None:
            return self._sink.queued + len(self._gathered)
        return self._ends[1].statistics().current_buffer_used

    @property
    def slow(self) -> bool:
        """Whether it was ended because it did not keep up."""
        return self._slow

    def wants(self, message: Message) -> bool:
        """Say whether one of the channels that carry `message` is wanted, and the message may be received."""
        if message.channels.isdisjoint(self._channels):
            return False
        return self._admits is None or self._admits(message.job_id)

    # ------------------------------------------------------------------ giving

    def attach(self, sink: Sink) -> None:
        """Have everything go to `sink` from now on; nothing may have been put before."""
        self._sink = sink
        self.form(batch=False, coalesce_s=0.0)

    def form(self, *, batch: bool, coalesce_s: float) -> None:
        """Of one with a sink: send arrays of messages, and progress at this pace (0: at once), from now on.

        Whoever sets a pace must have `run_pace` run.
        """
        self.flush()
        self._batch, self._coalesce_s = batch, coalesce_s
        self._on_change(self)

    def take(self, bundle: Bundle, wanted: tuple[Message, ...]) -> bool:
        """Take `wanted`, which are of `bundle`; return False if there is no room: it is to be ended."""
        if self._slow:
            return False
        if self._sink is None:
            return self._enqueue(wanted, each=True)
        if self._coalesce_s:
            return self._gather(wanted)
        return self._sink.writer.write(bundle.framed(wanted, batch=self._batch), len(wanted))

    def put(self, *messages: Message) -> bool:
        """Give messages that belong together, whatever their channels. In a memory channel, they take one slot.

        What finds no room there ends the subscriber; a sink takes it in any case, so its maker is to wait now and
        then until there is room (`wait_free`).
        """
        if self._slow:
            return False
        if self._sink is None:
            return self._enqueue(messages, each=False)
        self.flush()
        payloads = [message.payload for message in messages]
        return self._sink.writer.write(array_frames(payloads) if self._batch else text_frames(payloads))

    async def put_when_free(self, *messages: Message) -> bool:
        """As `put`, once there is room."""
        await self.wait_free()
        return self.put(*messages)

    async def wait_free(self) -> None:
        """Wait until there is room for more, or it has ended."""
        if self._sink is not None:
            await self._sink.wait_flushed()
            return
        await trio.lowlevel.checkpoint()
        while not self._slow and self._ends[1].statistics().current_buffer_used >= self._queue:
            await self._room.park()

    def end_slow(self) -> None:
        """End it because it did not keep up; whatever waits is dropped, since it will resume anyway."""
        if self._sink is not None:
            self._gathered = []
            self._sink.close(SLOW, self._why(), drop=True)
        self.end()

    def end(self) -> None:
        """End it as if it had not kept up: it may come back, and is asked anew who it is."""
        self._slow = True
        self._on_change(self)
        self._room.unpark_all()
        if self._sink is None:
            self._ends[0].close()
        else:
            self._sink.close(SLOW, "come back, and resume from your last position", drop=True)

    def close(self) -> None:
        """Receive no more."""
        self._room.unpark_all()
        if self._channel is not None:
            for end in self._channel:
                end.close()

    def _why(self) -> str:
        return f"{self._queue} messages waited unread; allowed: fewer; come back, and resume from your last position"

    # ------------------------------------------------------------------ pace, of one with a sink

    def flush(self) -> None:
        """Send what was gathered."""
        if self._gathered and self._sink is not None:
            gathered, self._gathered = _latest(self._gathered), []
            payloads = [message.payload for message in gathered]
            frames = array_frames(payloads) if self._batch else text_frames(payloads)
            if not self._sink.writer.write(frames, len(gathered)):
                self.end_slow()

    def _gather(self, messages: tuple[Message, ...]) -> bool:
        self._gathered.extend(messages)
        if len(self._gathered) > self._queue:
            self._gathered = _latest(self._gathered)
            if len(self._gathered) > self._queue // 2:
                self.flush()
        if self._gathering is not None:
            self._gathering.set()
        return not self._slow

    async def run_pace(self) -> None:
        """Send what is gathered, at its pace; runs until cancelled."""
        while True:
            if not self._gathered:
                self._gathering = trio.Event()
                await self._gathering.wait()
            await trio.sleep(self._coalesce_s)
            self.flush()

    # ------------------------------------------------------------------ the memory channel, of one without a sink

    @property
    def _ends(
        self,
    ) -> tuple[trio.MemorySendChannel[tuple[Message, ...]], trio.MemoryReceiveChannel[tuple[Message, ...]]]:
        """Both ends; made when first needed, as one with a sink never does."""
        if self._channel is None:
            send, receive = trio.open_memory_channel[tuple[Message, ...]](self._queue)
            self._channel = (send, receive)
        return self._channel

    def _enqueue(self, messages: tuple[Message, ...], *, each: bool) -> bool:
        send = self._ends[0]
        try:
            for slot in [(message,) for message in messages] if each else [messages]:
                send.send_nowait(slot)
        except trio.WouldBlock:
            self._slow = True
            send.close()
            return False
        return True

    async def receive(self) -> tuple[Message, ...]:
        """Return the next messages that were put together.

        Raises:
            SlowSubscriber: It did not keep up; whatever was queued is dropped, since it will resume anyway.
        """
        if self._slow:
            raise SlowSubscriber(self._why())
        try:
            messages = await self._ends[1].receive()
        except trio.EndOfChannel:
            raise SlowSubscriber(self._why()) from None
        self._room.unpark()
        return messages

    async def receive_batch(self, coalesce_s: float = 0.0) -> list[Message]:
        """Return the next messages and all that wait behind them.

        Args:
            coalesce_s: Gather for so many seconds, and of each job's `job_progress` keep only the latest. What is
                not of the stream (`seq` 0) ends the gathering, for somebody waits for it; and so does a batch that
                grows too long even so.

        Raises:
            SlowSubscriber: As `receive`.
        """
        batch: list[Message] = []
        deadline = trio.current_time() + coalesce_s if coalesce_s else -math.inf
        more = await self.receive()
        while True:
            batch.extend(more)
            if any(message.seq == 0 for message in more):
                deadline = -math.inf
            if coalesce_s and len(batch) > self._queue:
                batch = _latest(batch)
                if len(batch) > self._queue // 2:
                    return batch
            try:
                more = self._ends[1].receive_nowait()
                self._room.unpark()
            except trio.WouldBlock:
                if trio.current_time() >= deadline:
                    return _latest(batch) if coalesce_s else batch
                more = ()
                with trio.move_on_at(deadline):
                    more = await self.receive()
            except trio.EndOfChannel:
                raise SlowSubscriber(self._why()) from None


def _latest(batch: list[Message]) -> list[Message]:
    """Return the batch without those `job_progress` after which comes another of the same job."""
    last = {message.job_id: message.seq for message in batch if message.type == _PROGRESS}
    return [message for message in batch if message.type != _PROGRESS or last[message.job_id] == message.seq]
