"""How things look: widths that always fit, bars with eighths, words for times."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from phaseline.snapshot import PhaseState, State
from phaseline_tui.cleaning import clean
from phaseline_tui.connection import LinkState, LinkStatus
from phaseline_tui.drawing import chrome
from phaseline_tui.drawing.bars import bar
from phaseline_tui.drawing.cells import Line, fit, join, middle, pad_line, width_of, wrap
from phaseline_tui.drawing.columns import columns_for, heading
from phaseline_tui.drawing.detail import detail
from phaseline_tui.drawing.gantt import Strip, strips
from phaseline_tui.drawing.palette import Palette
from phaseline_tui.drawing.rows import row
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.drawing.themes import ANSI, DARK, LIGHT, choose_theme, themes_for
from phaseline_tui.drawing.words import band, clock_time, duration, fine_duration, remaining, state_glyph
from phaseline_tui.jobs import JobView, Remaining, Shares
from phaseline_tui.state import Counts, ViewState
from tui_jobs import NOW, FixedClock, dalle_job, failed_photo, many_jobs, odd_jobs, photo_job, snapshot

SCENE = Scene(1000.0, FixedClock().wall(), FixedClock().local)
WIDTHS = (20, 39, 60, 78, 80, 100, 118, 148, 198, 300)
SHARES = st.tuples(st.floats(0, 100), st.floats(0, 100), st.floats(0, 100)).map(lambda each: Shares(*sorted(each)))
CLEAN = st.text(max_size=60).map(clean)


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


def test_a_long_name_keeps_both_its_ends() -> None:
    assert middle("DSC_8812_panorama_stitched_final.NEF", 18) == "DSC_8812_pa…al.NEF"
    assert fit("東京タワー", 6) == "東京… "
    assert wrap("one two three", 7) == ["one two", "three"]
    assert wrap("x" * 50, 10, most=2) == ["x" * 10, "x" * 9 + "…"]


# Bars


@given(SHARES, st.integers(1, 60), st.booleans())
def test_a_bar_has_its_width(shares: Shares, width: int, shades: bool) -> None:
    assert width_of(bar(shares, width, shades=shades)) == width


@given(SHARES, st.integers(1, 60))
def test_only_a_finished_bar_is_full(shares: Shares, width: int) -> None:
    full = text_of(bar(shares, width, shades=True)) == "█" * width
    assert full == (shares.percent == 100)


def test_a_bar_is_precise_to_an_eighth_of_a_cell() -> None:
    seen = [text_of(bar(Shares(0, percent, percent), 1, shades=True)) for percent in range(0, 100, 12)]
    assert seen == [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "▉"]


def test_the_current_phases_share_has_a_shade_of_its_own() -> None:
    assert bar(Shares(25, 50, 75), 8, shades=True) == (
        ("██", "past/past"),
        ("██", "now/now"),
        ("  ", "rest/rest"),
        ("  ", "track/track"),
    )
    assert bar(Shares(25, 51.6, 75), 8, shades=True)[2] == ("▏", "now/rest")


def test_without_shades_characters_tell_the_parts_apart() -> None:
    assert text_of(bar(Shares(25, 50, 75), 8, shades=False)) == "██▓▓░░··"


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


def test_the_time_left_is_never_made_up() -> None:
    assert remaining(None) == "—"
    assert remaining(Remaining(249.2, None, None)) == "4m 10s"
    assert remaining(Remaining(-0.5, None, None)) == "0s"
    assert remaining(Remaining(-12.0, None, None)) == "late 12s"


@pytest.mark.parametrize(
    ("hours", "words"),
    [(0, "18:38"), (6, "Tue 00:38"), (-24, "Sun 18:38"), (24 * 20, "29 Nov 18:38"), (24 * 80, "2027-01-28")],
)
def test_clock_times_name_their_day_when_it_is_another(hours: float, words: str) -> None:
    now = NOW.timestamp()
    assert clock_time(now + hours * 3600, FixedClock().local, now) == words


def test_a_time_that_no_calendar_reaches_is_unknown() -> None:
    assert clock_time(1e15, FixedClock().local, NOW.timestamp()) == "—"
    assert clock_time(None, FixedClock().local, NOW.timestamp()) == "—"


def test_every_state_has_a_sign_of_its_own() -> None:
    states = [state for state in State if state is not State.ABSENT]
    glyphs = {state_glyph(state) for state in states}
    assert len(glyphs) == len(states)
    assert all(cell_len(glyph) == 1 for glyph in glyphs)


# Columns and rows


@given(st.integers(1, 500))
def test_columns_fill_the_width(width: int) -> None:
    columns = columns_for(width)
    assert sum(columns.widths.values()) + len(columns.widths) - 1 == max(width, 39 - 15)
    if width >= 39:
        assert width_of(heading(columns)) == width


def test_a_wider_screen_never_shows_less() -> None:
    shown: set[str] = set()
    for width in range(39, 300):
        assert shown <= set(columns_for(width).widths)
        shown = set(columns_for(width).widths)


def test_at_eighty_columns_everything_that_matters_has_a_place() -> None:
    assert {"mark", "name", "phase", "bar", "percent", "elapsed", "eta"} <= set(columns_for(78).widths)


@pytest.mark.parametrize("width", [width for width in WIDTHS if width >= 39])
@pytest.mark.parametrize("shades", [True, False])
def test_every_row_is_exactly_as_wide_as_the_list(width: int, shades: bool) -> None:
    for stale in (True, False):
        scene = SCENE._replace(shades=shades, stale=stale)
        for job in jobs(*many_jobs(), *odd_jobs()):
            assert width_of(row(job, columns_for(width), scene)) == width


def test_a_row_tells_the_time_left_twice_and_its_band() -> None:
    job = photo_job("j", "IMG_1.CR3", 6, progress=50.0, speed=9.0)
    job |= {"eta_seconds": 250.0, "eta_low_seconds": 180.0, "eta_high_seconds": 420.0}
    assert "4m 10s · 18:42 (3–7m)" in row_text(job, 118)
    assert "4m 10s · 18:42" in row_text(job, 78)


def test_a_job_without_an_estimate_has_a_dash() -> None:
    assert row_text(photo_job("j", "IMG_1.CR3", 1, known=False), 78).rstrip().endswith("—")


def test_an_estimate_that_has_passed_says_so() -> None:
    job = photo_job("j", "IMG_1.CR3", 6, progress=50.0) | {"eta_seconds": 5.0}
    assert "late 55s" in row_text(job, 78, SCENE._replace(now=1060.0))


def test_a_failed_job_tells_why_where_its_bar_was() -> None:
    job = dalle_job("simple", "0xdead", 6, state="failed", result={"error": "no picture"})
    assert "no picture" in row_text(job, 78)
    assert "✗" in row_text(job, 78)


def test_a_narrow_list_names_the_series_with_the_address() -> None:
    address = "0x1f9840a85d5af5bf1d1762f925bdaddc4201f984"
    assert "simple/0x1f…01f984" in row_text(dalle_job("simple", address, 5), 78)
    assert "0x1f98…01f984 " in row_text(dalle_job("simple", address, 5), 118)
    assert "dalle·simple" in row_text(dalle_job("simple", address, 5), 118)


# Details


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("shades", [True, False])
def test_every_line_of_the_details_fits(width: int, shades: bool) -> None:
    for job in jobs(*many_jobs(), *odd_jobs()):
        for now in (1000.0, 1030.0, 99999.0):
            lines = detail(job, width, SCENE._replace(shades=shades, now=now))
            assert {width_of(line) for line in lines} == {width}


def test_the_timeline_tells_every_phase_with_its_sign_and_average() -> None:
    text = "\n".join(
        text_of(line) for line in detail(jobs(dalle_job("simple", "0x1", 5, progress=45.0))[0], 100, SCENE)
    )
    for words in ("✓ setup", "↷ enhance_prompt", "skipped", "► image_wait", "24s", "45%", "· image_download", "1.5s"):
        assert words in text


def test_errors_are_told_in_words_with_their_phase_and_time() -> None:
    text = "\n".join(text_of(line) for line in detail(jobs(failed_photo())[0], 100, SCENE))
    assert "2 ERRORS" in text
    assert "✗ Invalid exposure value: the preset asks for more than the raw converter can do" in text
    assert "validation_error  in applying_preset  at 18:37:21" in text
    assert "allowed  -5 to 5" in text
    assert text.count("Invalid exposure value") == 1


def test_details_are_readable_lines() -> None:
    result = {"ok": True, "size": [1024, 768], "none": None, "deep": {"a": [{"b": 1.50}, "c"]}, "long": ["x" * 40] * 3}
    job = photo_job("j", "a.jpg", 8, state="completed", result=result)
    text = [text_of(line).rstrip() for line in detail(jobs(job)[0], 60, SCENE)]
    at = next(number for number, line in enumerate(text) if line.startswith("RESULT"))
    assert text[at + 1 : at + 12] == [
        "ok    yes",
        "size  1024, 768",
        "none  —",
        "deep",
        "  a",
        "    -",
        "      b  1.5",
        "    - c",
        "long",
        "  - " + "x" * 40,
        "  - " + "x" * 40,
    ]


@given(
    st.sampled_from(list(PhaseState)),
    st.floats(0, 1e6),
    st.floats(0, 1e6),
    st.none() | st.floats(0, 1e6),
    st.integers(1, 120),
    st.booleans(),
)
def test_a_strip_has_its_width_wherever_it_lies(
    state: PhaseState, start: float, spent: float, average: float | None, width: int, shades: bool
) -> None:
    usual = None if average is None else start + average
    strip = Strip(state, start, start + spent, usual, start + spent, "45%")
    total = max(start + spent, usual or 0.0, 1e-3)
    assert width_of(strip.draw(width, total, shades=shades)) == width


def test_a_strip_marks_the_average_and_what_goes_beyond_it() -> None:
    slow = Strip(PhaseState.DONE, 0.0, 8.0, 4.0, 8.0).draw(10, 10.0, shades=True)
    assert slow == (("████", "past/past"), ("│", "text/past"), ("███", "over/over"), ("  ", ""))
    usual = Strip(PhaseState.DONE, 2.0, 5.0, 6.0, 5.0).draw(10, 10.0, shades=True)
    assert usual == (("  ", ""), ("███", "past/past"), (" ", ""), ("│", "muted"), ("   ", ""))


def test_without_shades_a_strip_beyond_its_average_has_another_character() -> None:
    slow = Strip(PhaseState.DONE, 0.0, 8.0, 4.0, 8.0).draw(10, 10.0, shades=False)
    assert text_of(slow) == "████│▓▓▓  "


def test_a_short_phase_keeps_its_bar_where_its_mark_would_be() -> None:
    short = Strip(PhaseState.DONE, 0.0, 0.4, 0.5, 0.4).draw(10, 10.0, shades=True)
    assert text_of(short) == "▍         "


def test_a_phase_that_has_hardly_begun_is_expected_to_take_what_it_usually_takes() -> None:
    found, total = strips(jobs(dalle_job("simple", "0x1", 5, progress=0.4))[0], 1003.0)
    current = found[4]
    assert current is not None
    assert current.likely_end - current.start == pytest.approx(24.0 * 0.996 + 3.0 + 24.0 * 0.004)
    assert total < 40


def test_how_far_the_current_phase_is_stands_behind_its_bar_or_at_its_end() -> None:
    behind = Strip(PhaseState.CURRENT, 0.0, 2.0, None, 4.0, "50%").draw(10, 10.0, shades=True)
    assert text_of(behind) == "██   50%  "
    inside = Strip(PhaseState.CURRENT, 0.0, 5.0, None, 10.0, "50%").draw(10, 10.0, shades=True)
    assert text_of(inside) == "█████  50%"


def test_phases_to_come_lie_after_the_current_one() -> None:
    found, total = strips(jobs(dalle_job("simple", "0x1", 5, progress=50.0))[0], 1000.0)
    drawn = [strip for strip in found if strip is not None]
    assert [strip.state for strip in drawn[-3:]] == [PhaseState.PENDING] * 3
    assert all(earlier.start <= later.start for earlier, later in pairwise(drawn))
    assert total >= drawn[-1].likely_end


# Chrome


@pytest.mark.parametrize("state", list(LinkState))
@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_the_lines_around_the_list_fit(state: LinkState, width: int) -> None:
    status = LinkStatus(state, "nothing heard from http://a-rather-long-name.example.org:5100", 990.0, 1004.0)
    url = "http://a-rather-long-name.example.org:5100"
    assert width_of(chrome.header(url, status, Counts(123, 4, 5678, 9, 1), width, SCENE)) == width
    assert {width_of(line) for line in chrome.trouble(status, width, SCENE)} <= {width}
    places: list[chrome.Place] = ["list", "detail", "page", "filter"]
    for where in places:
        assert width_of(chrome.keys(width, "some words", 3, 4567, where=where)) == width
    for synced, text in ((True, ""), (False, ""), (True, "zzz")):
        lines = chrome.empty(url, status, width, synced=synced, filter_text=text)
        assert all(width_of(line) <= width for line in lines)


def test_trouble_says_what_when_and_which_key() -> None:
    waiting = LinkStatus(LinkState.WAITING, "no server", 1000.0, 1003.4)
    (line,) = chrome.trouble(waiting, 80, SCENE)
    assert text_of(line).split("  ")[0] == " ! no server"
    assert "next try in 4s  r tries now" in text_of(line)
    stale = LinkStatus(LinkState.STALE, "nothing heard from x", 988.0)
    (line,) = chrome.trouble(stale, 120, SCENE)
    assert "nothing heard from x for 12s: what you see may be old" in text_of(line)
    assert chrome.trouble(LinkStatus(LinkState.CONNECTED), 80, SCENE) == []
    assert chrome.trouble(LinkStatus(LinkState.CONNECTING), 80, SCENE) == []


def test_the_trouble_stays_on_the_screen_while_the_next_attempt_is_made() -> None:
    (line,) = chrome.trouble(LinkStatus(LinkState.CONNECTING, "no server"), 80, SCENE)
    assert "no server" in text_of(line)
    assert "trying again" in text_of(line)


def test_no_jobs_yet_shows_the_line_that_starts_one() -> None:
    url = "http://127.0.0.1:8080"
    lines = chrome.empty(url, LinkStatus(LinkState.CONNECTED), 80, synced=True, filter_text="")
    text = "\n".join(text_of(line) for line in lines)
    assert "curl 'http://127.0.0.1:8080/dalle/simple/0x1234?generate=1'" in text


# Colours


@pytest.mark.parametrize(
    ("environ", "system", "no_color", "theme"),
    [
        ({}, "truecolor", False, DARK),
        ({}, "256", False, DARK),
        ({"COLORFGBG": "15;0"}, "256", False, DARK),
        ({"COLORFGBG": "0;15"}, "truecolor", False, LIGHT),
        ({"COLORFGBG": "0;default;15"}, "truecolor", False, LIGHT),
        ({"COLORFGBG": "nonsense"}, "truecolor", False, DARK),
        ({}, "standard", False, ANSI),
        ({}, None, False, ANSI),
        ({"COLORFGBG": "0;15"}, "truecolor", True, ANSI),
    ],
)
def test_the_theme_fits_the_terminal(environ: dict[str, str], system: str | None, no_color: bool, theme: str) -> None:
    assert choose_theme(environ, system, no_color=no_color) == theme


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("system", ["truecolor", "256"])
@pytest.mark.parametrize("name", [DARK, LIGHT])
def test_every_text_can_be_read_on_its_ground(system: str, name: str) -> None:
    (theme,) = [theme for theme in themes_for(system) if theme.name == name]
    palette = Palette(theme)
    for text in ("text", "strong", "muted", "now", "good", "bad", "warn"):
        style = palette.style(text)
        assert style.color is not None
        assert style.bgcolor is not None
        assert contrast(style.color.name, style.bgcolor.name) >= 4.5, text


def test_without_colours_only_attributes_are_left() -> None:
    (theme,) = [theme for theme in themes_for(None) if theme.name == ANSI]
    palette = Palette(theme, no_color=True)
    assert palette.style("bad").color is None
    assert palette.style("strong").bold
    assert palette.style("text", "cursor").reverse
    assert not palette.style("now/", "cursor").reverse
