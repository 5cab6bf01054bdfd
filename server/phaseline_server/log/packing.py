"""Messages as rows of a log: many in one, compressed.

Most of a row's cost does not depend on its size, and the messages of a job are similar. So packs take a tenth of the
space, and of the time to write. Reading and discarding work by whole packs.
"""

import zlib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from phaseline.stream import Message, channels_of

__all__ = ["Pack", "job_in", "pack_one", "packed", "unpacked"]

LARGEST: Final = 250
"""Maximum number of messages in a row."""

_LEVEL: Final = 3  # zlib's levels end at 9; higher ones take twice the time to save a tenth

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[tuple[str, str, str | None, bytes]])


class Pack(NamedTuple):
    """A row: messages `first` to `last`, committed at `at_ns` of the log's clock."""

    last: int
    first: int
    at_ns: int
    messages: bytes


def packed(messages: Sequence[Message], at_ns: int) -> Iterator[Pack]:
    """Yield rows with `messages`, which are in the order of their numbers, without a gap."""
    for start in range(0, len(messages), LARGEST):
        part = messages[start : start + LARGEST]
        fields = [(message.type, message.job_id, message.channel, message.payload) for message in part]
        yield Pack(part[-1].seq, part[0].seq, at_ns, zlib.compress(_encoder.encode(fields), _LEVEL))


def pack_one(kind: str, job_id: str, channel: str | None, payload: bytes) -> bytes:
    """Return the content of a row with one message."""
    return zlib.compress(_encoder.encode([(kind, job_id, channel, payload)]), _LEVEL)


def job_in(first: int, body: bytes, seq: int) -> str:
    """Return the job of message `seq` in a row, of which the first message has number `first`; "" if it has none."""
    return unpacked(first, body)[seq - first].job_id


def unpacked(first: int, body: bytes) -> list[Message]:
    """Return the messages of a row, of which the first has number `first`."""
    return [
        Message(seq, kind, job_id, channels_of(kind, job_id, channel), payload, channel)
        for seq, (kind, job_id, channel, payload) in enumerate(_decoder.decode(zlib.decompress(body)), first)
    ]
