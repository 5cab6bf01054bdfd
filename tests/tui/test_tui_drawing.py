"""The basics of drawing: widths, bars in eighths of a cell, formats of times."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from phaseline.model.states import STATES
from phaseline.text import one_line
from phaseline_tui.drawing.bars import bar
from phaseline_tui.drawing.cells import Line, fit, join, middle, pad_line, width_of, wrap
from phaseline_tui.drawing.layout import columns_for
from phaseline_tui.drawing.rows import row
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.model.jobs import JobView, Remaining, Shares
from phaseline_tui.model.state import ViewState
from phaseline_tui.model.words import band, clock_time, duration, fine_duration, remaining
from tests.support.tui_jobs import NOW, FixedClock, snapshot

SCENE = Scene(1000.0, FixedClock().wall(), FixedClock().local)
WIDTHS = (20, 39, 60, 78, 80, 100, 118, 148, 198, 300)
SHARES = st.tuples(st.floats(0, 100), st.floats(0, 100), st.floats(0, 100)).map(lambda each: Shares(*sorted(each)))
CLEAN = st.text(max_size=60).map(one_line)


def jobs(*on_the_wire: dict[str, Any]) -> list[JobView]:
    state = ViewState()
    state.apply([snapshot(list(on_the_wire))], 1000.0)
    return list(state.jobs.values())


def text_of(line: Line) -> str:
    return "".join(text for text, _ in line)


def row_text(wire: dict[str, Any], width: int, scene: Scene = SCENE) -> str:
    return text_of(row(jobs(wire)[0], columns_for(width), scene))


# Cells


@given(CLEAN, st.integers(0, 80))
def test_texts_are_fitted_to_the_cell(text: str, width: int) -> None:
    assert cell_len(fit(text, width)) == width
    assert cell_len(fit(text, width, "right")) == width
    assert cell_len(middle(text, width)) == width


@given(st.lists(CLEAN, max_size=5), st.lists(CLEAN, max_size=3), st.integers(1, 120))
def test_lines_are_padded_and_joined_to_the_cell(left: list[str], right: list[str], width: int) -> None:
    line = tuple((text, "") for text in left)
    assert width_of(pad_line(line, width)) == width
    assert width_of(join(line, tuple((text, "") for text in right), width)) == width


@given(CLEAN, st.integers(2, 40))
def test_wrapped_lines_keep_the_width_and_every_word(text: str, width: int) -> None:
    lines = wrap(text, width, most=1000)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@given(CLEAN, st.integers(1, 40))
def test_the_length_of_a_text_does_not_change_its_first_lines(text: str, width: int) -> None:
    long = f"{text}x" * 20
    assert wrap(long, width, most=5)[:4] == wrap(long, width, most=10_000)[:4]
    assert fit(long, width) == fit(long + "x" * 10_000, width) or cell_len(long) <= width


def test_a_long_name_keeps_both_its_ends() -> None:
    assert middle("DSC_8812_panorama_stitched_final.NEF", 18) == "DSC_8812_…al.NEF  "
    assert fit("東京タワー", 6) == "東京… "
    assert middle("東京タワーの夜景.CR3", 12) == "東京タ….CR3 "
    assert wrap("one two three", 7) == ["one two", "three"]
    assert wrap("x" * 50, 10, most=2) == ["x" * 10, "x" * 9 + "…"]


# Bars


@given(SHARES, st.integers(1, 60), st.booleans())
def test_a_bar_has_the_requested_width(shares: Shares, width: int, shades: bool) -> None:
    assert width_of(bar(shares, width, shades=shades)) == width


@given(SHARES, st.integers(1, 60))
def test_only_a_finished_bar_is_full(shares: Shares, width: int) -> None:
    full = text_of(bar(shares, width, shades=True)) == "━" * width
    assert full == (shares.percent == 100)


def test_a_bar_is_precise_to_half_a_cell() -> None:
    seen = [text_of(bar(Shares(0, percent, percent), 2, shades=True)) for percent in (0, 24, 25, 49, 50, 75, 99, 100)]
    assert seen == ["──", "──", "╸─", "╸─", "━─", "━╸", "━╸", "━━"]


def test_a_bar_keeps_space_between_two_lines() -> None:
    for shades in (True, False):
        assert set(text_of(bar(Shares(25, 51.6, 75), 8, shades=shades))) <= set("━╸─═·")


def test_the_share_of_the_current_phase_has_its_own_shade() -> None:
    assert bar(Shares(25, 50, 75), 8, shades=True) == (
        ("━━", "past"),
        ("━━", "now"),
        ("──", "past"),
        ("──", "rule"),
    )
    assert bar(Shares(25, 57, 75), 8, shades=True)[1] == ("━━╸", "now")


def test_the_bar_of_a_job_that_stands_is_dim_to_its_end() -> None:
    assert bar(Shares(6, 6, 6), 8, shades=True) == (("────────", "rule"),)
    assert bar(Shares(7, 7, 7), 8, shades=True)[0] == ("╸", "past")
    assert bar(Shares(50, 50, 50), 8, shades=False)[0] == ("════", "past/")


def test_without_shades_the_parts_differ_in_character() -> None:
    assert text_of(bar(Shares(25, 50, 75), 8, shades=False)) == "══━━──··"


# Words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0s"), (59.9, "59s"), (60, "1m 00s"), (250, "4m 10s"), (3600, "1h 00m"), (3725, "1h 02m"), (90000, "1d 01h")],
)
def test_durations_have_their_two_largest_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@given(st.floats(0, 1e9))
def test_a_duration_never_takes_more_than_seven_characters(seconds: float) -> None:
    assert len(duration(seconds)) <= 7
    assert len(fine_duration(seconds)) <= 7


def test_short_phases_have_tenths_or_thousandths() -> None:
    assert [fine_duration(each) for each in (0, 0.04, 0.44, 9.94, 9.96, 12.3)] == [
        "0ms",
        "40ms",
        "0.4s",
        "9.9s",
        "9s",
        "12s",
    ]


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (180, 420, "3–7m"),
        (40, 70, "40–70s"),
        (3600, 7200, "1–2h"),
        (50, 170, "1–3m"),
        (10, 170, "<3m"),
        (240, 260, "~4m"),
        (0, 3, "0–3s"),
        (86400, 864000, "1–10d"),
        (9, 1e9, ">99d"),
        (500, 100, "~2m"),
    ],
)
def test_bands_are_short(low: float, high: float, words: str) -> None:
    assert band(low, high) == words
    assert len(f"({words})") <= 8


def test_an_unknown_remaining_time_is_a_dash() -> None:
    assert remaining(None) == "—"
    assert remaining(Remaining(249.2, None, None)) == "4m"
    assert remaining(Remaining(-0.5, None, None)) == "0s"
    assert remaining(Remaining(-12.0, None, None)) == "late 12s"


@pytest.mark.parametrize(
    ("hours", "words"),
    [(0, "18:38"), (6, "Tue 00:38"), (-24, "Sun 18:38"), (24 * 20, "29 Nov 18:38"), (24 * 80, "2027-01-28")],
)
def test_clock_times_of_another_day_name_the_day(hours: float, words: str) -> None:
    now = NOW.timestamp()
    assert clock_time(now + hours * 3600, FixedClock().local, now) == words


def test_a_time_outside_the_calendar_is_unknown() -> None:
    assert clock_time(1e15, FixedClock().local, NOW.timestamp()) == "—"
    assert clock_time(None, FixedClock().local, NOW.timestamp()) == "—"


def test_every_state_has_its_own_symbol() -> None:
    signs = {state.sign for state in STATES}
    assert len(signs) == len(STATES)
    assert all(cell_len(sign) == 1 for sign in signs)
