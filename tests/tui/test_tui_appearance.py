"""Themes, colors, columns and sizes of the running app."""

from typing import Any

import pytest
from textual.geometry import Region
from textual.pilot import Pilot

from phaseline.errors import ConfigError
from phaseline_tui.app.app import ProgressApp
from phaseline_tui.drawing.themes import ANSI, DARK, LIGHT
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import Batch
from phaseline_tui.user.settings import Settings
from phaseline_tui.widgets.job_list import JobList
from tests.support.tui_app import numbered, use
from tests.support.tui_jobs import frame, ids, many_jobs
from tests.support.tui_pilot import text_of, until


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


def test_the_error_for_an_unknown_theme_lists_all_themes() -> None:
    with pytest.raises(ConfigError, match=r"theme is 'purple'; allowed: dark, light, ansi, .*nord"):
        ProgressApp(ServerAddress.parse("http://127.0.0.1:5100"), settings=Settings(theme="purple"), connect=False)
