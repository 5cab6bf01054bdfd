import pytest
from hypothesis import given
from hypothesis import strategies as st

from phaseline_cli.run.screen import LONGEST, ROWS, Line, Screen, TerminalProgress


def lines(*chunks: bytes) -> list[str]:
    screen = Screen()
    found = [f.text for chunk in chunks for f in screen.feed(chunk) if isinstance(f, Line)]
    return found + [line.text for line in screen.rest()]


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        (b"one\ntwo\n", ["one", "two"]),
        (b"one\r\ntwo", ["one", "two"]),
        (b"\r 10%\r 20%", [" 10%", " 20%"]),
        (b" 10%\x08\x08\x08\x08 20%", [" 10%", " 20%"]),
        (b"first\nbar 10%\x1b[1A\x1b[2K\rfirst done\n", ["first", "bar 10%", "first done"]),
        (b"\x1b[31mred\x1b[0m\n", ["red"]),
        (b"\x1b[?1049hvim\n\x1b[?1049lback\n", ["back"]),
        (b"long bar 10%\rshort\x1b[K\n", ["long bar 10%", "short"]),
        (b"a\tb\n", ["a       b"]),
    ],
)
def test_rows_are_read_as_a_terminal_shows_them(written: bytes, seen: list[str]) -> None:
    assert lines(written) == seen


def test_a_redrawn_row_keeps_its_number_and_a_new_row_gets_one() -> None:
    found = [f for f in Screen().feed(b"up\nbar 1%\rbar 2%\x1b[A\rUP\n\n") if isinstance(f, Line)]
    assert [(line.text, line.row, line.ended) for line in found] == [
        ("up", 0, True),
        ("bar 1%", 1, False),
        ("bar 2%", 1, False),
        ("UP", 0, True),
        ("bar 2%", 1, True),
    ]


@given(
    st.lists(
        st.sampled_from(
            [
                b"caf\xc3\xa9 ",
                b"\r",
                b"\n",
                b"\r\n",
                b"\x1b[2K",
                b"\x1b[1A",
                b"\x1b]9;4;1;40\x1b\\",
                b"42%",
                b"\x08\x08",
            ]
        ),
        max_size=12,
    ),
    st.data(),
)
def test_chunk_boundaries_do_not_change_the_result(pieces: list[bytes], data: st.DataObject) -> None:
    written = b"".join(pieces)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(written)), max_size=6)))
    chunks = [written[a:b] for a, b in zip([0, *cuts], [*cuts, len(written)], strict=True)]
    whole, cut = Screen(), Screen()
    assert [f for chunk in chunks for f in cut.feed(chunk)] + list(cut.rest()) == [
        *whole.feed(written),
        *whole.rest(),
    ]


def test_progress_for_the_terminal_itself_is_taken_out() -> None:
    found = list(Screen().feed(b"\x1b]9;4;1;42\x07text\x1b]9;4;0\x1b\\\n"))
    assert found == [TerminalProgress(1, 42), TerminalProgress(0, None), Line("text", 0, ended=True)]


@given(st.lists(st.binary(max_size=64), max_size=20))
def test_no_bytes_stop_the_screen_or_fill_its_memory(chunks: list[bytes]) -> None:
    screen = Screen()
    for chunk in chunks:
        for found in screen.feed(chunk * 50):
            if isinstance(found, Line):
                assert len(found.text) <= LONGEST
    assert len(screen._rows) <= ROWS + 1
