"""The cursor of the list, by keys and mouse."""

from textual import events
from textual.pilot import Pilot

from phaseline_tui.app.app import ProgressApp
from phaseline_tui.model.connection import Batch
from phaseline_tui.widgets.job_detail import JobDetail
from phaseline_tui.widgets.job_list import JobList
from tests.support.tui_app import numbered, use
from tests.support.tui_jobs import connected, frame, ids, many_jobs, photo_job
from tests.support.tui_pilot import text_of, until


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


def test_keys_of_one_packet_act_in_order() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        for key in ("j", "j", "k", "enter", "G"):
            app.post_message(events.Key(key, None))
        await until(pilot, lambda: isinstance(app.focused, JobDetail))
        await pilot.pause()
        assert app.screen.query_one(JobList).chosen == app.state.visible[1]

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
