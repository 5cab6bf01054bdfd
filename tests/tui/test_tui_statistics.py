"""Statistics of earlier runs: from the server, or derived from the jobs of an older server."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from textual.pilot import Pilot

from phaseline_tui.app.app import ProgressApp
from phaseline_tui.drawing.themes import DARK
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.figures import Figures, from_jobs, read_eta, read_phases
from phaseline_tui.screens.jobs import JobsScreen
from phaseline_tui.screens.statistics import StatisticsScreen
from tests.support.servers import progress_server
from tests.support.tui_figures import eta_answer, phases_answer
from tests.support.tui_jobs import FixedClock, connected, many_jobs
from tests.support.tui_pilot import looks, text_of, until

Compare = Callable[..., bool]


def figures() -> Figures:
    return read_eta(read_phases(json.dumps(phases_answer()).encode()), json.dumps(eta_answer()).encode())


def test_responses_with_missing_fields_and_hostile_texts_are_decoded() -> None:
    known = figures()
    assert (len(known.phases), len(known.slowest), known.eta[2].model.median_error) == (12, 5, None)
    hostile = {"workflow": "\x1b[2J", "phase": "a\u202eb", "series": None, "count": -4, "avg_seconds": -1.0,
               "recent_seconds": [1.0, -2.0], "new": 1}  # fmt: skip
    [phase] = read_phases(json.dumps({"phases": [hostile]}).encode()).phases
    assert (phase.workflow, phase.phase, phase.series, phase.count, phase.avg_seconds) == ("[2J", "ab", "", 0, None)
    assert phase.recent_seconds == [1.0]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"phases": 7}', b'{"phases": [{"workflow": 1}]}', b"\xff"])
def test_an_invalid_response_raises_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_phases(body)


def app_of(theme: str | None = None) -> ProgressApp:
    return ProgressApp(ServerAddress.parse("http://127.0.0.1:5100"), clock=FixedClock(), theme=theme, connect=False)


def test_averages_and_failures_are_derived_from_the_jobs() -> None:
    app = app_of()
    app.state.apply(connected(many_jobs()).frames, 1000.0)
    known = from_jobs(app.state.jobs.values(), "older")
    averages = {(each.workflow, each.phase): each.avg_seconds for each in known.phases}
    assert averages["photo", "importing"] == 2.0
    assert sum(each.count for each in known.failures) == app.state.counts["failed"]
    assert known.note == "older"


async def _show(pilot: Pilot[Any], app: ProgressApp, known: Figures, *keys: str) -> None:
    app.receive(connected(many_jobs()))
    await pilot.press("3")
    await app.workers.wait_for_complete()
    await pilot.pause()
    cast("StatisticsScreen", app.screen).update(app.data.labels[0], known)
    await pilot.press(*keys)
    await pilot.pause()


@looks
def test_statistics(snap_compare: Compare, theme: str, size: tuple[int, int]) -> None:
    app = app_of(theme)

    async def before(pilot: Pilot[Any]) -> None:
        await _show(pilot, app, figures(), "j")

    assert snap_compare(app, run_before=before, terminal_size=size)


def test_statistics_of_an_older_server(snap_compare: Compare) -> None:
    app = app_of(DARK)

    async def before(pilot: Pilot[Any]) -> None:
        app.receive(connected(many_jobs()))
        await _show(pilot, app, from_jobs(app.state.jobs.values(), "this server is older"))

    assert snap_compare(app, run_before=before, terminal_size=(120, 36))


def test_a_tick_during_shutdown_is_harmless() -> None:
    async def main() -> None:
        app = app_of(DARK)
        async with app.run_test(size=(120, 40)) as pilot:
            await _show(pilot, app, figures())
            for screen in app.screen_stack:  # as Textual does at the end
                await screen.remove_children()
            app._tick()
            for view in cast("list[StatisticsScreen | JobsScreen]", app.views_on_stack()):
                view._arrange()

    asyncio.run(main())


def paint(url: str) -> bool:
    answer = httpx.get(
        f"{url}/dalle/simple/0x5a?generate=1", trust_env=False, verify=False, timeout=60
    ).raise_for_status()
    return bool(answer.json()["done"])


@pytest.mark.slow
def test_statistics_of_a_real_server_are_shown(tmp_path: Path) -> None:
    with progress_server(tmp_path / "data") as url:

        async def main() -> None:
            app = ProgressApp(ServerAddress.parse(url), theme=DARK)
            async with app.run_test(size=(120, 40)) as pilot:
                await until(pilot, lambda: bool(app.state.synced))
                await pilot.press("3")
                await until(pilot, lambda: "no statistics yet" in text_of(app))
                await asyncio.to_thread(paint, url)
                await until(pilot, lambda: any(job.over for job in app.state.jobs.values()))
                await pilot.press("escape", "3")
                await until(pilot, lambda: "image_wait" in text_of(app))
                assert "older" not in text_of(app)
                assert "dalle" in text_of(app)

        asyncio.run(main())
