"""Pictures in several kinds of terminals: queries, answers and output."""

from collections.abc import Iterator

import httpx
import pytest

from phaseline_tui.terminal.graphics import QUERIES, Graphics, parse_answers
from tests.support.servers import progress_server
from tests.support.tui_screen import ENVIRONMENT, SYNCHRONIZED, Terminal

KITTY = "\x1bP>|kitty(0.36.4)\x1b\\\x1b_Gi=4211;OK\x1b\\\x1b[6;18;9t\x1b[?62;c"
OLD_KITTY = "\x1bP>|kitty(0.26.5)\x1b\\\x1b_Gi=4211;OK\x1b\\\x1b[6;18;9t\x1b[?62;c"
GHOSTTY = "\x1bP>|ghostty 1.1.3\x1b\\\x1b_Gi=4211;OK\x1b\\\x1b[6;34;16t\x1b[?62;22;52c"
WEZTERM = "\x1bP>|WezTerm 20240203-110809\x1b\\\x1b_Gi=4211;OK\x1b\\\x1b[6;20;10t\x1b[?65;4;6;18;22c"
KONSOLE_WITHOUT_SIXELS = "\x1bP>|Konsole 21.12.3\x1b\\\x1b_Gi=4211;OK\x1b\\\x1b[?62;1c"
XTERM = "\x1bP>|XTerm(379)\x1b\\\x1b[6;17;8t\x1b[?63;1;2;4;6;9;15;16;22;28;29c"
LINUX = "\x1b[?6c"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with progress_server(tmp_path_factory.mktemp("data")) as running:
        httpx.get(
            f"{running}/dalle/simple/0xa1?generate=1", trust_env=False, verify=False, timeout=60
        ).raise_for_status()
        yield running


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (KITTY, Graphics("kitty", (9, 18))),
        (OLD_KITTY, Graphics("blocks", (9, 18))),
        (GHOSTTY, Graphics("kitty", (16, 34))),
        (WEZTERM, Graphics("sixel", (10, 20))),
        (KONSOLE_WITHOUT_SIXELS, Graphics("blocks", (10, 20))),
        (XTERM, Graphics("sixel", (8, 17))),
        (LINUX, Graphics("blocks", (10, 20))),
        ("", Graphics("blocks", (10, 20))),
        ("jjj\x1b[A" + XTERM, Graphics("sixel", (8, 17))),
        ("\x1b[6;0;0t\x1b[?4c", Graphics("blocks", (10, 20))),
    ],
)
def test_the_graphics_are_detected_from_the_terminals_answers(answers: str, expected: Graphics) -> None:
    assert parse_answers(answers) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answers", "sent", "not_sent"),
    [
        (KITTY, (b"\x1b_G", "\U0010eeee".encode()), (b"\x1bP0;",)),
        (OLD_KITTY, ("▀".encode(),), ("\U0010eeee".encode(),)),
        (XTERM, (b"\x1bP",), ("\U0010eeee".encode(), "▀".encode())),
        (LINUX, ("▀".encode(),), ("\U0010eeee".encode(),)),
    ],
    ids=["kitty", "an old kitty", "xterm", "the console"],
)
def test_a_picture_is_sent_in_the_terminals_format(
    url: str, answers: str, sent: tuple[bytes, ...], not_sent: tuple[bytes, ...]
) -> None:
    replies = SYNCHRONIZED | {QUERIES[-3:].encode(): answers.encode()}
    terminal = Terminal([url], (100, 30), ENVIRONMENT, replies)
    try:
        terminal.until(lambda screen: "0xa1" in screen.text and "100%" in screen.text)
        terminal.press("i")
        terminal.until(lambda screen: " kB" in screen.lines[0] and all(each in terminal.output for each in sent))
        before = terminal.output.index(QUERIES.encode()) + len(QUERIES)
        terminal.press("\x1b")
        terminal.until(lambda screen: "enter details" in screen.text)
        terminal.press("i")
        terminal.until(lambda screen: " kB" in screen.lines[0])
        terminal.press("\x1b")
        terminal.until(lambda screen: "enter details" in screen.text)
        assert terminal.quit() == 0
        written = bytes(terminal.output[before:])
        assert QUERIES.encode() not in written, "asked once"
        for each in sent:
            assert each in written
        for each in not_sent:
            assert each not in written
    finally:
        terminal.close()
