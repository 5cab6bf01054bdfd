"""WebSocket frames, encoded once and sent to many clients: server frames are unmasked (RFC 6455 section 5.1)."""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Final

from phaseline.stream import Message

__all__ = ["LARGEST_ARRAY", "Bundle", "array_frames", "arrays", "joined_frame", "size_of", "text_frame", "text_frames"]

LARGEST_ARRAY: Final = 262_144
"""Size in bytes from which no further message is added to an array."""

_TEXT: Final = 0x81  # FIN bit and opcode 1: a text message in a single frame
_SHORT, _MEDIUM = 125, 65_535  # the longest payloads with no and with two extra bytes for the length
_SHORT_HEADERS: Final = [bytes((_TEXT, length)) for length in range(_SHORT + 1)]
_medium: Final = struct.Struct("!BBH").pack
_long: Final = struct.Struct("!BBQ").pack
_payload: Final = attrgetter("payload")


def text_frame(payload: bytes) -> bytes:
    """Return the frame of a text message; `payload` is UTF-8."""
    return _header(len(payload)) + payload


def _header(length: int) -> bytes:
    if length <= _SHORT:
        return _SHORT_HEADERS[length]
    if length <= _MEDIUM:
        return _medium(_TEXT, 126, length)
    return _long(_TEXT, 127, length)


def joined_frame(parts: Sequence[bytes], *, batch: bool) -> bytes:
    """Return the frame of a text message that consists of parts with commas between them; with `batch`, of an array.

    The parts are copied once, because they may be large.
    """
    start, end = (b"[", b"]") if batch else (b"", b"")
    size = sum(map(len, parts)) + len(parts) - 1 + len(start) + len(end)
    framed = [b"%b%b%b" % (_header(size), start, parts[0]), *parts[1:]]
    framed[-1] += end
    return b",".join(framed)


def text_frames(payloads: Iterable[bytes]) -> bytes:
    """Return one frame per payload, joined."""
    return b"".join([text_frame(payload) for payload in payloads])


def arrays(payloads: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the payloads as JSON arrays of limited size, because clients limit the size of messages."""
    array: list[bytes] = []
    size = 0
    for payload in payloads:
        array.append(payload)
        size += len(payload)
        if size >= LARGEST_ARRAY:
            yield b"[" + b",".join(array) + b"]"
            array, size = [], 0
    if array:
        yield b"[" + b",".join(array) + b"]"


def array_frames(payloads: Iterable[bytes]) -> bytes:
    """Return one frame per array of `arrays`, joined."""
    return text_frames(arrays(payloads))


def size_of(messages: Iterable[Message]) -> int:
    """Return the size of the payloads in bytes."""
    return sum(map(len, map(_payload, messages)))


class Bundle:
    """Messages that are published together. Frames are cached, so equal selections share the same bytes.

    Attributes:
        messages: One or more messages, in order.
    """

    __slots__ = ("_common", "_framed", "messages")

    def __init__(self, messages: Sequence[Message]) -> None:
        """Create a bundle; frames are encoded on demand."""
        self.messages = tuple(messages)
        # Channels that carry every message.
        self._common = messages[0].channels.intersection(*(message.channels for message in messages[1:]))
        self._framed: dict[tuple[tuple[Message, ...], bool], bytes] = {}

    def carried_by(self, channels: frozenset[str]) -> tuple[Message, ...]:
        """Return the messages that at least one of `channels` carries."""
        if not channels.isdisjoint(self._common):
            return self.messages
        return self.wanted(lambda message: not channels.isdisjoint(message.channels))

    def wanted(self, wants: Callable[[Message], bool]) -> tuple[Message, ...]:
        """Return the messages for which `wants` is true."""
        wanted = tuple([message for message in self.messages if wants(message)])
        return self.messages if len(wanted) == len(self.messages) else wanted

    def framed(self, wanted: tuple[Message, ...], *, batch: bool) -> bytes:
        """Return the frames of `wanted`, a selection of `messages`; with `batch`, as arrays."""
        # Most clients want all messages, so this key is short.
        key = (() if wanted is self.messages else wanted, batch)
        found = self._framed.get(key)
        if found is None:
            payloads = [message.payload for message in wanted]
            found = self._framed[key] = array_frames(payloads) if batch else text_frames(payloads)
        return found
