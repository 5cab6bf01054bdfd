"""The list's rows and a job's details, line by line."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phaseline.model.states import PhaseState
from phaseline.text import one_line
from phaseline_tui.drawing.cells import Line, width_of
from phaseline_tui.drawing.detail import detail
from phaseline_tui.drawing.gantt import Strip, strips
from phaseline_tui.drawing.layout import columns_for, heading, needs_of
from phaseline_tui.drawing.rows import row
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.drawing.tree import Folds
from phaseline_tui.model.jobs import JobView, Shares
from phaseline_tui.model.state import ViewState
from tests.support.tui_jobs import FixedClock, dalle_job, failed_photo, many_jobs, odd_jobs, photo_job, snapshot

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
    (job,) = jobs(wire)
    return text_of(row(job, columns_for(width, needs_of([(job, scene)])), scene))


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


def test_at_80_columns_every_important_column_is_shown() -> None:
    assert {"mark", "name", "phase", "bar", "percent", "elapsed", "eta"} <= set(columns_for(78).widths)


@pytest.mark.parametrize("width", [width for width in WIDTHS if width >= 39])
@pytest.mark.parametrize("shades", [True, False])
def test_every_row_is_exactly_as_wide_as_the_list(width: int, shades: bool) -> None:
    for stale in (True, False):
        scene = SCENE._replace(shades=shades, stale=stale)
        for job in jobs(*many_jobs(), *odd_jobs()):
            assert width_of(row(job, columns_for(width), scene)) == width


def test_a_row_shows_the_end_the_remaining_time_and_its_band() -> None:
    job = photo_job("j", "IMG_1.CR3", 6, progress=50.0, speed=9.0)
    job |= {"eta_seconds": 250.0, "eta_low_seconds": 180.0, "eta_high_seconds": 420.0}
    assert "18:42 · 4m (3–7m)" in row_text(job, 118)
    assert "18:42 · 4m" in row_text(job, 78)


def test_a_job_without_an_estimate_has_a_dash() -> None:
    assert row_text(photo_job("j", "IMG_1.CR3", 1, known=False), 78).rstrip().endswith("—")


def test_unknown_progress_is_shown_as_a_dash() -> None:
    unknown = photo_job("j", "IMG_1.CR3", 1, known=False) | {"percent": 0}
    assert " —  " in row_text(unknown, 78)
    assert "0%" not in row_text(unknown, 78)
    assert "12%" in row_text(unknown | {"percent": 12}, 78)


def test_a_stalled_job_shows_its_silence_with_and_without_a_state_column() -> None:
    job = photo_job("j", "IMG_1.CR3", 6, state="stalled", silent_seconds=40.0)
    later = SCENE._replace(now=SCENE.now + 5.0)
    assert not columns_for(78).has_state
    assert "stalled 45s" in row_text(job, 78, later)
    assert columns_for(198).has_state
    assert "silent 45s" in row_text(job, 198, later)
    assert row_text(job, 198, later).count("stalled") == 1
    assert "no reports for 40s" in detail_text(jobs(job)[0])


def test_a_job_whose_worker_is_gone_shows_this_and_its_progress() -> None:
    job = photo_job("j", "IMG_1.CR3", 6, state="stalled", silent_seconds=40.0, reason="worker gone", percent=54.0)
    later = SCENE._replace(now=SCENE.now + 5.0)
    assert "54%" in row_text(job, 78, later)
    assert "gone 45s" in row_text(job, 78, later)
    assert "worker gone 45s" in row_text(job, 198, later)
    assert "worker gone, no reports for 40s · was at 54%" in detail_text(jobs(job)[0])
    job = photo_job("j", "IMG_1.CR3", 6, state="lost", silent_seconds=700.0, reason="worker gone", percent=54.0)
    assert "worker gone, was at 54%" in row_text(job, 120, later)
    assert "worker gone, was at 54%" in detail_text(jobs(job)[0])


def test_a_job_past_its_estimate_is_shown_as_late() -> None:
    job = photo_job("j", "IMG_1.CR3", 6, progress=50.0) | {"eta_seconds": 5.0}
    assert "late 55s" in row_text(job, 78, SCENE._replace(now=1060.0))


def test_a_failed_job_shows_its_error_in_place_of_the_bar() -> None:
    job = dalle_job("simple", "0xdead", 6, state="failed", result={"error": "no picture"})
    assert "no picture" in row_text(job, 78)
    assert "✗" in row_text(job, 78)


def test_a_narrow_list_names_the_series_with_the_address() -> None:
    address = "0x1f9840a85d5af5bf1d1762f925bdaddc4201f984"
    assert "simple/…f984 " in row_text(dalle_job("simple", address, 5, done=1, total=2), 66)
    assert "0x1f98…01f984 " in row_text(dalle_job("simple", address, 5), 118)
    assert "dalle·simple" in row_text(dalle_job("simple", address, 5), 118)


# Details


def detail_text(job: JobView, width: int = 100, folds: Folds | None = None) -> str:
    return "\n".join(text_of(row.line) for row in detail(job, width, SCENE, folds))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("shades", [True, False])
def test_every_line_of_the_details_fits(width: int, shades: bool) -> None:
    for job in jobs(*many_jobs(), *odd_jobs()):
        for now in (1000.0, 1030.0, 99999.0):
            for folds in (Folds(), Folds(everything=True), Folds(everything=False)):
                rows = detail(job, width, SCENE._replace(shades=shades, now=now), folds)
                assert {width_of(row.line) for row in rows} == {width}


def test_the_timeline_shows_every_phase_with_its_symbol_and_average() -> None:
    text = detail_text(jobs(dalle_job("simple", "0x1", 5, progress=45.0))[0])
    for words in ("✓ setup", "↷ enhance_prompt", "skipped", "► image_wait", "24s", "45%", "· image_download", "1.5s"):
        assert words in text


def test_errors_are_shown_with_their_phase_and_time() -> None:
    text = detail_text(jobs(failed_photo())[0])
    assert "2 ERRORS" in text
    assert "✗ Invalid exposure value: the preset asks for more than the raw converter can do" in text
    assert "validation_error  in applying_preset  at 18:37:21" in text
    assert "allowed  -5 to 5" in text
    assert text.count("Invalid exposure value") == 1


def test_details_are_readable_lines() -> None:
    result = {"ok": True, "size": [1024, 768], "none": None, "deep": {"a": [{"b": 1.50}, "c"]}, "long": ["x" * 40] * 3}
    job = photo_job("j", "a.jpg", 8, state="completed", result=result)
    text = [line.rstrip() for line in detail_text(jobs(job)[0], 60).splitlines()]
    at = next(number for number, line in enumerate(text) if line.startswith("▾ RESULT"))
    assert text[at + 1 : at + 12] == [
        "  ok    yes",
        "  size  1024, 768",
        "  none  —",
        "▾ deep",
        "  ▾ a",
        "    ▾ 1",
        "        b  1.5",
        "      - c",
        "▾ long",
        "    - " + "x" * 40,
        "    - " + "x" * 40,
    ]


def test_long_values_are_folded_by_default_with_a_summary() -> None:
    tokens = [{"name": f"token {number}", "count": number, "from": {"list": "seas"}} for number in range(5)]
    job = jobs(photo_job("j", "a.jpg", 8, state="completed", result={"ok": True, "tokens": tokens}))[0]
    assert "▸ tokens  5 items" in detail_text(job)
    folds = Folds()
    folds.fold(("result", "tokens"), folded=False)
    text = detail_text(job, 100, folds)
    assert "  ▸ 3  name token 2 · count 2" in text
    assert "seas" not in text
    folds.show(("result", "tokens", "3", "from", "list"))
    assert "list  seas" in detail_text(job, 100, folds)
    folds.fold_all(folded=True)
    assert "token" not in detail_text(job, 100, folds)
    assert "▸ RESULT" in detail_text(job, 100, folds)


@given(
    st.sampled_from(list(PhaseState)),
    st.floats(0, 1e6),
    st.floats(0, 1e6),
    st.none() | st.floats(0, 1e6),
    st.integers(1, 120),
    st.booleans(),
)
def test_a_strip_has_the_requested_width_at_any_position(
    state: PhaseState, start: float, spent: float, average: float | None, width: int, shades: bool
) -> None:
    usual = None if average is None else start + average
    strip = Strip(state, start, start + spent, usual, start + spent, "45%")
    total = max(start + spent, usual or 0.0, 1e-3)
    assert width_of(strip.draw(width, total, shades=shades)) == width


def test_a_strip_marks_the_average_and_the_part_beyond_it() -> None:
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


def test_a_phase_that_has_just_started_is_estimated_by_its_average() -> None:
    found, total = strips(jobs(dalle_job("simple", "0x1", 5, progress=0.4))[0], 1003.0)
    current = found[4]
    assert current is not None
    assert current.likely_end - current.start == pytest.approx(24.0 * 0.996 + 3.0 + 24.0 * 0.004)
    assert total < 40


def test_the_progress_label_is_after_the_bar_or_at_its_end() -> None:
    behind = Strip(PhaseState.CURRENT, 0.0, 2.0, None, 4.0, "50%").draw(10, 10.0, shades=True)
    assert text_of(behind) == "██   50%  "
    inside = Strip(PhaseState.CURRENT, 0.0, 5.0, None, 10.0, "50%").draw(10, 10.0, shades=True)
    assert text_of(inside) == "█████  50%"


def test_pending_phases_follow_the_current_one() -> None:
    found, total = strips(jobs(dalle_job("simple", "0x1", 5, progress=50.0))[0], 1000.0)
    drawn = [strip for strip in found if strip is not None]
    assert [strip.state for strip in drawn[-3:]] == [PhaseState.PENDING] * 3
    assert all(earlier.start <= later.start for earlier, later in pairwise(drawn))
    assert total >= drawn[-1].likely_end
