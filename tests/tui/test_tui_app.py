"""The app: filter, details, keys and the state of its connection."""

import gc

import pytest
from textual import events
from textual.pilot import Pilot

from phaseline_tui.app.app import ProgressApp
from phaseline_tui.model.connection import Batch, LinkState, LinkStatus
from phaseline_tui.widgets.filter_line import FilterLine
from phaseline_tui.widgets.job_detail import JobDetail
from phaseline_tui.widgets.job_list import JobList
from tests.support.tui_app import use
from tests.support.tui_jobs import connected, ids, many_jobs
from tests.support.tui_pilot import text_of, until


def test_garbage_collection_resumes_after_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(_app: ProgressApp, pilot: Pilot[int]) -> None:
        await until(pilot, gc.isenabled)
        assert gc.get_freeze_count()

    monkeypatch.setattr("phaseline_tui.app.app._STARTED", 0.01)
    gc.disable()
    try:
        use(test)
    finally:
        gc.enable()
        gc.unfreeze()


def test_enter_opens_the_details_and_escape_closes_them() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        assert "PHASES" not in text_of(app)
        await pilot.press("j", "enter")
        assert "PHASES" in text_of(app)
        assert isinstance(app.focused, JobDetail)
        await pilot.press("escape")
        assert "PHASES" not in text_of(app)
        assert isinstance(app.focused, JobList)

    use(test, many_jobs())


def test_at_80_columns_the_details_replace_the_list() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        assert "IMG_0042.CR3" in text_of(app)
        await pilot.press("enter")
        assert "PHASES" in text_of(app)
        assert "IMG_0042.CR3" not in text_of(app)
        await pilot.press("escape")
        assert "IMG_0042.CR3" in text_of(app)

    use(test, many_jobs(), size=(80, 24))


@pytest.mark.slow
def test_at_200_columns_the_details_are_beside_the_list_and_follow_the_cursor() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        assert "DSC_8812_panorama_stitched_final_v2_really_final.NEF" in text_of(app)
        await pilot.press("j")
        assert "running 57s" in text_of(app)
        await pilot.press("enter")
        assert app.screen.query_one(JobDetail).has_focus
        await pilot.press("tab")
        assert app.screen.query_one(JobList).has_focus

    use(test, many_jobs(), size=(200, 60))


def test_the_details_move_when_the_terminal_is_resized() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await pilot.press("enter")
        for size, list_stays in (((80, 24), False), ((200, 60), True), ((120, 40), True), ((30, 8), False)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert app.screen.query_one(JobDetail).display, size
            assert app.screen.query_one(JobList).is_on_screen == list_stays, size
            assert app.screen.query_one(JobList).parent.display == list_stays, size  # type: ignore[union-attr]

    use(test, many_jobs())


def test_the_filter_applies_while_the_user_types() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        everything = len(app.state.visible)
        assert app.state.folded == 1
        await pilot.press("slash", *"failed")
        assert ids(app.state.visible) == ["job_12346", "dalle:simple:0xdead"]
        assert "IMG_0042.CR3" not in text_of(app)
        assert f"2 of {everything + 1}" in text_of(app)
        await pilot.press("enter")
        assert app.screen.query_one(JobList).has_focus
        assert not app.screen.query_one(FilterLine).display
        assert "/failed" in text_of(app)
        await pilot.press("escape")
        assert len(app.state.visible) == everything
        await pilot.press("slash", "z", "q")  # A letter here, not the end of the program.
        assert "no job matches zq" in text_of(app)
        await pilot.press("escape")
        assert len(app.state.visible) == everything

    use(test, many_jobs())


def test_an_invalid_regex_is_reported_while_the_user_types() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await pilot.press("slash", *"/IMG_(/")
        assert "! /IMG_(/ is not a valid regex: missing )" in text_of(app)
        await pilot.press("backspace", "backspace", "slash")
        assert "is not a valid regex" not in text_of(app)

    use(test, many_jobs())


def test_keys_of_one_packet_reach_the_filter() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        for key in ("j", "slash"):
            app.post_message(events.Key(key, None))
        await until(pilot, lambda: isinstance(app.focused, FilterLine))
        assert app.screen.query_one(JobList).chosen == app.state.visible[1]
        await pilot.press("escape")
        for key in ("/", *"failed", "\r", "j"):
            name = {"/": "slash", "\r": "enter"}.get(key, key)
            app.post_message(events.Key(name, key))  # As when a slow line delivers them at once.
        await until(pilot, lambda: app.state.filter.text == "failed")
        await until(pilot, lambda: isinstance(app.focused, JobList))
        await pilot.press("slash", *"/x/")
        assert app.screen.query_one(FilterLine).value == "failed/x/"

    use(test, many_jobs())


def test_help_opens_and_closes() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await pilot.press("question_mark")
        assert "KEYS" in text_of(app)
        await pilot.press("question_mark")
        assert "KEYS" not in text_of(app)
        await pilot.press("question_mark", "q")
        assert app.is_running
        assert "KEYS" not in text_of(app)

    use(test, many_jobs(), size=(80, 24))


def test_a_lost_connection_freezes_the_jobs_and_is_reported() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        app.receive(Batch((), 1000.0, LinkStatus(LinkState.WAITING, "no server at x", 990.0, 1004.0)))
        await pilot.pause()
        assert "no server at x" in text_of(app)
        assert "retry in 4s" in text_of(app)
        scene = app.data.scene()
        assert scene.stale
        assert scene.now == 990.0
        app.receive(connected(many_jobs()))
        await pilot.pause()
        assert not app.data.scene().stale
        assert "no server" not in text_of(app)

    use(test, many_jobs())
