"""The changed cells of a line, and that sending only these gives the new line."""

from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.style import Style

from phaseline_tui.drawing.cells import Line, pad_line, width_of, width_of_text
from phaseline_tui.drawing.differences import Stretch, changed, cut
from phaseline_tui.terminal.encoding import encode
from tests.support.tui_screen import Screen

WIDTH = 30
TEXTS = st.text(alphabet="ab █▌·日é", max_size=8)
LINES = st.lists(st.tuples(TEXTS, st.sampled_from(["text", "bad", "now/track"])), max_size=8).map(
    lambda spans: pad_line(tuple(spans), WIDTH)
)


def cells_of(line: Line) -> list[tuple[str, str]]:
    """Return each cell's character and style; of a wide character the second cell is empty."""
    return [
        cell
        for text, style in line
        for character in text
        for cell in [(character, style), ("", style)][: width_of(((character, style),))]
    ]


@given(LINES, LINES)
def test_the_sent_cells_turn_the_old_line_into_the_new_one(before: Line, after: Line) -> None:
    shown, wanted = cells_of(before), cells_of(after)
    stretches = changed(before, after)
    covered = 0
    for start, text, style in cut(after, stretches):
        cells = cells_of(((text, style),))
        shown[start : start + len(cells)] = cells
        covered += len(cells)
    assert shown == wanted
    assert covered == sum(end - start for start, end in stretches)


@given(LINES, LINES)
def test_stretches_are_within_the_line_and_not_adjacent(before: Line, after: Line) -> None:
    at = -1
    for start, end in changed(before, after):
        assert at < start < end <= WIDTH
        at = end


@given(LINES)
def test_unchanged_cells_are_not_sent(line: Line) -> None:
    assert changed(line, line) == []


def test_only_the_changed_numbers_of_a_sentence_are_sent() -> None:
    before: Line = (
        ("IMG_1.CR3 ", "text"),
        ("████", "past/past"),
        ("    ", "track/track"),
        (" 41% tile 17 of 20", "text"),
    )
    after: Line = (
        ("IMG_1.CR3 ", "text"),
        ("█████", "past/past"),
        ("   ", "track/track"),
        (" 52% tile 17 of 20", "text"),
    )
    assert changed(before, after) == [(14, 15), (19, 21)]


QUIET, LOUD = Style(color="#808080", bgcolor="#101010"), Style(color="#ffffff", bgcolor="#101010", bold=True)


def test_a_style_is_sent_once_as_a_difference_from_the_previous_one() -> None:
    sent = encode(
        [
            (0, 2, "ab", QUIET),
            (0, 4, "c", QUIET),
            (0, 8, "d", LOUD),
            (0, 9, "e", QUIET),
            (1, 0, "f", QUIET),
            (1, 1, "g", LOUD),
        ],
        ColorSystem.TRUECOLOR,
    )
    assert sent == (
        "\x1b[38;2;128;128;128;48;2;16;16;16m\x1b[1;3Habc\x1b[10Ge\x1b[2;1Hf"
        "\x1b[1;38;2;255;255;255m\x1b[1;9Hd\x1b[2;2Hg\x1b[0m"
    )
    screen = Screen(12, 2)
    screen.feed(sent.encode())
    assert screen.lines == ["  abc   de  ", "fg          "]


STYLES = {"text": QUIET, "bad": LOUD, "now/track": Style(color="#ffffff", bgcolor="#303030")}


@given(st.lists(LINES, min_size=1, max_size=4))
def test_cells_are_placed_correctly_in_any_order(lines: list[Line]) -> None:
    whole = [Stretch(0, WIDTH)]
    cells = [
        (y, x, text, STYLES.get(name, QUIET)) for y, line in enumerate(lines) for x, text, name in cut(line, whole)
    ]
    screen = Screen(WIDTH, len(lines), width_of_text)
    screen.feed(encode(cells, ColorSystem.TRUECOLOR).encode())
    assert screen.lines == ["".join(text for text, _ in line) for line in lines]


def test_ending_an_attribute_resets_the_colors_too() -> None:
    dim, loud = Style(color="#808080", dim=True), Style(color="#808080", reverse=True)
    sent = encode([(0, 0, "a", loud), (0, 1, "b", dim)], ColorSystem.STANDARD)
    assert sent == "\x1b[7;37m\x1b[1;1Ha\x1b[0;2;37m\x1b[1;2Hb\x1b[0m"
