"""The app: keys, mouse, terminal sizes, connection status."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual import events
from textual.geometry import Region
from textual.pilot import Pilot

from phaseline.errors import ConfigError
from phaseline_tui.app.app import ProgressApp
from phaseline_tui.drawing.themes import ANSI, DARK, LIGHT
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import Batch, LinkState, LinkStatus
from phaseline_tui.user.settings import Settings
from phaseline_tui.widgets.filter_line import FilterLine
from phaseline_tui.widgets.job_detail import JobDetail
from phaseline_tui.widgets.job_list import JobList
from tests.support.tui_jobs import FixedClock, connected, frame, ids, many_jobs, photo_job
from tests.support.tui_pilot import text_of, until

Json = dict[str, Any]
Use = Callable[[ProgressApp, Pilot[int]], Awaitable[None]]


def use(test: Use, jobs: list[Json] | None = None, size: tuple[int, int] = (120, 40), **options: Any) -> None:
    """Run `test` on the app, which shows `jobs` and has no connection."""

    async def main() -> None:
        app = ProgressApp(
            ServerAddress.parse("http://127.0.0.1:5100"),
            clock=FixedClock(),
            connect=False,
            **({"theme": DARK} | options),
        )
        async with app.run_test(size=size) as pilot:
            if jobs is not None:
                app.receive(connected(jobs))
            await pilot.pause()
            await test(app, pilot)

    asyncio.run(main())


def numbered(count: int) -> list[Json]:
    return [photo_job(f"job_{n:03}", f"IMG_{n:03}.CR3", 8, progress=float(n)) for n in range(count, 0, -1)]


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


def test_keys_move_the_cursor() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        jobs = app.screen.query_one(JobList)
        order = app.state.visible
        for keys, expected in (
            (["j", "down"], 2),
            (["k"], 1),
            (["up", "up", "up"], 0),
            (["G"], 99),
            (["down"], 99),
            (["g"], 0),
            (["end"], 99),
            (["home"], 0),
            (["pagedown"], jobs.size.height - 1),
            (["pageup"], 0),
        ):
            await pilot.press(*keys)
            assert jobs.chosen == order[expected], keys
            assert jobs.scroll_offset.y <= expected < jobs.scroll_offset.y + jobs.size.height

    use(test, numbered(100))


def test_enter_opens_the_details_and_escape_leaves_them() -> None:
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


def test_keys_of_one_packet_act_in_order() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        for key in ("j", "j", "k", "enter", "G"):
            app.post_message(events.Key(key, None))
        await until(pilot, lambda: isinstance(app.focused, JobDetail))
        await pilot.pause()
        assert app.screen.query_one(JobList).chosen == app.state.visible[1]

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


def test_the_cursor_stays_on_its_job_when_the_list_is_sorted() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        jobs = app.screen.query_one(JobList)
        await pilot.press("j", "j")
        chosen = jobs.chosen
        assert chosen is not None
        ended = frame(
            {"type": "job_completed", "job_id": chosen.job_id, "seq": 99, "state": "completed", "duration": 3.0}
        )
        app.receive(Batch((ended,), 1001.0))
        await pilot.pause()
        assert jobs.chosen == chosen
        await pilot.press("k")
        assert jobs.chosen == app.state.visible[app.state.visible.index(chosen) - 1]

    use(test, numbered(10))


def test_an_unmoved_cursor_stays_at_the_top() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        app.receive(connected([*numbered(3), photo_job("job_0", "first.jpg", 8, progress=99.0, speed=50.0)]))
        await pilot.pause()
        assert app.screen.query_one(JobList).chosen == app.state.visible[0]
        assert ids(app.state.visible)[0] == "job_0"

    use(test, numbered(3))


def test_the_job_with_open_details_stays_selected_when_others_are_inserted() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await pilot.press("enter")
        app.receive(connected([*numbered(3), photo_job("job_0", "first.jpg", 8, progress=99.0, speed=50.0)]))
        await pilot.pause()
        assert ids(app.state.visible)[0] == "job_0"
        assert app.screen.query_one(JobList).chosen == app.state.visible[1]

    use(test, numbered(3))


def test_the_selected_job_can_be_removed() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await pilot.press("G", "enter")
        app.receive(connected(numbered(2)))
        await pilot.pause()
        assert app.screen.query_one(JobList).chosen == app.state.visible[-1]
        app.receive(connected([]))
        await pilot.pause()
        assert app.screen.query_one(JobList).chosen is None
        await pilot.press("escape", "j", "G", "enter", "pagedown")
        assert "no jobs yet" in text_of(app)

    use(test, numbered(5))


def test_a_click_selects_and_a_double_click_opens() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await pilot.click(JobList, offset=(20, 3))
        assert app.screen.query_one(JobList).chosen == app.state.visible[3]
        assert not app.screen.query_one(JobDetail).display
        await pilot.click(JobList, offset=(20, 5), times=2)
        assert app.screen.query_one(JobList).chosen == app.state.visible[5]
        assert app.screen.query_one(JobDetail).display

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


def test_t_switches_between_dark_and_light() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await pilot.press("t")
        assert app.theme == LIGHT
        dark_ground = "#10151c"
        await pilot.pause()
        strips = app.screen._compositor.render_strips()
        grounds = {str(segment.style.bgcolor) for strip in strips for segment in strip if segment.style}
        assert not any(dark_ground in ground for ground in grounds)
        await pilot.press("t")
        assert app.theme == DARK

    use(test, many_jobs())


def test_other_themes_of_textual_can_be_chosen() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        for theme in ("nord", "textual-light", "ansi-dark", ANSI, "solarized-light"):
            app.theme = theme
            await pilot.pause()
            assert "IMG_0042.CR3" in text_of(app)

    use(test, many_jobs())


def test_the_palette_has_our_commands() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await pilot.press("ctrl+p")
        for command in ("Filter the list", "Reconnect now", "Dark or light", "Help", "Quit", "Theme"):
            await until(pilot, lambda command=command: command in text_of(app))  # type: ignore[misc]

    use(test, many_jobs())


def test_only_cells_that_changed_are_repainted() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        jobs = app.screen.query_one(JobList)
        painted: list[Region] = []
        original = jobs.refresh

        def refresh(*regions: Region, **options: Any) -> JobList:
            painted.extend(regions or [Region(0, 0, 999, 999)])
            return original(*regions, **options)

        jobs.refresh = refresh  # type: ignore[method-assign]
        app.receive(Batch((), 1000.0))
        assert painted == []
        row = ids(app.state.visible).index("job_12345")
        news = {"type": "job_progress", "job_id": "job_12345", "seq": 9, "stage": "ai_evaluation", "percent": 44.0}
        app.receive(Batch((frame(news),), 1000.0))
        assert painted
        assert all(region.y == row for region in painted)
        assert sum(region.width for region in painted) < jobs.size.width / 3
        await pilot.pause()
        assert " 44%" in text_of(app)

    use(test, many_jobs())


def test_titles_move_with_their_columns_when_a_second_host_adds_one() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        news = {"type": "job_started", "job_id": "job_x", "seq": 99, "workflow": "photo", "host": "box2"}
        app.receive(Batch((frame(news),), 1000.0))
        await pilot.pause()
        titles, *rows = text_of(app).splitlines()[1:5]
        assert len(rows) == 3
        assert {row.index("photo") for row in rows} == {titles.index("WORKFLOW")}
        assert "HOST" in titles

    use(test, numbered(2))


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


def test_no_color_leaves_only_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        assert app.theme == ANSI
        await pilot.press("j")
        assert "►" in text_of(app)
        assert app.palette().style("bad").color is None
        await pilot.press("ctrl+p")
        await until(pilot, lambda: "Filter the list" in text_of(app))

        def chosen() -> str:
            strips = app.screen._compositor.render_strips()
            return "".join(part.text for strip in strips for part in strip if part.style and part.style.underline)

        await until(pilot, lambda: "Copy" in chosen())
        assert "Filter the list" not in chosen()

    use(test, many_jobs(), theme=None)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (20, 6), (40, 10), (400, 120)])
def test_every_terminal_size_works(size: tuple[int, int]) -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await pilot.press("j", "enter", "j", "escape", "question_mark", "escape", "slash", "a", "escape")
        assert app.is_running

    use(test, many_jobs(), size=size)


def test_a_theme_that_does_not_exist_is_refused_with_the_names_of_all() -> None:
    with pytest.raises(ConfigError, match=r"theme is 'purple'; allowed: dark, light, ansi, .*nord"):
        ProgressApp(ServerAddress.parse("http://127.0.0.1:5100"), settings=Settings(theme="purple"), connect=False)
