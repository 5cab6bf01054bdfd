"""Keys: sort, mark, follow, pause, next error, fold, the job view, remapping."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from phaseline_tui.app.app import ProgressApp
from phaseline_tui.drawing.themes import DARK
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import Batch
from phaseline_tui.screens.job import JobScreen
from phaseline_tui.user.keys import ACTIONS
from phaseline_tui.user.remembered import Remembered, read_remembered, remembered_file, write_remembered
from phaseline_tui.user.settings import Settings
from phaseline_tui.widgets.job_list import JobList
from tests.support.tui_jobs import FixedClock, connected, frame, ids, many_jobs, odd_jobs, photo_job, reason
from tests.support.tui_pilot import text_of

Json = dict[str, Any]
Use = Callable[[ProgressApp, Pilot[int]], Awaitable[None]]


def use(test: Use, jobs: list[Json], size: tuple[int, int] = (120, 40), **options: Any) -> None:
    async def main() -> None:
        app = ProgressApp(
            ServerAddress.parse("http://127.0.0.1:5100"), clock=FixedClock(), theme=DARK, connect=False, **options
        )
        async with app.run_test(size=size) as pilot:
            app.receive(connected(jobs))
            await pilot.pause()
            await test(app, pilot)

    asyncio.run(main())


def test_s_cycles_through_the_columns_and_capital_s_reverses_the_order() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        usual = list(app.state.visible)
        await pilot.press("s")
        active = [app.state.jobs[key].name for key in app.state.visible if not app.state.jobs[key].over]
        assert active == sorted(active, key=str.casefold)
        assert "JOB▲" in text_of(app)
        await pilot.press("S")
        assert [app.state.jobs[key].name for key in app.state.visible][: len(active)] == active[::-1]
        assert "JOB▼" in text_of(app)
        while app.state.order.column:
            await pilot.press("s")
        assert app.state.visible == usual

    use(test, many_jobs())


def test_space_marks_jobs_for_actions_and_escape_clears_the_marks() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await pilot.press("space", "j", "space")
        chosen = [app.state.visible[0], app.state.visible[2]]
        assert app.views_on_stack()[0].chosen_jobs() == chosen
        assert app.views_on_stack()[0].to_copy().splitlines() == ids(chosen)
        assert text_of(app).count("◆") == 2
        await pilot.press("escape")
        assert not app.state.marked

    use(test, many_jobs())


def test_e_cycles_through_failed_and_stalled_jobs() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        jobs = app.screen.query_one(JobList)
        seen = []
        for _ in range(5):
            await pilot.press("e")
            assert jobs.chosen is not None
            seen.append(app.state.jobs[jobs.chosen].state.value)
        assert seen == ["stalled", "failed", "failed", "lost", "stalled"]

    use(test, many_jobs())


def test_old_jobs_are_folded_away_and_enter_lists_them() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        assert "1 older job folded" in text_of(app)
        await pilot.press("G", "enter")
        assert "folded: press enter" not in text_of(app)
        assert len(app.state.visible) == 25
        await pilot.press("escape")
        assert "1 older job folded" in text_of(app)

    use(test, many_jobs())


def test_f_follows_the_newest_job_until_the_cursor_is_moved() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        jobs = app.screen.query_one(JobList)

        def start(job_id: str, at: str) -> None:
            begun = {"type": "job_started", "job_id": job_id, "seq": 20, "state": "active", "timestamp": at}
            app.receive(Batch((frame(begun),), 1000.0))

        await pilot.press("f")
        start("new_1", "2026-11-09T18:39:00Z")
        assert jobs.chosen is not None
        assert jobs.chosen.job_id == "new_1"
        await pilot.press("up")
        chosen = jobs.chosen
        start("new_2", "2026-11-09T18:40:00Z")
        assert jobs.chosen == chosen

    use(test, many_jobs())


def test_p_pauses_the_screen_without_losing_messages() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await pilot.press("p")
        for percent in (50.0, 60.0, 70.0):
            message = {"type": "job_progress", "job_id": "job_1", "seq": 8 + int(percent), "percent": percent}
            app.receive(Batch((frame(message | {"stage": "exporting", "stage_index": 8}),), 1000.0))
        app.receive(Batch((frame({"type": "job_failed", "job_id": "job_2", "seq": 9, "state": "failed"}),), 1000.0))
        await pilot.pause()
        assert "70%" not in text_of(app)
        assert "✗" not in text_of(app)
        app._tick()
        assert "PAUSED +4" in text_of(app)
        await pilot.press("p")
        assert "PAUSED" not in text_of(app)
        assert "70%" in text_of(app)
        assert re.search(r"✗ failed +b\.jpg", text_of(app))

    use(test, [photo_job("job_1", "a.jpg", 2), photo_job("job_2", "b.jpg", 2)])


@pytest.mark.slow
def test_the_job_view_has_search_json_and_next_error() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await pilot.press("e", "e", "2")
        screen = app.screen
        assert isinstance(screen, JobScreen)
        assert "2 ERRORS" in text_of(app)
        await pilot.press("slash", *"allowed", "enter")
        assert "1 of 1 found" in text_of(app)
        await pilot.press("slash", *"exposure", "enter", "n")
        await pilot.pause()
        assert "2 of 2 found" in text_of(app)
        await pilot.press("slash", *"allowed", "enter")
        assert screen.to_copy() == "-5 to 5"
        await pilot.press("slash", "escape", "v")
        assert '"job_id": "job_12346",' in text_of(app)
        assert '"job_id": "job_12346"' in screen.to_copy()
        await pilot.press("v", "e")
        assert "the provider sent 12 bytes" in text_of(app)
        await pilot.press("left")
        assert "2 ERRORS" in text_of(app)
        await pilot.press("escape")
        assert not isinstance(app.screen, JobScreen)

    use(test, many_jobs())


@pytest.mark.slow
def test_details_can_be_folded_copied_and_searched_while_folded() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await pilot.press("e", "e", "2")
        screen = app.screen
        assert isinstance(screen, JobScreen)
        assert '"job_id": "job_12346"' in screen.to_copy(), "on the job's name, all of it"
        await pilot.press("slash", *"2 errors", "enter")
        assert [error["phase"] for error in json.loads(screen.to_copy())] == ["ai_evaluation", "applying_preset"]
        await pilot.press("enter")
        app._tick()
        assert "▸ 2 ERRORS" in text_of(app)
        assert "Invalid exposure" not in text_of(app)
        assert "1 of 1 found" in text_of(app), "what was found is the same when it is folded"
        await pilot.press("slash", *"allowed", "enter")
        assert "-5 to 5" in text_of(app), "unfolded by the search"
        await pilot.press("space")
        assert "-5 to 5" not in text_of(app), "a value folds what it is in"
        assert json.loads(screen.to_copy())["kind"] == "validation_error"
        await pilot.press("z")
        assert "PHASES" in text_of(app)
        assert "importing" not in text_of(app)
        await pilot.press("z", "G")
        assert screen.to_copy() == "25600000"
        await pilot.press("g", "j")
        assert "photo  id job_12346" in screen.to_copy()

    use(test, many_jobs(), size=(120, 60))


def test_the_cursor_stays_on_its_row_while_the_details_change() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "slash", *"file_size", "enter")
        screen = app.screen
        assert isinstance(screen, JobScreen)
        message = {"type": "error_occurred", "job_id": "job_1", "seq": 9, "error_message": "tilt", "error_type": "t"}
        app.receive(Batch((frame(message),), 1000.0))
        await pilot.pause()
        assert "tilt" in text_of(app)
        assert screen.to_copy() == "25600000"

    use(test, [photo_job("job_1", "a.jpg", 3)])


def test_a_click_on_a_folded_row_unfolds_it() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await pilot.press("2")
        line = next(at for at, text in enumerate(text_of(app).splitlines()) if "▾ PHASES" in text)
        await pilot.click(offset=(5, line))
        assert "▸ PHASES" in text_of(app)
        assert "ai_evaluation" not in text_of(app)

    use(test, [photo_job("job_1", "a.jpg", 3)])


def test_the_job_view_shows_reasons_messages_and_slow_phases() -> None:
    why = [reason("image_wait is 1.8x its usual length: +40 s", 40.0)]
    job = photo_job("job_1", "a.jpg", 3, eta_reasons=why, message="one")
    for stage in job["stages"]:
        stage["p90_seconds"] = stage["average_seconds"] * 1.5

    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        for seq, words in ((8, "two"), (9, "three")):
            message = {
                "type": "job_progress",
                "job_id": "job_1",
                "seq": seq,
                "stage": "ai_evaluation",
                "message": words,
            }
            app.receive(Batch((frame(message),), 1000.0))
        await pilot.press("2")
        assert "image_wait is 1.8x its usual length: +40 s" in text_of(app)
        assert text_of(app).index("three") < text_of(app).index("two")
        assert "╵" in text_of(app)

    use(test, [job])


def test_a_click_on_a_title_sorts_and_a_second_one_reverses() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        heading = text_of(app).splitlines()[1]
        for title, column in (("ELAPSED", "elapsed"), ("PROGRESS", "percent"), ("JOB", "name")):
            at = (heading.index(title) + 1, 1)
            await pilot.click(offset=at)
            assert (app.state.order.column, app.state.order.reverse) == (column, False)
            first = ids(app.state.visible)
            await pilot.click(offset=at)
            assert (app.state.order.column, app.state.order.reverse) == (column, True)
            assert ids(app.state.visible) != first
            assert "▼" in text_of(app).splitlines()[1]

    use(test, many_jobs())


def test_keys_can_be_remapped() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await pilot.press("f3", *"simple", "enter")
        assert app.state.filter.text == "simple"
        await pilot.press("escape", "question_mark")
        assert "f3 " in text_of(app)

    use(test, many_jobs(), settings=Settings(keys={"filter": "f3"}))


def test_action_names_are_unique_and_destructive_ones_have_no_letter_key() -> None:
    names = [action.name for action in ACTIONS]
    assert len(names) == len(set(names))
    [destroys] = [action for action in ACTIONS if action.name == "cancel"]
    assert all(key.startswith(("ctrl+", "alt+")) for key in destroys.keys.split(","))


@pytest.mark.slow
def test_without_unicode_only_ascii_is_drawn() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        for keys in ([], ["2"], ["1", "question_mark"]):
            await pilot.press(*keys)
            strips = app.screen._compositor.render_strips()
            filtered = [strip.apply_filter(each, app.screen.styles.background) for strip in strips
                        for each in app.get_line_filters()[-1:]]  # fmt: skip
            assert all(segment.text.isascii() for strip in filtered for segment in strip)
            assert all(strip.cell_length == app.size.width for strip in filtered)

    use(test, odd_jobs(), settings=Settings(ascii=True))


@pytest.mark.slow
def test_the_screen_is_restored_from_the_last_session(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    async def leave(app: ProgressApp, pilot: Pilot[int]) -> None:
        await pilot.press("s", "s", "S", "slash", *"photo", "enter", "2", "q")

    async def find(app: ProgressApp, pilot: Pilot[int]) -> None:
        assert (app.state.order.column, app.state.order.reverse, app.state.filter.text) == ("state", True, "photo")
        assert isinstance(app.screen, JobScreen)

    use(leave, many_jobs(), remembered=Remembered())
    use(find, many_jobs(), remembered=read_remembered())


@pytest.mark.parametrize("content", [b"", b"{", b'{"sort": 7}', b"\xff"])
def test_an_unreadable_state_file_is_ignored(tmp_path: Any, content: bytes) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    write_remembered(Remembered(sort="eta"), environ)
    assert read_remembered(environ) == Remembered(sort="eta")
    remembered_file(environ).write_bytes(content)
    assert read_remembered(environ) == Remembered()
    write_remembered(Remembered(), {"XDG_STATE_HOME": "/proc/nowhere"})
