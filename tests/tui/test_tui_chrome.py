"""The lines around the list, and the contrast of colors."""

from typing import Any

import pytest
from hypothesis import strategies as st

from phaseline.filtering import Filter
from phaseline.text import one_line
from phaseline_tui.drawing import chrome
from phaseline_tui.drawing.cells import Line, width_of
from phaseline_tui.drawing.layout import columns_for
from phaseline_tui.drawing.palette import Palette
from phaseline_tui.drawing.rows import row
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.drawing.themes import ANSI, DARK, LIGHT, choose_theme, themes_for
from phaseline_tui.model.connection import LinkState, LinkStatus
from phaseline_tui.model.jobs import JobView, Shares
from phaseline_tui.model.state import ViewState
from phaseline_tui.model.totals import Counts
from tests.support.tui_jobs import FixedClock, snapshot

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


# Chrome


def test_the_last_line_shows_the_error_of_a_filter() -> None:
    wrong = Filter("render name:/IMG_(/")
    line = chrome.keys(100, wrong.text, 3, 9, where="filter", problem=wrong.problem)
    assert "! /IMG_(/ is not a valid regex: missing ): IMG_(" in text_of(line)
    assert width_of(chrome.keys(40, wrong.text, 3, 9, where="list", problem=wrong.problem)) == 40


def test_an_unknown_field_is_explained_when_nothing_matches() -> None:
    wrong = Filter("sate:failed")
    status = LinkStatus(LinkState.CONNECTED)
    lines = chrome.empty("http://x", status, 60, synced=True, filter_text=wrong.text, filter_hint=wrong.hint)
    words = " ".join(" ".join(text_of(line).split()) for line in lines)
    assert "sate: is not a field, so it was searched as text; fields: state phase host" in words


@pytest.mark.parametrize("state", list(LinkState))
@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_the_lines_around_the_list_fit(state: LinkState, width: int) -> None:
    status = LinkStatus(state, "no data from http://a-rather-long-name.example.org:5100", 990.0, 1004.0)
    url = "http://a-rather-long-name.example.org:5100"
    assert (
        width_of(
            chrome.header(url, status, Counts(active=123, stalled=4, done=5678, failed=9, cancelled=1), width, SCENE)
        )
        == width
    )
    assert {width_of(line) for line in chrome.trouble(status, width, SCENE)} <= {width}
    places: list[chrome.Place] = ["list", "detail", "page", "filter"]
    for where in places:
        assert width_of(chrome.keys(width, "some words", 3, 4567, where=where)) == width
    for synced, text in ((True, ""), (False, ""), (True, "zzz")):
        lines = chrome.empty(url, status, width, synced=synced, filter_text=text)
        assert all(width_of(line) <= width for line in lines)


def test_a_connection_problem_shows_the_reason_the_next_retry_and_the_key() -> None:
    waiting = LinkStatus(LinkState.WAITING, "no server", 1000.0, 1003.4)
    (line,) = chrome.trouble(waiting, 80, SCENE)
    assert text_of(line).split("  ")[0] == " ! no server"
    assert "retry in 4s  r retry now" in text_of(line)
    stale = LinkStatus(LinkState.STALE, "no data from x", 988.0)
    (line,) = chrome.trouble(stale, 120, SCENE)
    assert "no data from x for 12s: jobs may be out of date" in text_of(line)
    assert chrome.trouble(LinkStatus(LinkState.CONNECTED), 80, SCENE) == []
    assert chrome.trouble(LinkStatus(LinkState.CONNECTING), 80, SCENE) == []


def test_a_connection_problem_stays_visible_during_the_next_attempt() -> None:
    (line,) = chrome.trouble(LinkStatus(LinkState.CONNECTING, "no server"), 80, SCENE)
    assert "no server" in text_of(line)
    assert "reconnecting" in text_of(line)


@pytest.mark.parametrize(
    ("url", "shown"), [("http://10.0.0.7:8080", "http://10.0.0.7:8080"), ("ssh://me@box", "http://localhost:5100")]
)
def test_an_empty_list_shows_how_to_report_ones_own_job(url: str, shown: str) -> None:
    lines = chrome.empty(url, LinkStatus(LinkState.CONNECTED), 100, synced=True, filter_text="")
    text = "\n".join(text_of(line).strip() for line in lines)
    assert f"PROGRESS_URL={shown} phaseline run -- COMMAND\ncurl -d '{{" in text
    assert f"}}' {shown}/progress/start\n" in text
    assert f"curl '{shown}/dalle/simple/0x1234?generate=1'" in text


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


def luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("system", ["truecolor", "256"])
@pytest.mark.parametrize("name", [DARK, LIGHT])
def test_every_text_is_readable_on_its_background(system: str, name: str) -> None:
    (theme,) = [theme for theme in themes_for(system) if theme.name == name]
    palette = Palette(theme)
    for text in ("text", "strong", "muted", "now", "good", "bad", "warn"):
        style = palette.style(text)
        assert style.color is not None
        assert style.bgcolor is not None
        assert contrast(style.color.name, style.bgcolor.name) >= 4.5, text


def test_without_colors_only_attributes_are_left() -> None:
    (theme,) = [theme for theme in themes_for(None) if theme.name == ANSI]
    palette = Palette(theme, no_color=True)
    assert palette.style("bad").color is None
    assert palette.style("strong").bold
    assert palette.style("text", "cursor").reverse
    assert not palette.style("now/", "cursor").reverse
