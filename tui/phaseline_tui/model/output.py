"""The output of one job, as a server sends it piece by piece."""

from typing import Final

import msgspec

from phaseline.text import as_drawn_last, one_line
from phaseline_tui.model.decoding import decode_answer

__all__ = ["OutputText"]

_MOST: Final = 262_144
"""Characters that are kept."""
_LONGEST_LINE: Final = 4000


class _Answer(msgspec.Struct):
    at: int
    text: str


class OutputText:
    """The text received so far.

    Attributes:
        end: The number of characters up to its end.
        lines: Its lines as a terminal would show them, each cleaned.
    """

    def __init__(self) -> None:
        self.end = 0
        self.lines: list[str] = []
        self._open = ""
        """The last line, which is still being written, as it was received."""

    def add(self, body: bytes) -> bool:
        """Add the JSON answer of a server to a request for what is after `end`; return whether there was anything.

        Raises:
            ValueError: It is no such answer.
        """
        answer = decode_answer(body, _Answer)
        if not answer.text:
            return False
        if answer.at != self.end:  # another run, or a part is missing
            self.lines, self._open = [], ""
        self.end = answer.at + len(answer.text)
        if self._open:
            self.lines.pop()
        *whole, self._open = (self._open + answer.text.replace("\r\n", "\n")).split("\n")
        self.lines += [_shown(line) for line in whole]
        if self._open:
            self.lines.append(_shown(self._open))
            self._open = self._open[-_LONGEST_LINE:]
        kept = 0
        for number in range(len(self.lines) - 1, -1, -1):
            kept += len(self.lines[number]) + 1
            if kept > _MOST:
                del self.lines[: number + 1]
                break
        return True

    def found(self, wanted: str) -> list[int]:
        """Return the numbers of the lines that contain `wanted`, ignoring case."""
        folded = wanted.strip().casefold()
        return [number for number, line in enumerate(self.lines) if folded and folded in line.casefold()]


def _shown(line: str) -> str:
    """Return a line as it was drawn last, in characters that all terminals draw."""
    text = as_drawn_last(line).expandtabs()
    indent = len(text) - len(text.lstrip(" "))
    return " " * indent + one_line(text, _LONGEST_LINE)
