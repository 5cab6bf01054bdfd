"""The program in a real terminal: what bytes come out, and what tmux shows."""

import fcntl
import os
import pty
import re
import select
import shlex
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tui_jobs import many_jobs, odd_jobs
from tui_server import PlayedServer

PROGRAM = [sys.executable, "-c", "from phaseline_tui.cli import main; main()"]
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLORFGBG", "TMUX"}} | {
    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    "TERM": "xterm-256color",
    "COLORTERM": "truecolor",
    "LANG": "C.UTF-8",
}
PATIENCE = 30.0


class Terminal:
    """The program on one side of a pseudo terminal, the test on the other."""

    def __init__(self, url: str, environment: dict[str, str], size: tuple[int, int]) -> None:
        self._master, slave = pty.openpty()
        columns, lines = size
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process = subprocess.Popen(
            [*PROGRAM, url], stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        self.output = b""

    def read_until(self, wanted: bytes) -> None:
        """Read until `wanted` has come since the last call."""
        seen = len(self.output)
        give_up = time.monotonic() + PATIENCE
        while wanted not in self.output[seen:]:
            left = give_up - time.monotonic()
            assert left > 0, self.output[-3000:]
            if select.select([self._master], [], [], left)[0]:
                self.output += os.read(self._master, 65536)

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def quit(self) -> int:
        """Press q, read what comes until the end, and return the exit code."""
        self.press("q")
        try:
            while chunk := os.read(self._master, 65536):
                self.output += chunk
        except OSError:  # How Linux says that the other side is closed.
            pass
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)


@contextmanager
def terminal(url: str, size: tuple[int, int] = (120, 40), **environment: str) -> Iterator[Terminal]:
    running = Terminal(url, ENVIRONMENT | environment, size)
    try:
        yield running
    finally:
        running.close()


OURS = re.compile(
    rb"""
      \x1b\[ [?>=<]? [\d;:]* \$? [A-Za-z~]   # CSI: colours, cursor, modes and questions
    | \x1b[=>78cM]                          # keypad, save and restore
    | \x1b\( B
    | \x1b\]22;[a-z-]*\x07                  # OSC 22: the shape of the mouse pointer
    | \x1b[P_^] [^\x1b]* \x1b\\             # DCS and APC: questions of Textual's
    """,
    re.VERBOSE,
)


def test_hostile_text_reaches_the_terminal_as_text_or_not_at_all() -> None:
    with PlayedServer(odd_jobs()) as server, terminal(server.url) as program:
        program.read_until(b"job_8")
        for _ in odd_jobs():
            program.press("\r")
            program.read_until(b"PHASES")
            program.press("\x1b")
            program.read_until(b"move")
            program.press("j")
        assert program.quit() == 0
    rest = OURS.sub(b"", program.output)
    text = rest.decode()
    assert not re.findall(r"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f]", text)
    assert not re.findall(r"[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]", text)
    assert "[31mred" in text  # Harmless without its escape, and honest.


def test_no_colour_is_sent_to_those_who_want_none() -> None:
    with PlayedServer(many_jobs()) as server, terminal(server.url, NO_COLOR="1") as program:
        program.read_until(b"IMG_0042")
        program.press("j\r")
        program.read_until(b"PHASES")
        assert program.quit() == 0
    for parameters in re.findall(rb"\x1b\[([\d;]*)m", program.output):
        for number in parameters.split(b";"):
            assert number in {b"", b"0", b"1", b"2", b"4", b"7", b"39", b"49"}, parameters


def test_sixteen_colours_are_enough() -> None:
    with PlayedServer(many_jobs()) as server, terminal(server.url, TERM="xterm", COLORTERM="") as program:
        program.read_until(b"IMG_0042")
        assert program.quit() == 0
    assert not re.search(rb"\x1b\[[\d;]*[34]8;[25];", program.output)


def test_an_idle_screen_sends_little() -> None:
    with PlayedServer([]) as server, terminal(server.url) as program:
        program.read_until(b"no jobs yet")
        for _ in range(2):
            program.read_until(b"phaseline")  # The header, with the clock in it.
        before = len(program.output)
        for _ in range(3):
            program.read_until(b"phaseline")
        assert len(program.output) - before < 3 * 600
        assert program.quit() == 0


def test_without_a_terminal_it_says_so() -> None:
    ended = subprocess.run(
        [*PROGRAM, "http://127.0.0.1:1"], env=ENVIRONMENT, capture_output=True, check=False, stdin=subprocess.DEVNULL
    )
    assert ended.returncode == 2
    assert b"must be a terminal" in ended.stderr


@pytest.mark.needs("tmux")
def test_tmux_shows_the_jobs_the_details_and_the_end(tmp_path: Path) -> None:
    socket = str(tmp_path / "tmux")

    def tmux(*arguments: str) -> str:
        command = ["tmux", "-S", socket, "-f", "/dev/null", *arguments]
        return subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout

    def wait(condition: Callable[[str], bool]) -> str:
        give_up = time.monotonic() + PATIENCE
        while True:
            screen = tmux("capture-pane", "-p")
            if condition(screen):
                return screen
            assert time.monotonic() < give_up, screen

    with PlayedServer(many_jobs()) as server:
        program = f"{shlex.join([*PROGRAM, server.url])}; echo ended with $?; exec cat"
        tmux("new-session", "-d", "-x", "80", "-y", "24", program)
        try:
            screen = wait(lambda screen: "IMG_0042.CR3" in screen)
            assert re.search(r"✗ IMG_0043\.CR3 +6/8 applying_pr\S+ +Invalid \S+ +38s failed", screen)
            tmux("send-keys", *["j"] * 7, "Enter")
            screen = wait(lambda screen: "2 ERRORS" in screen)
            assert "✗ applying_preset" in screen
            tmux("resize-window", "-x", "200", "-y", "60")
            wait(lambda screen: "2 ERRORS" in screen and "IMG_0042.CR3" in screen)
            tmux("send-keys", "Escape")
            wait(lambda screen: "enter details" in screen)
            tmux("send-keys", "/", "simple", "Enter")
            wait(lambda screen: "/simple" in screen and "IMG_0042.CR3" not in screen)
            tmux("send-keys", "q")
            wait(lambda screen: "ended with 0" in screen)
        finally:
            tmux("kill-server")
