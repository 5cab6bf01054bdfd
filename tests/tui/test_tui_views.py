"""One snapshot per view, size and theme. Look at a difference before `pytest --snapshot-update` accepts it."""

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from phaseline_tui.app.app import ProgressApp
from phaseline_tui.drawing.themes import ANSI, DARK, LIGHT
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import Batch, LinkState, LinkStatus
from phaseline_tui.user.settings import Settings
from tests.support.tui_jobs import FixedClock, connected, dalle_job, many_jobs, odd_jobs, reason
from tests.support.tui_pilot import SIZES, looks

Compare = Callable[..., bool]
SMALL, MIDDLE, _ = SIZES
TO_THE_FAILED = ["j"] * 7 + ["enter"]
AWAY = LinkStatus(
    LinkState.WAITING, "no server at http://127.0.0.1:5100: start one with progress-server", 1000.0, 1004.0
)


def view(
    theme: str | None, jobs: list[dict[str, Any]] | None, status: LinkStatus | None = None, **options: Any
) -> dict[str, Any]:
    """Return the app and a function that makes it show `jobs`."""
    app = ProgressApp(
        ServerAddress.parse("http://127.0.0.1:5100"), clock=FixedClock(), theme=theme, connect=False, **options
    )

    async def before(pilot: Pilot[Any]) -> None:
        if jobs is not None:
            app.receive(connected(jobs))
        if status is not None:
            app.receive(Batch((), 1000.0, status))
        await pilot.pause()

    return {"app": app, "run_before": before}


@looks
def test_many_jobs(snap_compare: Compare, theme: str, size: tuple[int, int]) -> None:
    assert snap_compare(**view(theme, many_jobs()), terminal_size=size)


@looks
def test_details_of_a_failed_job(snap_compare: Compare, theme: str, size: tuple[int, int]) -> None:
    shown = view(theme, many_jobs())
    before = shown.pop("run_before")

    async def open_it(pilot: Pilot[Any]) -> None:
        await before(pilot)
        await pilot.press(*TO_THE_FAILED)
        await pilot.pause()

    assert snap_compare(**shown, run_before=open_it, terminal_size=size)


def test_sixteen_colors(snap_compare: Compare) -> None:
    assert snap_compare(**view(ANSI, many_jobs()), terminal_size=SMALL)


def test_an_invalid_filter(snap_compare: Compare) -> None:
    shown = view(DARK, many_jobs())
    before = shown.pop("run_before")

    async def type_it(pilot: Pilot[Any]) -> None:
        await before(pilot)
        await pilot.press("slash", *"/IMG_00(/")
        await pilot.pause()

    assert snap_compare(**shown, run_before=type_it, terminal_size=SMALL)


def test_details_folded(snap_compare: Compare) -> None:
    shown = view(LIGHT, many_jobs())
    before = shown.pop("run_before")

    async def fold(pilot: Pilot[Any]) -> None:
        await before(pilot)
        for keys in (["e", "e", "2"], ["z"], ["slash", *"errors", "enter"], ["enter"]):
            await pilot.press(*keys)
            await pilot.pause()

    assert snap_compare(**shown, run_before=fold, terminal_size=SMALL)


def test_details_of_an_active_job_without_colors(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = view(None, many_jobs())
    before = shown.pop("run_before")

    async def open_it(pilot: Pilot[Any]) -> None:
        await before(pilot)
        await pilot.press("j", "enter")
        await pilot.pause()

    assert snap_compare(**shown, run_before=open_it, terminal_size=MIDDLE)


@looks
def test_one_job(snap_compare: Compare, theme: str, size: tuple[int, int]) -> None:
    job = dalle_job("simple", "0x1f98", 5, progress=72.0, speed=1.6, message="layer 7 of 9")
    job["eta_reasons"] = [reason("image_wait is 1.6x its usual length: +9 s", 9.0)]
    for stage in job["stages"]:
        stage["p90_seconds"] = 1.3 * (stage["average_seconds"] or 0.0)
    assert snap_compare(**view(theme, [job, *many_jobs()]), press=["j", "2"], terminal_size=size)


def test_a_search_in_one_job(snap_compare: Compare) -> None:
    shown = view(DARK, many_jobs())
    before = shown.pop("run_before")

    async def search(pilot: Pilot[Any]) -> None:
        await before(pilot)
        # Keys go to the focused widget, so the test waits until a view has opened.
        for keys in (["e", "e", "2"], ["slash"], [*"exposure", "enter"], ["n"]):
            await pilot.press(*keys)
            await pilot.pause()

    assert snap_compare(**shown, run_before=search, terminal_size=MIDDLE)


def test_sorted_marked_and_paused(snap_compare: Compare) -> None:
    keys = ["s", "s", "s", "S", "space", "space", "p"]
    assert snap_compare(**view(DARK, many_jobs()), press=keys, terminal_size=MIDDLE)


def test_without_unicode(snap_compare: Compare) -> None:
    shown = view(DARK, many_jobs(), settings=Settings(ascii=True))
    assert snap_compare(**shown, press=["j", "enter"], terminal_size=MIDDLE)


def test_no_jobs_yet(snap_compare: Compare) -> None:
    assert snap_compare(**view(LIGHT, []), terminal_size=SMALL)


def test_no_server_at_start(snap_compare: Compare) -> None:
    assert snap_compare(**view(DARK, None, AWAY), terminal_size=SMALL)


def test_the_server_is_down(snap_compare: Compare) -> None:
    assert snap_compare(**view(DARK, many_jobs(), AWAY), terminal_size=MIDDLE)


def test_help(snap_compare: Compare) -> None:
    shown = view(DARK, many_jobs())
    before = shown.pop("run_before")

    async def open_it(pilot: Pilot[Any]) -> None:
        await before(pilot)
        await pilot.press("question_mark")
        await pilot.pause()

    assert snap_compare(**shown, run_before=open_it, terminal_size=SMALL)


def test_wide_long_and_hostile_names(snap_compare: Compare) -> None:
    assert snap_compare(**view(DARK, odd_jobs()), terminal_size=MIDDLE)
