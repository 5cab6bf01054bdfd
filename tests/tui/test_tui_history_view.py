"""The history view: its snapshots, the texts of its states, and past jobs of a real server."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from textual.pilot import Pilot

from phaseline_tui.app.app import ProgressApp
from phaseline_tui.drawing.themes import DARK
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.screens.history import HistoryScreen
from tests.support.films import film
from tests.support.servers import progress_server
from tests.support.tui_history import PastServer, past_jobs
from tests.support.tui_hosts import several
from tests.support.tui_jobs import FixedClock, connected, frame, many_jobs
from tests.support.tui_pilot import looks, text_of, until

Compare = Callable[..., bool]


def app_of(past: PastServer, theme: str | None = DARK) -> ProgressApp:
    app = ProgressApp(ServerAddress.parse("http://127.0.0.1:5100"), clock=FixedClock(), theme=theme, connect=False)
    app.request = past.request  # type: ignore[method-assign]
    return app


async def settled(pilot: Pilot[Any], app: ProgressApp) -> None:
    """Wait until all answers have been shown."""
    await until(pilot, lambda: all(worker.is_finished for worker in app.workers))
    await pilot.pause()


async def open_history(pilot: Pilot[Any], app: ProgressApp, *keys: str) -> None:
    app.receive(connected(many_jobs()))
    await pilot.press("6")
    await settled(pilot, app)
    for key in keys:
        await pilot.press(key)
        await settled(pilot, app)
    await pilot.pause()


@pytest.mark.slow
@looks
def test_history(snap_compare: Compare, theme: str, size: tuple[int, int]) -> None:
    app = app_of(PastServer(past_jobs()), theme)

    async def before(pilot: Pilot[Any]) -> None:
        await open_history(pilot, app, "j", "j", "j")

    assert snap_compare(app, run_before=before, terminal_size=size)


@pytest.mark.slow
@looks
def test_a_past_job(snap_compare: Compare, theme: str, size: tuple[int, int]) -> None:
    app = app_of(PastServer(past_jobs()), theme)

    async def before(pilot: Pilot[Any]) -> None:
        await open_history(pilot, app, "j", "j", "j", "j", "enter")

    assert snap_compare(app, run_before=before, terminal_size=size)


def test_at_80_columns_results_are_hidden_before_names_are_cut() -> None:
    jobs = past_jobs(20)
    jobs[3] |= {"message": "exported to the share of the studio", "workflow": "photo_export", "series": "portrait"}

    async def main() -> None:
        app = app_of(PastServer(jobs))
        async with app.run_test(size=(80, 24)) as pilot:
            await open_history(pilot, app)
            shown = text_of(app)
            assert "photo·wedding" in shown
            assert "photo_…·portrait" in shown
            assert "SC024_040_…_lighting_v07.CR3" in shown
            assert "RESULT" not in shown
            assert "in applying_preset: Invalid exposur" in shown
            assert {len(line) for line in shown.splitlines()} == {80}

    asyncio.run(main())


@pytest.mark.slow
def test_history_of_several_servers(snap_compare: Compare) -> None:
    app = several(DARK)
    app.request = PastServer(past_jobs()).request  # type: ignore[method-assign]

    async def before(pilot: Pilot[Any]) -> None:
        await open_history(pilot, app)

    assert snap_compare(app, run_before=before, terminal_size=(120, 40))


def run(app: ProgressApp, test: Callable[[Pilot[int]], Awaitable[None]], size: tuple[int, int] = (120, 40)) -> None:
    async def main() -> None:
        async with app.run_test(size=size) as pilot:
            await test(pilot)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (
            (403, "the token may not read"),
            "no permission: the token may not read; set PROGRESS_TOKEN to a token that may",
        ),
        ((404, "no such route"), "this server is older and has no history; update it"),
        ((422, "state: 'completed,failed'; allowed: all"), "this server is older and has no history; update it"),
        ((503, "the journal is away"), "returned HTTP 503: the journal is away"),
    ],
)
def test_an_error_is_shown_as_text(failure: tuple[int, str], words: str) -> None:
    past = PastServer(past_jobs())
    past.failure = failure
    app = app_of(past)

    async def test(pilot: Pilot[int]) -> None:
        await open_history(pilot, app)
        assert words in text_of(app)
        assert "no answer" in text_of(app)
        past.failure = None
        await pilot.press("r")
        await settled(pilot, app)
        assert "no answer" not in text_of(app)
        assert "1 of 120" in text_of(app)

    run(app, test)


def test_an_empty_range_is_explained_with_the_key_to_change_it() -> None:
    app = app_of(PastServer([], {"workflows": []}))

    async def test(pilot: Pilot[int]) -> None:
        await open_history(pilot, app)
        assert "no job has ended since yesterday" in text_of(app)
        await pilot.press("d")
        await settled(pilot, app)
        assert "no past job matches the filter today" in text_of(app)
        assert "esc clears the filter" in text_of(app)

    run(app, test)


@pytest.mark.slow
def test_scrolling_fetches_further_pages_and_going_to_the_end_fetches_all() -> None:
    past = PastServer([each for each in past_jobs(2000) if each["state"] == "completed"])
    app = app_of(past)

    def pages() -> int:
        return sum("/progress/jobs" in path for path in past.asked)

    async def test(pilot: Pilot[int]) -> None:
        await open_history(pilot, app)
        first = pages()
        assert first <= 5
        for _ in range(10):
            await pilot.press("pagedown")
        await settled(pilot, app)
        assert first < pages() < 15
        await pilot.press("G")
        await settled(pilot, app)
        await pilot.pause()
        assert f"{len(past.jobs)} of {len(past.jobs)} " in text_of(app)
        await pilot.press("g")
        await pilot.pause()
        assert f"1 of {len(past.jobs)} " in text_of(app)

    run(app, test)


@pytest.mark.slow
def test_words_are_searched_by_the_server_and_exclusions_by_the_view() -> None:
    past = PastServer(past_jobs())
    app = app_of(past)

    async def test(pilot: Pilot[int]) -> None:
        await open_history(pilot, app, "slash", *"hochzeit !box1", "enter")
        await until(pilot, lambda: any("q=hochzeit" in path for path in past.asked))
        await settled(pilot, app)
        assert "!box1: only applied to the list" in text_of(app)
        screen = cast("HistoryScreen", app.screen)
        assert screen.history.rows
        assert all("Hochzeit" in job.name and job.host != "box1" for job in screen.history.rows)
        await pilot.press("1", "6")
        await settled(pilot, app)
        assert "/hochzeit !box1" in text_of(app), "the filter stays while the program runs"

    run(app, test)


def test_a_job_that_ends_appears_and_the_cursor_stays_on_its_job() -> None:
    past = PastServer(past_jobs())
    app = app_of(past)

    async def test(pilot: Pilot[int]) -> None:
        await open_history(pilot, app, "j", "j")
        screen = cast("HistoryScreen", app.screen)
        before = screen.history.rows[2].job_id
        newest = past_jobs(1)[0] | {"job_id": "job_12345", "completed_at": "2026-11-09T18:38:01Z", "seq": 9}
        past.jobs.insert(0, newest)
        ended = {"type": "job_completed", "job_id": "job_12345", "epoch": "e1", "seq": 9, "state": "completed"}
        app.receive(replace(connected([]), frames=(frame(ended),), status=None))
        await settled(pilot, app)
        await until(pilot, lambda: screen.history.rows[0].job_id == "job_12345")
        assert screen.rows.cursor == 3
        assert screen.history.rows[3].job_id == before

    run(app, test)


def report(url: str, messages: list[dict[str, Any]]) -> None:
    answer = httpx.post(f"{url}/progress/batch", json=messages, trust_env=False, verify=False, timeout=60)
    assert answer.json()["success"], answer.text


@pytest.mark.slow
def test_past_jobs_of_a_real_server_are_listed_and_opened(tmp_path: Path) -> None:
    with progress_server(tmp_path / "data") as url:
        for first in range(0, 130, 65):
            films = [film(f"film{number}", fail=number == 7) for number in range(first, first + 65)]
            report(url, list(chain.from_iterable(films)))

        async def main() -> None:
            app = ProgressApp(ServerAddress.parse(url), theme=DARK)
            async with app.run_test(size=(120, 40)) as pilot:
                await until(pilot, lambda: bool(app.state.synced))
                await pilot.press("6")
                await until(pilot, lambda: "1 of 130 " in text_of(app))
                await until(pilot, lambda: "130 runs  129 done  1 failed" in text_of(app))
                assert "film·s" in text_of(app)
                await asyncio.to_thread(report, url, film("newest"))
                await until(pilot, lambda: "of 131 " in text_of(app))
                await pilot.press("slash", *"failed", "enter")
                await until(pilot, lambda: "1 of 1 " in text_of(app))
                await pilot.press("enter")
                await until(pilot, lambda: "✗ write" in text_of(app) and "USUALLY" in text_of(app))
                await pilot.press("escape", "escape", "escape")
                await until(pilot, lambda: app.screen is app.screen_stack[0])
                assert re.search(r"\b130 (seen )?done today", text_of(app))

        asyncio.run(main())


@pytest.mark.slow
def test_a_past_job_whose_id_has_control_characters_is_opened(tmp_path: Path) -> None:
    with progress_server(tmp_path) as url:
        for path, more in (("start", {}), ("complete", {"success": False, "result": {"error": "no space left"}})):
            body = {"job_id": "\u200bnight\u202ejob", **more}
            httpx.post(
                f"{url}/progress/{path}", json=body, trust_env=False, verify=False, timeout=60
            ).raise_for_status()

        async def main() -> None:
            app = ProgressApp(ServerAddress.parse(url), theme=DARK)
            async with app.run_test(size=(120, 30)) as pilot:
                await until(pilot, lambda: bool(app.state.synced))
                await pilot.press("6")
                await until(pilot, lambda: "nightjob" in text_of(app))
                await pilot.press("enter")
                await until(pilot, lambda: "RESULT" in text_of(app) or "ERROR" in text_of(app))
                assert "no longer keeps" not in text_of(app)

        asyncio.run(main())
