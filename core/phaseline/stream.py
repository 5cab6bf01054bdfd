"""The stream: numbered messages, positions between them, and the latest messages, from which clients resume."""

from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import Annotated

import msgspec
from msgspec import Meta

from phaseline.errors import Unrecoverable, shown

__all__ = [
    "HOSTS",
    "JOBS",
    "PHOTOS",
    "SYSTEM",
    "Message",
    "Position",
    "Tail",
    "channels_of",
    "job_channel",
    "output_channel",
]

JOBS = "jobs"
PHOTOS = "photos"
SYSTEM = "system"
HOSTS = "hosts"
"""The load of machines. Its messages are not part of the stream: they have no number, and gaps are not detected."""


def job_channel(job_id: str) -> str:
    """Return the name of the channel that carries one job's messages."""
    return f"job:{job_id}"


def output_channel(job_id: str) -> str:
    """Return the name of the channel that carries one job's output."""
    return f"output:{job_id}"


@lru_cache(maxsize=4096)
def channels_of(kind: str, job_id: str, channel: str | None = None) -> frozenset[str]:
    """Return the channels that carry a message.

    Args:
        kind: The type of an event.
        job_id: The id of the event's job.
        channel: The only channel of a broadcast, which is not an event of a job.
    """
    if channel is not None:
        return frozenset({channel})
    return frozenset({PHOTOS if kind == "photo_info" else JOBS, job_channel(job_id)})


class Position(msgspec.Struct, frozen=True):
    """A place in the stream: after message `seq` of `epoch`.

    The epoch changes only when the stream starts a new history, so an old position never matches a new stream. `seq`
    rises by one with every message and is unique within an epoch.
    """

    epoch: Annotated[str, Meta(max_length=100, description="a string of at most 100 characters")]
    seq: Annotated[int, Meta(ge=0, le=2**63 - 1, description="an integer from 0 to 2^63 - 1")]


class Message(msgspec.Struct, frozen=True, gc=False):
    """An event on the wire.

    Attributes:
        seq: Its number in the stream; 0 if it is not part of the stream.
        type: Its name on the wire.
        job_id: The id of its job.
        channels: The channels that carry it.
        payload: The JSON document, encoded once for all subscribers.
        channel: The only channel of a broadcast, which is not an event of a job.
    """

    seq: int
    type: str
    job_id: str
    channels: frozenset[str]
    payload: bytes
    channel: str | None = None


class Tail:
    """The latest messages of a stream, at most `size` of them, and at most `most_bytes` of payloads."""

    def __init__(self, epoch: str, size: int, seq: int = 0, most_bytes: int = 2**62) -> None:
        """Start after message `seq` of `epoch`."""
        self._epoch = epoch
        self._seq = seq
        self._size = size
        self._most_bytes = most_bytes
        self._bytes = 0
        self._messages: deque[Message] = deque()

    @property
    def top(self) -> Position:
        """The position after the newest message."""
        return Position(self._epoch, self._seq)

    def extend(self, messages: Sequence[Message]) -> None:
        """Add the next messages; drop the oldest ones while the tail is too large.

        Raises:
            ValueError: Their `seq` are not the next numbers; none is added.
        """
        if not messages:
            return
        top = self._seq + len(messages)
        for message, seq in ((messages[0], self._seq + 1), (messages[-1], top)):
            if message.seq != seq:
                text = f"seq is {message.seq}; allowed: {seq}, the next number"
                raise ValueError(text)
        kept = self._messages
        kept.extend(messages)
        self._seq = top
        self._bytes += sum([len(message.payload) for message in messages])
        size, most = self._bytes, self._most_bytes
        for _ in range(len(kept) - self._size):
            size -= len(kept.popleft().payload)
        while size > most:
            size -= len(kept.popleft().payload)
        self._bytes = size

    def since(self, position: Position, limit: int | None = None) -> tuple[Message, ...]:
        """Return the messages after `position` without a gap, oldest first; at most `limit` of them.

        Returns:
            Without a limit `top.seq - position.seq` messages; none when `position` is the top.

        Raises:
            Unrecoverable: The position is of another epoch, older than the tail, or ahead of the top. The caller
                sends a snapshot.
        """
        missed = self._seq - position.seq
        if position.epoch != self._epoch or not 0 <= missed <= len(self._messages):
            oldest = self._seq - len(self._messages)
            text = (
                f"can't resume from position {shown(position.epoch)}/{shown(position.seq)}; "
                f"allowed: {self._epoch!a}/{oldest} to {self._epoch!a}/{self._seq}"
            )
            raise Unrecoverable(text)
        first = len(self._messages) - missed
        return tuple(islice(self._messages, first, None if limit is None else first + limit))
