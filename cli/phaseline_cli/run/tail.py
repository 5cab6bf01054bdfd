"""The end of a command's output as text, without escape sequences and without overwritten text."""

import codecs
import re
from collections import deque
from typing import Final

from phaseline.text import clean

CHARACTERS: Final = 65_536
"""Characters that are kept."""
_BYTES: Final = 65_536
"""Bytes that wait to become text."""
_ESCAPE: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC, DCS and other strings
    r"|\x1b[ -/]*[0-OQ-WYZ\\`-~]"  # other escapes
)
_UNFINISHED: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]{0,4096}\x1b?|[ -/]*)\Z")
_FULL_SCREEN: Final = re.compile(r"\x1b\[\?(?:1049|1047|47)([hl])")


class Tail:
    """The end of a command's output. Of a redrawn line, only the last version is kept."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._stream = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._full_screen = False
        self._at = 0
        self._text = ""

    def add(self, stream: str, data: bytes) -> None:
        """Take in what the command wrote to a stream."""
        if self._stream not in ("", stream) and self._waiting and not self._waiting[-1].endswith((b"\n", b"\r")):
            self._put(b"\n")  # a line of one stream does not continue that of the other
        self._stream = stream
        self._put(data)

    def _put(self, data: bytes) -> None:
        self._waiting.append(data)
        self._size += len(data)
        while self._size - len(self._waiting[0]) >= _BYTES:
            dropped = self._waiting.popleft()
            self._size -= len(dropped)
            self.skip(len(dropped))

    def skip(self, size: int) -> None:
        """Take note that output of about `size` characters was left out."""
        self._at += len(self._text) + size
        self._text = ""

    def after(self, position: int) -> tuple[int, str]:
        """Return the position of the first kept character after `position`, and the text from there on."""
        self._convert()
        begin = max(position, self._at)
        return begin, self._text[begin - self._at :]

    def _convert(self) -> None:
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._size = 0
        text = self._rest + self._decoder.decode(data)
        unfinished = _UNFINISHED.search(text, max(0, len(text) - 4100))
        end = len(text) if unfinished is None else unfinished.start()
        if unfinished is None and text.endswith("\r"):  # a line feed may follow
            end -= 1
        self._rest, text = text[end:], text[:end]
        text = _ESCAPE.sub("", self._without_full_screen(text)).replace("\r\n", "\n")
        text = "\n".join(map(_as_drawn_last, _without_backspaces(text).split("\n")))
        self._text += "\r".join(map(clean, text.split("\r")))
        dropped = max(0, len(self._text) - CHARACTERS)
        self._at, self._text = self._at + dropped, self._text[dropped:]

    def _without_full_screen(self, text: str) -> str:
        """Return the text without what a full-screen program drew."""
        kept = []
        parts = _FULL_SCREEN.split(text)
        for number, part in enumerate(parts):
            if number % 2:
                self._full_screen = part == "h"
            elif not self._full_screen:
                kept.append(part)
        return "".join(kept)


def _without_backspaces(text: str) -> str:
    if "\b" not in text:
        return text
    kept: list[str] = []
    for character in text:
        if character != "\b":
            kept.append(character)
        elif kept and kept[-1] not in "\n\r":
            kept.pop()
    return "".join(kept)


def _as_drawn_last(line: str) -> str:
    """Return a line from its last carriage return on, which shows that it was drawn again."""
    _, again, last = line.rpartition("\r")
    return again + last
