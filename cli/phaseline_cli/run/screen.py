r"""Turn a program's output into lines as a person sees them: redrawn, erased, overwritten.

Progress bars are not lines of text: they are redrawn by `\r`, by backspaces, or by moving the cursor up. A
`Screen` keeps the last rows as a terminal would and yields a `Line` whenever the program leaves a row that it has
changed. It knows as much of a terminal as progress bars use; a full-screen program's alternate screen is skipped.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

ROWS: Final = 24
LONGEST: Final = 4096
"""Characters of one row. Longer lines are cut: no progress bar needs more, and a binary file must not fill memory."""
LONGEST_ESCAPE: Final = 4096

_PIECE: Final = re.compile(
    r"[^\x00-\x1f\x7f]+"  # text
    r"|\r\n|[\r\n]|\x08+|\t"
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC, DCS and other strings
    r"|\x1b[ -/]*[0-OQ-WYZ\\`-~]"  # other escapes
)
_UNFINISHED: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)\Z")
_OSC_PROGRESS: Final = re.compile(r"\x1b\]9;4;(\d)(?:;(\d{1,3}))?")

_VERTICAL: Final = {"A": -1, "F": -1, "B": 1, "E": 1}
_ALTERNATE: Final = frozenset({"\x1b[?1049", "\x1b[?1047", "\x1b[?47"})


@dataclass(frozen=True, slots=True)
class Line:
    """A row as it stood when the program left it."""

    text: str
    row: int
    """The row's number since the start; a redrawn row keeps its number."""
    ended: bool
    """Whether a line feed ended it; else it was redrawn or is still being written."""


@dataclass(frozen=True, slots=True)
class TerminalProgress:
    """A progress state sent to the terminal itself (OSC 9;4)."""

    state: int
    """0 removed, 1 set, 2 error, 3 busy, 4 paused."""
    percent: int | None


class Screen:
    """A terminal of 24 rows, as far as progress bars need one."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rows: dict[int, str] = {}
        self._row = 0
        self._column = 0
        self._last = 0
        self._changed = False
        self._saved = (0, 0)
        self._rest = ""
        self._alternate = False

    def feed(self, data: bytes) -> Iterator[Line | TerminalProgress]:
        """Yield each row that the program leaves after changing it."""
        text = self._rest + self._decoder.decode(data)
        self._rest = ""
        unfinished = _UNFINISHED.search(text, max(0, len(text) - LONGEST_ESCAPE))
        if unfinished is not None:
            self._rest = unfinished.group()
            text = text[: unfinished.start()]
        elif text.endswith("\r"):  # a line feed may follow
            self._rest = "\r"
            text = text[:-1]
        for piece in _PIECE.findall(text):
            yield from self._take(piece)

    def rest(self) -> Iterator[Line]:
        """Yield the row that is being written, for when the program pauses in the middle of it."""
        if self._rest == "\r":
            self._rest = ""
            self._column = 0
        yield from self._leave(ended=False)

    def _take(self, piece: str) -> Iterator[Line | TerminalProgress]:
        first = piece[0]
        if first == "\x1b":
            yield from self._escape(piece)
        elif self._alternate:
            return
        elif first == "\r":
            ended = piece != "\r"
            yield from self._leave(ended=ended)
            self._column = 0
            if ended:
                self._down(1)
        elif first == "\n":
            yield from self._leave(ended=True)
            self._column = 0  # a pipe's line feed also returns; a terminal's driver sends \r\n
            self._down(1)
        elif first == "\x08":
            yield from self._leave(ended=False)
            self._column = max(0, self._column - len(piece))
        elif first == "\t":
            self._write(" " * (8 - self._column % 8))
        else:
            self._write(piece)

    def _write(self, text: str) -> None:
        column = self._column
        text = text[: LONGEST - column]
        if not text:
            return
        row = self._rows.get(self._row, "")
        if len(row) < column:
            row = row.ljust(column)
        self._column = column + len(text)
        self._rows[self._row] = row[:column] + text + row[self._column :]
        self._changed = True

    def _leave(self, *, ended: bool) -> Iterator[Line]:
        if not self._changed and not ended:
            return
        changed, self._changed = self._changed, False
        text = self._rows.get(self._row, "").rstrip()
        if text and (changed or ended):
            yield Line(text, self._row, ended)

    def _down(self, rows: int) -> None:
        self._row += rows
        if self._row > self._last:
            for row in range(self._last + 1, self._row + 1):
                self._rows.pop(row - ROWS, None)
            self._last = self._row

    def _move(self, row: int, column: int) -> Iterator[Line]:
        yield from self._leave(ended=False)
        top = max(0, self._last - ROWS + 1)
        self._row = max(top, min(row, top + ROWS - 1))
        self._down(0)
        self._column = max(0, min(column, LONGEST))

    def _escape(self, piece: str) -> Iterator[Line | TerminalProgress]:
        if piece[1] == "]":
            progress = _OSC_PROGRESS.match(piece)
            if progress is not None:
                percent = progress.group(2)
                yield TerminalProgress(int(progress.group(1)), None if percent is None else min(100, int(percent)))
        elif piece[:-1] in _ALTERNATE:
            self._alternate = piece[-1] == "h"
        elif self._alternate:
            return
        elif piece in ("\x1b7", "\x1b[s"):
            self._saved = (self._row, self._column)
        elif piece in ("\x1b8", "\x1b[u"):
            yield from self._move(*self._saved)
        elif piece[1] == "[":
            yield from self._control(piece[-1], piece[2:-1])

    def _control(self, final: str, parameters: str) -> Iterator[Line]:
        numbers = [int(n) if n.isdigit() else 0 for n in parameters.split(";")[:2]]
        n = max(1, min(numbers[0], LONGEST))
        if final in _VERTICAL:
            column = 0 if final in "EF" else self._column
            yield from self._move(self._row + n * _VERTICAL[final], column)
        elif final == "C":
            self._column = min(self._column + n, LONGEST)
        elif final in "DG":
            yield from self._move(self._row, n - 1 if final == "G" else self._column - n)
        elif final in "Hf":
            top = max(0, self._last - ROWS + 1)
            yield from self._move(top + n - 1, max(1, *numbers[1:2], 1) - 1)
        elif final in "JK":
            if numbers[0] != 0 or self._column == 0:  # otherwise it clears the rest of a longer text
                yield from self._leave(ended=False)
            self._erase(numbers[0])
            if final == "J":
                for row in [row for row in self._rows if row > self._row or numbers[0] in (2, 3)]:
                    del self._rows[row]

    def _erase(self, how: int) -> None:
        row = self._rows.get(self._row, "")
        if how == 0:
            self._rows[self._row] = row[: self._column]
        elif how == 1:
            self._rows[self._row] = " " * self._column + row[self._column :]
        else:
            self._rows[self._row] = ""
