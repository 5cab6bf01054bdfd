"""The program in a real terminal: the bytes written, and the screen in tmux."""

import random
import re
import shlex
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from phaseline_tui.drawing.themes import DARK
from phaseline_tui.user.remembered import Remembered, read_remembered
from tests.support.tui_jobs import many_jobs, odd_jobs
from tests.support.tui_load import LoadServer, jobs_at_work
from tests.support.tui_screen import ENVIRONMENT, PROGRAM, Screen, Terminal
from tests.support.tui_server import PlayedServer

PATIENCE = 60.0


@contextmanager
def terminal(url: str, size: tuple[int, int] = (120, 40), **environment: str) -> Iterator[Terminal]:
    running = Terminal([url], size, ENVIRONMENT | environment)
    try:
        yield running
    finally:
        running.close()


OURS = re.compile(
    rb"""
      \x1b\[ [?>=<]? [\d;:]* \$? [A-Za-z~]   # CSI: colors, cursor, modes and questions
    | \x1b[=>78cM]                          # keypad, save and restore
    | \x1b\( B
    | \x1b\]22;[a-z-]*\x07                  # OSC 22: the shape of the mouse pointer
    | \x1b\]2;[^\x00-\x1f\x7f-\x9f]*\x1b\\     # OSC 2: the window's title
    | \x1b\]9;4;\d;\d+\x1b\\                # OSC 9;4: progress
    | \x1b[P_^] [^\x1b]* \x1b\\             # DCS and APC: questions of Textual's
    """,
    re.VERBOSE,
)


@pytest.mark.slow
def test_hostile_text_reaches_the_terminal_only_as_text() -> None:
    with PlayedServer(odd_jobs()) as server, terminal(server.url) as program:
        program.until(lambda screen: "folded: press enter" in screen.text)
        program.press("G\r")
        program.until(lambda screen: "job_8" in screen.text)
        program.press("g")
        for _ in odd_jobs():
            program.press("\r")
            program.until(lambda screen: "PHASES" in screen.text)
            program.press("\x1b")
            program.until(lambda screen: "PHASES" not in screen.text)
            program.press("j")
        assert program.quit() == 0
    rest = OURS.sub(b"", program.output)
    text = rest.decode()
    assert not re.findall(r"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f]", text)
    assert not re.findall(r"[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]", text)
    assert "[31mred" in text  # Harmless without its escape, and honest.


def test_no_color_sends_no_colors() -> None:
    with PlayedServer(many_jobs()) as server, terminal(server.url, NO_COLOR="1") as program:
        program.until(lambda screen: "IMG_0042" in screen.text)
        program.press("j\r")
        program.until(lambda screen: "PHASES" in screen.text)
        assert program.quit() == 0
    for parameters in re.findall(rb"\x1b\[([\d;]*)m", program.output):
        for number in parameters.split(b";"):
            assert number in {b"", b"0", b"1", b"2", b"4", b"7", b"39", b"49"}, parameters


def test_sixteen_colors_are_enough() -> None:
    with PlayedServer(many_jobs()) as server, terminal(server.url, TERM="xterm", COLORTERM="") as program:
        program.until(lambda screen: "IMG_0042" in screen.text)
        assert program.quit() == 0
    assert not re.search(rb"\x1b\[[\d;]*[34]8;[25];", program.output)


@pytest.mark.slow
def test_an_idle_screen_sends_only_the_digits_of_its_clock() -> None:
    with PlayedServer([]) as server, terminal(server.url) as program:
        program.until(lambda screen: "no jobs yet" in screen.text)
        sent: list[int] = []
        for _ in range(4):
            clock = program.screen.lines[0][-10:]
            program.until(lambda screen, clock=clock: screen.lines[0][-10:] != clock)  # type: ignore[misc]
            sent.append(len(program.output))
        assert sent[-1] - sent[0] < 3 * 150
        assert program.quit() == 0


@pytest.mark.slow
def test_direct_painting_gives_the_same_screen_as_a_full_repaint() -> None:
    draw = random.Random(1)
    loaded = LoadServer(jobs_at_work(60), lambda: draw.sample(range(60), 30))
    with loaded as server, terminal(server.url) as program:
        program.until(lambda screen: "IMG_00000" in screen.text)
        server.going = True
        for key in "jjjjjkkG":
            before = len(program.output)
            program.until(lambda _screen, before=before: len(program.output) > before + 3000)  # type: ignore[misc]
            program.press(key)
        program.press("\r")
        program.until(lambda screen: "PHASES" in screen.text)
        before = len(program.output)
        program.until(lambda _screen: len(program.output) > before + 3000)
        program.press("p")  # From now on, only the clock and the count in the first line change.
        program.until(lambda screen: "PAUSED" in screen.text)
        clock = program.screen.lines[0][-10:]
        program.until(lambda screen: screen.lines[0][-10:] != clock)  # Output in progress has been read by then.
        painted = program.screen.lines[1:]
        program.resize(119, 40)
        program.until(lambda screen: "PAUSED" in screen.text)
        program.resize(120, 40)
        program.until(lambda screen: screen.lines[1:] == painted)
        assert program.quit() == 0


def test_the_mouse_selects_opens_and_scrolls() -> None:
    def cursor(screen: Screen) -> int:
        return next((at for at, line in enumerate(screen.lines) if line.startswith("▌")), -1)

    def at(column: int, line: int, *, button: int = 0) -> str:
        there = f"{button};{column + 1};{line + 1}"
        return f"\x1b[<{there}M" + (f"\x1b[<{there}m" if button == 0 else "")

    with LoadServer(jobs_at_work(200), lambda: ()) as server, terminal(server.url) as program:
        program.until(lambda screen: "IMG_00000" in screen.text)
        program.press(at(20, 6))
        program.until(lambda screen: cursor(screen) == 6)
        program.press(at(20, 9) * 2)
        program.until(lambda screen: "PHASES" in screen.text)
        line = next(at for at, text in enumerate(program.screen.lines) if "▾ PHASES" in text)
        program.press(at(2, line))
        program.until(lambda screen: "▸ PHASES" in screen.text)
        program.press("\x1b")
        program.until(lambda screen: "PHASES" not in screen.text)
        program.press(at(20, 9, button=65) * 5)
        program.until(lambda screen: "IMG_00000" not in screen.text)
        assert program.quit() == 0


def test_the_program_exits_when_its_terminal_is_closed(tmp_path: Path) -> None:
    with PlayedServer(many_jobs()) as server, terminal(server.url, XDG_STATE_HOME=str(tmp_path)) as program:
        program.until(lambda screen: "IMG_0042" in screen.text)
        program.press("s3")
        program.until(lambda screen: "PERCENTILES" in screen.text or "LAST RUNS" in screen.text)
        program.vanish()
        # Not in the terminal's session, so it receives no signal.
        assert program.exit_code() == 129
    assert read_remembered({"XDG_STATE_HOME": str(tmp_path)}) == Remembered("Statistics", "name", theme=DARK)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_program_and_restores_the_terminal(number: int, code: int) -> None:
    with PlayedServer(many_jobs()) as server, terminal(server.url) as program:
        program.until(lambda screen: "IMG_0042" in screen.text)
        before = termios.tcgetattr(program.master)
        program.process.send_signal(number)
        assert program.read_to_the_end() == code
        after = termios.tcgetattr(program.master)
    if number == signal.SIGTERM:
        assert before[3] & termios.ICANON == 0
        assert after[3] & termios.ICANON
        assert b"\x1b[?1049l" in program.output


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
            time.sleep(0.02)  # leave the processor to the program

    with PlayedServer(many_jobs()) as server:
        program = f"{shlex.join([*PROGRAM, server.url])}; echo ended with $?; exec cat"
        tmux("new-session", "-d", "-x", "80", "-y", "24", program)
        try:
            failed = re.compile(r"✗ IMG_0043\.CR3 +6/8 applying\S+ +Invalid .* 38s · \S+")
            wait(lambda screen: "IMG_0042.CR3" in screen and failed.search(screen) is not None)
            tmux("send-keys", *["j"] * 7, "Enter")
            wait(lambda screen: "2 ERRORS" in screen and "✗ applying_preset" in screen)
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
