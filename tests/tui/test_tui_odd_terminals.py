"""Terminals and outputs with a peculiarity: other encodings, no screen, closed or full outputs, suspension."""

import os
import signal
import subprocess
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from phaseline_tui.terminal.title import shows_progress
from tests.support.tui_jobs import many_jobs
from tests.support.tui_screen import ENVIRONMENT, PROGRAM, Terminal
from tests.support.tui_server import PlayedServer

CLOSED = "standard input, output and error must be open; redirect them to /dev/null instead"


@contextmanager
def viewing(program: Sequence[str] = (), **environment: str) -> Iterator[Terminal]:
    with PlayedServer(many_jobs()) as server:
        running = Terminal([server.url], (120, 40), ENVIRONMENT | environment, program=program)
        try:
            yield running
        finally:
            running.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "keys", [b"\xe9", b"\xff\xfe", b"\xc3", b"\x1b[M \xa0\xff", b"\x1b[M\xe9\xe9\xe9\x1b[M!\x80\x80"], ids=ascii
)
def test_keys_that_are_not_utf_8_are_harmless(keys: bytes) -> None:
    with viewing() as program:
        program.until(lambda screen: "IMG_0042" in screen.text)
        os.write(program.master, keys)
        program.press("jj?")  # a broken sequence may take the first two
        program.until(lambda screen: "Ctrl+X" in screen.text)
        program.press("\x1b")
        program.until(lambda screen: "Ctrl+X" not in screen.text)
        assert program.quit() == 0


@pytest.mark.slow
def test_letters_that_are_not_utf_8_are_visible_in_the_filter() -> None:
    with viewing() as program:
        program.until(lambda screen: "IMG_0042" in screen.text)
        program.press("/")
        os.write(program.master, b"IMG\xe9x")
        program.until(lambda screen: "no job matches IMG\ufffdx" in screen.text)
        program.press("\x1b")
        program.until(lambda screen: "IMG_0042" in screen.text)
        assert program.quit() == 0


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_without_a_screen_gets_lines(term: str) -> None:
    with viewing(TERM=term) as program:
        program.until(lambda screen: "jobs known" in screen.text)
        program.process.send_signal(signal.SIGTERM)
        assert program.read_to_the_end() == -signal.SIGTERM
    assert b"\x1b" not in program.output


@pytest.mark.slow
def test_another_encoding_than_utf_8_gets_ascii() -> None:
    with viewing(PROGRAM, PYTHONIOENCODING="iso-8859-1") as program:
        program.until(lambda screen: "IMG_0042" in screen.text)
        assert program.quit() == 0
    assert program.output.isascii()
    assert b"\\u" not in program.output
    assert b"\\x" not in program.output


def test_ctrl_z_suspends_and_continuing_restores_the_screen() -> None:
    with viewing(PROGRAM) as program:  # only a parent sees that it stops
        before = termios.tcgetattr(program.master)[3]
        program.until(lambda screen: "IMG_0042" in screen.text)
        assert not termios.tcgetattr(program.master)[3] & termios.ICANON
        program.press("\x1a")
        _, status = os.waitpid(program.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert termios.tcgetattr(program.master)[3] == before
        while program.read(0.0):
            pass
        assert b"\x1b[?1049l" in program.output
        program.resize(120, 40)
        program.process.send_signal(signal.SIGCONT)
        program.until(lambda screen: "IMG_0042" in screen.text and "filter" in screen.text)
        program.press("?")
        program.until(lambda screen: "Ctrl+X" in screen.text)
        program.press("\x1b")
        program.until(lambda screen: "Ctrl+X" not in screen.text)
        assert program.quit() == 0


def printed(redirection: str, *flags: str) -> tuple[int, str]:
    """Run the program in a shell with this redirection; return its exit code and its standard error."""
    with PlayedServer(many_jobs()) as server:
        command = f'"$@" {redirection}'
        done = subprocess.run(
            ["/bin/sh", "-c", command, "sh", *PROGRAM, *flags, server.url],
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )
    return done.returncode, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("flag", ["--once", "--plain"])
def test_an_output_that_is_full_ends_with_one_line(flag: str) -> None:
    code, words = printed(">/dev/full", flag)
    assert (code, words) == (2, "progress-tui: error: cannot write to standard output: No space left on device\n")


@pytest.mark.parametrize("flags", [("--once",), ("--plain",), ()])
def test_an_output_that_is_closed_ends_with_one_line(flags: tuple[str, ...]) -> None:
    code, words = printed(">&-", *flags)
    assert (code, words) == (2, f"progress-tui: error: {CLOSED}\n")


@pytest.mark.parametrize("flags", [("--once",), ()])
def test_a_standard_error_that_is_closed_ends_the_view(flags: tuple[str, ...]) -> None:
    assert printed("2>&-", *flags) == (2, "")


@pytest.mark.parametrize(
    ("environ", "shown"),
    [
        ({}, False),
        ({"WT_SESSION": "c0ffee"}, True),
        ({"ConEmuANSI": "ON"}, True),
        ({"ConEmuANSI": "OFF"}, False),
        ({"TERM_PROGRAM": "iTerm.app", "TERM_PROGRAM_VERSION": "3.6.5"}, False),
        ({"TERM_PROGRAM": "iTerm.app", "TERM_PROGRAM_VERSION": "3.6.6"}, True),
        ({"TERM_PROGRAM": "tmux", "LC_TERMINAL": "iTerm2", "LC_TERMINAL_VERSION": "3.7.0beta1"}, True),
        ({"TERM_PROGRAM": "ghostty", "TERM_PROGRAM_VERSION": "1.1.3"}, False),
        ({"TERM_PROGRAM": "ghostty", "TERM_PROGRAM_VERSION": "1.2.0-arch1"}, True),
        ({"TERM_PROGRAM": "WezTerm", "TERM_PROGRAM_VERSION": "20240203-110809-5046fc22"}, False),
        ({"TERM_PROGRAM": "WezTerm", "TERM_PROGRAM_VERSION": "20250209-182623-44866cc1"}, True),
        ({"TERM_PROGRAM": "Apple_Terminal", "TERM_PROGRAM_VERSION": "455"}, False),
        ({"VTE_VERSION": "7802"}, False),
        ({"VTE_VERSION": "8002"}, True),
        ({"VTE_VERSION": "new", "TERM_PROGRAM": "ghostty"}, False),
    ],
)
def test_progress_is_sent_to_terminals_that_show_it(environ: dict[str, str], shown: bool) -> None:
    assert shows_progress(environ) is shown
