"""Messages as WebSocket frames: built once, sent to many: a server masks nothing (RFC 6455 section 5.1)."""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from phaseline.stream import Message

__all__ = ["LARGEST_ARRAY", "Bundle", "array_frames", "arrays", "text_frame", "text_frames"]

LARGEST_ARRAY: Final = 262_144
"""Bytes of an array of messages, before one more message."""

_TEXT: Final = 0x81  # the last fragment, and the first, of a text
_SHORT, _MEDIUM = 125, 65_535  # the longest payloads whose length has no bytes of its own, and two
_medium: Final = struct.Struct("!BBH").pack
_long: Final = struct.Struct("!BBQ").pack


def text_frame(payload: bytes) -> bytes:
    """Return the one frame of a text message; `payload` is UTF-8."""
    length = len(payload)
    if length <= _SHORT:
        return bytes((_TEXT, length)) + payload
    if length <= _MEDIUM:
        return _medium(_TEXT, 126, length) + payload
    return _long(_TEXT, 127, length) + payload


def text_frames(payloads: Iterable[bytes]) -> bytes:
    """Return a frame for each payload, joined."""
    return b"".join([text_frame(payload) for payload in payloads])


def arrays(payloads: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the payloads as JSON arrays that are not much larger than a client may be ready for."""
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
    """Return a frame for each of `arrays`, joined."""
    return text_frames(arrays(payloads))


class Bundle:
    """Messages that are published together. Whoever wants the same of them gets the same bytes.

    Attributes:
        messages: In their order; at least one.
    """

    __slots__ = ("_common", "_framed", "messages")

    def __init__(self, messages: Sequence[Message]) -> None:
        """Frame nothing yet."""
        self.messages = tuple(messages)
        # The channels that carry all of them.
        self._common = messages[0].channels.intersection(*(message.channels for message in messages[1:]))
        self._framed: dict[tuple[tuple[Message, ...], bool], bytes] = {}

    def carried_by(self, channels: frozenset[str]) -> tuple[Message, ...]:
        """Return those of `messages` that one of `channels` carries."""
        if not channels.isdisjoint(self._common):
            return self.messages
        return self.wanted(lambda message: not channels.isdisjoint(message.channels))

    def wanted(self, wants: Callable[[Message], bool]) -> tuple[Message, ...]:
        """Return those of `messages` that are wanted."""
        wanted = tuple([message for message in self.messages if wants(message)])
        return self.messages if len(wanted) == len(self.messages) else wanted

    def framed(self, wanted: tuple[Message, ...], *, batch: bool) -> bytes:
        """Return the frames of `wanted`, which are some of `messages`; with `batch`, as arrays."""
        # The whole is what nearly everybody wants.
        key = (() if wanted is self.messages else wanted, batch)
        found = self._framed.get(key)
        if found is None:
            payloads = [message.payload for message in wanted]
            found = self._framed[key] = array_frames(payloads) if batch else text_frames(payloads)
        return found
