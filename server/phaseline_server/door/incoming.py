"""The receiving side of a WebSocket: received data, cut at the bounds of frames (RFC 6455 section 5.2).

Most frames are whole text messages. They are decoded here, because wsproto takes ten times as long for each. All other
frames are left to it: control frames, binary, fragmented and large messages, and violations of the protocol.
"""

from collections.abc import Iterator
from typing import Final

__all__ = ["Incoming"]

_TEXT: Final = 0x81  # FIN bit and opcode 1: a text message in a single frame
_FIN, _CONTROL, _MASKED = 0x80, 0x08, 0x80
_SHORT: Final = 125  # the longest payload whose length is in the second byte
_MEDIUM: Final = 126  # in the second byte: the length is in the next two bytes; 127: in the next eight
_LARGEST: Final = 65_535  # a longer frame is not collected here: each part of it would be copied many times


class Incoming:
    """Cuts the data that a client sends into text messages and other frames."""

    __slots__ = ("_fragmented", "_largest", "_missing", "_rest")

    def __init__(self, largest: int) -> None:
        """Leave messages of more than `largest` bytes to wsproto."""
        self._largest = min(largest, _LARGEST)
        self._rest = b""  # the beginning of a frame
        self._missing = 0  # bytes of the last frame that are still to come
        self._fragmented = False  # whether the last message is incomplete

    def cut(self, data: bytes) -> Iterator[str | bytes]:
        """Yield whole text messages as text, and other frames as received; these may be in parts, but never joined."""
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        if self._missing:
            at = min(self._missing, end)
            self._missing -= at
            yield data[:at]
        while end - at > 1:
            first, second = data[at], data[at + 1]
            length, start = second & 0x7F, at + 2
            if length > _SHORT:
                start += 2 if length == _MEDIUM else 8
                if start > end:
                    break
                length = int.from_bytes(data[at + 2 : start])
            if second >= _MASKED:
                start += 4
            stop = start + length
            is_text = first == _TEXT and length <= self._largest and second >= _MASKED and not self._fragmented
            if is_text and stop > end:
                break
            text = _decode(data[start - 4 : start], data[start:stop]) if is_text and _is_short(second, length) else None
            if text is None:
                if not first & _CONTROL:
                    self._fragmented = not first & _FIN
                self._missing = max(0, stop - end)
            yield data[at:stop] if text is None else text
            at = stop
        self._rest = data[at:]


def _is_short(second: int, length: int) -> bool:
    """Return whether a length up to 65,535 is written in its shortest form, as it must be."""
    return (second & 0x7F) == min(length, _MEDIUM)


def _decode(mask: bytes, payload: bytes) -> str | None:
    """Return the text of a masked payload; None if it is not UTF-8."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    unmasked = (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(size)
    try:
        return unmasked.decode()
    except UnicodeDecodeError:
        return None
