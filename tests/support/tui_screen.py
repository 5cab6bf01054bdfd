"""The program in a pseudo-terminal, and the text on its screen."""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tests.support.forked import ForkedProcess, forked_view

__all__ = ["ENVIRONMENT", "PROGRAM", "SYNCHRONIZED", "Screen", "Terminal"]

PROGRAM: Final = [sys.executable, "-c", "from phaseline_tui.cli.program import main; main()"]
# Installed packages have bytecode; without it, a start takes a fifth longer.
_UNWANTED: Final = {"NO_COLOR", "COLORFGBG", "TMUX", "STY", "PHASELINE_TUI_CONFIG", "PYTHONDONTWRITEBYTECODE"}
ENVIRONMENT: Final = {name: value for name, value in os.environ.items() if name not in _UNWANTED} | {
    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    "TERM": "xterm-256color",
    "COLORTERM": "truecolor",
    "LANG": "C.UTF-8",
    # Don't use the settings and the saved state of the user who runs the tests.
    "XDG_CONFIG_HOME": "/dev/null/config",
    "XDG_STATE_HOME": "/dev/null/state",
}
SYNCHRONIZED: Final = {b"\x1b[?2026$p": b"\x1b[?2026;2$y"}
"""Of a terminal that can show what comes together at once."""
_TOKEN: Final = re.compile(
    r"\x1b\[([?>=<]?)([\d;]*)\$?([A-Za-z~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[P_^][^\x1b]*\x1b\\|\x1b\(B|\x1b[^]\[P_^(]"
    r"|[\r\n]|[^\x1b\r\n]+",
    re.DOTALL,
)


class Screen:
    """A minimal terminal that knows the position of each character.

    Args:
        columns, lines: its size.
        width: returns how many cells a character takes; by default, each takes one.
    """

    def __init__(self, columns: int, lines: int, width: Callable[[str], int] = len) -> None:
        self._width = width
        self.cells = [[" "] * columns for _ in range(lines)]
        self._x = self._y = 0
        self._rest = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def feed(self, data: bytes) -> None:
        """Process output of the program; an incomplete sequence is stored until its end arrives."""
        text = self._rest + self._decoder.decode(data)
        at = 0
        while at < len(text) and (token := _TOKEN.match(text, at)) is not None:
            at = token.end()
            if token.group(3):
                self._control(token.group(1), token.group(2), token.group(3))
            elif token.group() == "\r":
                self._x = 0
            elif token.group() == "\n":
                self._x, self._y = 0, self._y + 1
            elif text[token.start()] != "\x1b":
                self._write(token.group())
        self._rest = text[at:]

    def _write(self, text: str) -> None:
        for character in text:
            width = self._width(character)
            if self._y < len(self.cells) and self._x < len(self.cells[0]):
                self.cells[self._y][self._x : self._x + width] = [character, *[""] * (width - 1)]
            self._x += width

    def _control(self, private: str, numbers: str, final: str) -> None:
        if private:
            return
        values = [int(number or 0) for number in numbers.split(";")]
        if final == "H":
            self._y, self._x = max(1, values[0]) - 1, max(1, values[1] if len(values) > 1 else 1) - 1
        elif final == "G":
            self._x = max(1, values[0]) - 1
        elif final == "J" and values[0] == 2:
            for line in self.cells:
                line[:] = [" "] * len(line)

    @property
    def lines(self) -> list[str]:
        """The text of each line."""
        return ["".join(line) for line in self.cells]

    @property
    def text(self) -> str:
        """The text of the whole screen."""
        return "\n".join(self.lines)


class Terminal:
    """Runs the program in a pseudo-terminal that answers queries as a modern terminal does."""

    def __init__(
        self,
        arguments: list[str],
        size: tuple[int, int],
        environment: dict[str, str] | None = None,
        answers: Mapping[bytes, bytes] = SYNCHRONIZED,
        program: Sequence[str] = (),
    ) -> None:
        """Start it.

        Args:
            arguments: of the program.
            size: columns and lines.
            environment: of the program.
            answers: the terminal's answers to queries.
            program: what is run; by default, the view is forked from a process that has imported it.
        """
        self._answers = answers
        self._answered = dict.fromkeys(answers, 0)  # up to where in the output
        self.master, slave = pty.openpty()
        columns, lines = size
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen = Screen(columns, lines)
        self.output = bytearray()
        self.started = time.monotonic()
        environment = environment or ENVIRONMENT
        self.process: subprocess.Popen[bytes] | ForkedProcess
        if program:
            self.process = subprocess.Popen(
                [*program, *arguments], stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
            )
            os.close(slave)
        else:
            self.process = forked_view(arguments, environment, slave)

    def read(self, seconds: float) -> bool:
        """Read one chunk of output within this many seconds; return whether there was one."""
        if not select.select([self.master], [], [], max(0.0, seconds))[0]:
            return False
        data = os.read(self.master, 65536)
        self.output += data
        for question, answer in self._answers.items():
            while (at := self.output.find(question, self._answered[question])) >= 0:  # which may come in two pieces
                self._answered[question] = at + len(question)
                os.write(self.master, answer)
        self.screen.feed(data)
        return True

    def read_for(self, seconds: float) -> None:
        """Read for this many seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.read(left)

    def until(self, condition: Callable[[Screen], bool], patience: float = 60.0) -> float:
        """Read until the condition holds for the screen; return the seconds it took."""
        begun = time.monotonic()
        while not condition(self.screen):
            left = begun + patience - time.monotonic()
            assert left > 0, self.screen.text
            self.read(left)
        return time.monotonic() - begun

    def resize(self, columns: int, lines: int) -> None:
        """Resize the terminal; the stored screen is cleared."""
        self.screen = Screen(columns, lines)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        os.kill(self.process.pid, signal.SIGWINCH)

    def press(self, keys: str) -> None:
        """Type keys."""
        os.write(self.master, keys.encode())

    def quit(self) -> int:
        """Press q, read output until the program exits, and return the exit code."""
        self.press("q")
        return self.read_to_the_end()

    def read_to_the_end(self) -> int:
        """Read output until the program exits, and return its exit code."""
        try:
            while self.read(60.0):
                pass
        except OSError:  # Linux reports a closed terminal by this error
            pass
        return self.exit_code()

    def exit_code(self) -> int:
        """Wait until the program exits, and return its exit code."""
        if isinstance(self.process, subprocess.Popen):
            return self.process.wait(60.0)
        self.process.join(60.0)
        code = self.process.returncode
        assert code is not None
        return code

    def vanish(self) -> None:
        """Close the terminal, as when its emulator is killed."""
        os.close(self.master)
        self.master = -1

    def close(self) -> None:
        """Kill the program if it runs, and close the terminal."""
        if self.process.poll() is None:
            self.process.kill()
            self.exit_code()
        if self.master >= 0:
            os.close(self.master)
