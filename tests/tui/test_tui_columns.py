"""The columns of the job list: their widths by content, names, twins, counts, and the agreement of the figures."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phaseline.text import one_line
from phaseline_tui.app.app import ProgressApp
from phaseline_tui.drawing.cells import Line, middle, width_of
from phaseline_tui.drawing.columns import COLUMNS
from phaseline_tui.drawing.layout import EVERYTHING, Room, columns_for, heading, needs_of
from phaseline_tui.drawing.rows import row
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.amounts import count_words, rate_words
from phaseline_tui.model.jobs import JobView, State
from phaseline_tui.model.shown import percent_shown, percent_words, shares_shown
from phaseline_tui.model.state import ViewState
from phaseline_tui.model.twins import mark_twins
from tests.support.tui_jobs import FixedClock, at, connected, many_jobs, odd_jobs, photo_job, snapshot
from tests.support.tui_pilot import text_of

SCENE = Scene(1000.0, FixedClock().wall(), FixedClock().local)
BLEND = "SC024_shot0310_lighting_comp_v07.blend"


def jobs(*on_the_wire: dict[str, Any]) -> list[JobView]:
    state = ViewState()
    state.apply([snapshot(list(on_the_wire))], 1000.0)
    return list(state.jobs.values())


def listed(found: list[JobView], width: int) -> list[str]:
    """Return the titles and the rows of a list of these jobs."""
    mark_twins(found)
    columns = columns_for(width, needs_of([(job, SCENE) for job in found]))
    lines: list[Line] = [heading(columns), *(row(job, columns, SCENE) for job in found)]
    return ["".join(text for text, _ in line) for line in lines]


def test_a_long_name_is_cut_where_words_end() -> None:
    assert middle(BLEND, 17) == "SC024_…_v07.blend"
    assert middle(BLEND, 26) == "SC024_shot0310_…_v07.blend"
    assert middle("train·resnet50/cifar100/seed 3", 14) == "train·…/seed 3"
    assert middle("0x1f9840a85d5af5bf1d1762f925bdaddc4201f984", 13) == "0x1f9840…f984"


def test_nothing_is_cut_that_fits() -> None:
    render = photo_job("r", "x", 6, name=BLEND, workflow="render", series="trailer_2027", host="render-03.farm.example")
    (_, text) = listed(jobs(render | {"done": 74, "total": 240, "unit": "frames", "message": "writing tiles"}), 198)
    for words in (BLEND, "render·trailer_2027", "render-03.farm.example", "applying_preset", "74/240 frames", "tiles"):
        assert words in text
    assert "…" not in text


def test_a_column_without_texts_has_no_width() -> None:
    titles, _ = listed(jobs(photo_job("j", "IMG_1.CR3", 6, host="", message="")), 300)
    for title in ("DONE", "RATE", "MESSAGE"):
        assert title not in titles
    titles, _ = listed(jobs(photo_job("j", "IMG_1.CR3", 6, done=1, total=2, message="hello")), 300)
    assert "DONE" in titles
    assert "MESSAGE" in titles


@given(st.integers(39, 300), st.tuples(*(st.integers(0, column.most) for column in COLUMNS)), st.booleans())
def test_columns_fill_any_width_for_any_texts(width: int, needs: tuple[int, ...], several: bool) -> None:
    columns = columns_for(width, needs, several_hosts=several)
    assert sum(columns.widths.values()) + len(columns.widths) - 1 == width
    assert sum(columns.joined.values()) + len(columns.joined) - 1 == width
    assert width_of(heading(columns)) == width


@pytest.mark.parametrize("width", [39, 60, 78, 118, 198])
def test_rows_keep_their_width_with_counts_and_twins(width: int) -> None:
    counted = [each | {"done": 5.0e8, "total": 7.0e8, "unit": "bytes"} for each in many_jobs()]
    found = jobs(*counted, *odd_jobs())
    for job in found:
        job.name = found[0].name
    mark_twins(found)
    for needs in (EVERYTHING, needs_of([(job, SCENE) for job in found])):
        assert {width_of(row(job, columns_for(width, needs), SCENE)) for job in found} == {width}


def test_a_column_stays_as_wide_as_it_was_for_a_while() -> None:
    room = Room()
    long, short = jobs(photo_job("a", "a long name of a photo", 6)), jobs(photo_job("b", "short", 6))

    def measured(found: list[JobView], now: float) -> tuple[int, ...]:
        return room.measure(lambda: [(job, SCENE) for job in found], (found,), now)

    wide = measured(long, 0.0)
    assert measured(short, 1.0) == wide
    assert measured(short, 31.0) == wide
    assert measured(short, 62.0) < wide
    assert measured(long, 63.0) == wide
    room.forget()
    assert measured(short, 64.0) < wide
    short[0].name = "a name that is as long as the first"
    assert measured(short, 65.0) < wide
    assert measured(short, 68.0) > wide


# Names that several jobs have


def same_name(**different: tuple[str, str]) -> list[JobView]:
    made = [photo_job(f"job_{number}", "same.jpg", 6, host="box") for number in range(2)]
    for field, values in different.items():
        for each, value in zip(made, values, strict=True):
            each[field] = value
    return jobs(*made)


@pytest.mark.parametrize(
    ("different", "shown"),
    [
        ({"series": ("day", "night"), "host": ("box1", "box2")}, ("same.jpg day", "same.jpg night")),
        ({"host": ("box1", "box2")}, ("same.jpg box1", "same.jpg box2")),
        ({"started_at": (at(7200.0), at(3600.0))}, ("same.jpg 16:38", "same.jpg 17:38")),
        ({"started_at": (at(9.0), at(3.0))}, ("same.jpg 18:37:53", "same.jpg 18:37:59")),
    ],
)
def test_jobs_of_one_name_show_their_difference(different: dict[str, tuple[str, str]], shown: tuple[str, str]) -> None:
    found = same_name(**different)
    for width in (78, 118):
        _, *rows = listed(found, width)
        assert [words in text for words, text in zip(shown, rows, strict=True)] == [True, True], rows
    columns = columns_for(118, needs_of([(job, SCENE) for job in found]))
    apart = shown[0].split()[1]
    assert {style for text, style in row(found[0], columns, SCENE) if text.strip() == apart} == {"muted"}


def test_jobs_with_unique_names_show_no_distinction() -> None:
    found = jobs(photo_job("a", "one.jpg", 6, host="h"), photo_job("b", "two.jpg", 6, host="h"))
    mark_twins(found)
    assert [job.differs_by for job in found] == [(), ()]


# Counts


def counted(done: float | None, total: float | None, unit: str = "", rate: float | None = None) -> JobView:
    return JobView("j", done=done, total=total, unit=unit, rate=rate)


@pytest.mark.parametrize(
    ("job", "count", "rate"),
    [
        (counted(74, 240, "frames", 3.14), "74/240 frames", "3.1 frames/s"),
        (counted(74, None, "frames", 0.05), "74 frames", "3 frames/min"),
        (counted(7, 12, "", 0.001), "7/12", "3.6/h"),
        (counted(1.2e9, 4.8e9, "bytes", 3.1e7), "1.2/4.8 GB", "31 MB/s"),
        (counted(58001, 61000, "rows", 120.0), "58001/61000 rows", "120 rows/s"),
        (counted(2_500_000, 9_000_000, "rows"), "2.5M/9.0M rows", ""),
        (counted(None, None), "", ""),
    ],
)
def test_counts_and_rates_are_short_and_have_their_unit(job: JobView, count: str, rate: str) -> None:
    assert (count_words(job), rate_words(job)) == (count, rate)


def test_a_count_gives_up_its_unit_then_its_last_digits() -> None:
    job = counted(58001, 61000, "rows")
    assert [count_words(job, width) for width in (16, 12, 9)] == ["58001/61000 rows", "58001/61000", "58k/61k"]


@given(st.floats(0, 1e18), st.none() | st.floats(0, 1e18), st.floats(0, 1e18), st.sampled_from(["", "bytes", "it"]))
def test_any_count_is_written_as_text(done: float, total: float | None, rate: float, unit: str) -> None:
    job = counted(done, total, unit, rate)
    assert count_words(job)
    assert len(count_words(job, 9)) <= 9
    assert one_line(rate_words(job)) == rate_words(job)


# Bar, percent and remaining time


def test_percent_and_bar_agree_with_the_remaining_time() -> None:
    job = photo_job("j", "IMG_1.CR3", 6) | {"percent": 97.0, "elapsed_seconds": 36_000.0, "eta_seconds": 33_840.0}
    (_, text) = listed(jobs(job), 118)
    assert "~51%" in text
    assert "9h 24m" in text
    assert 20 < text.count("━") * 100 / (text.count("━") + text.count("─") + text.count("╸")) < 60


@given(st.floats(0, 99.9), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_shown_percent_never_differs_much_from_the_estimate(percent: float, elapsed: float, left: float) -> None:
    (job,) = jobs(photo_job("j", "a", 6) | {"percent": percent, "elapsed_seconds": elapsed, "eta_seconds": left})
    shown, _ = percent_shown(job, 1000.0)
    assert 0.0 <= shown <= 100.0
    if left > 0:
        assert abs(shown - 100 * elapsed / (elapsed + left)) <= 20.001


def test_a_stalled_job_keeps_its_percent_and_its_bar_is_dim() -> None:
    job = photo_job("j", "IMG_1.CR3", 6, state="stalled", silent_seconds=40.0, percent=54.0)
    found = jobs(job)
    line = row(found[0], columns_for(118, needs_of([(found[0], SCENE)])), SCENE)
    bars = [style for text, style in line if "━" in text]
    assert found[0].state is State.STALLED
    assert bars == ["past"]
    assert [style for text, style in line if "54%" in text] == ["muted"]


def test_a_list_of_jobs_with_one_name_is_labeled_when_a_second_one_starts() -> None:
    async def test() -> None:
        app = ProgressApp(ServerAddress.parse("http://127.0.0.1:5100"), clock=FixedClock(), connect=False)
        async with app.run_test(size=(120, 20)) as pilot:
            app.receive(connected([photo_job("a", "same.jpg", 6, host="box1")]))
            await pilot.pause()
            assert "same.jpg box" not in text_of(app)
            app.receive(connected([photo_job(each, "same.jpg", 6, host=f"box{each}") for each in "12"]))
            await pilot.pause()
            assert "same.jpg box1" in text_of(app)
            assert "same.jpg box2" in text_of(app)

    asyncio.run(test())


@pytest.mark.parametrize(("seconds", "words", "bar"), [(0.3, "—", 0.0), (30.0, "99%", 99.0)])
def test_a_job_that_failed_at_once_shows_no_percent(seconds: float, words: str, bar: float) -> None:
    ended = {"state": "failed", "percent": 99.0, "elapsed_seconds": seconds, "completed_at": at(5)}
    [job] = jobs(photo_job("j", "a.jpg", 2) | ended)
    assert (percent_words(job, 1000.0), shares_shown(job, 1000.0).percent) == (words, bar)
