"""The app with a real progress-server: a picture run, and a restart of the server."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from textual.pilot import Pilot

from phaseline.model.states import PhaseState, State
from phaseline_tui.app.app import ProgressApp
from phaseline_tui.drawing.themes import DARK
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import LinkState, Timing
from phaseline_tui.model.jobs import JobKey
from tests.support.ports import free_port
from tests.support.servers import progress_server
from tests.support.tui_pilot import text_of, until

Use = Callable[[ProgressApp, Pilot[int]], Awaitable[None]]


def follow(url: str, test: Use) -> None:
    async def main() -> None:
        app = ProgressApp(ServerAddress.parse(url), theme=DARK, timing=Timing(first_retry=0.05, last_retry=0.2))
        async with app.run_test(size=(120, 40)) as pilot:
            await test(app, pilot)

    asyncio.run(main())


def paint(url: str, picture: str) -> None:
    httpx.get(f"{url}/dalle/{picture}?generate=1", trust_env=False, verify=False, timeout=60).raise_for_status()


@pytest.mark.slow
def test_a_picture_is_followed_phase_by_phase_to_its_end(tmp_path: Path) -> None:
    with progress_server(tmp_path) as url:
        seen: list[tuple[float, int]] = []

        async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
            await until(pilot, lambda: "no jobs yet" in text_of(app))
            await asyncio.to_thread(paint, url, "simple/0x1234")

            def ended() -> bool:
                job = app.state.jobs.get(JobKey(app.data.labels[0], "dalle:simple:0x1234"))
                if job is not None:
                    seen.append((job.percent_at(app.data.scene().now), job.phase_index))
                return job is not None and job.state is State.COMPLETED

            await until(pilot, ended)
            await pilot.press("enter")
            await until(pilot, lambda: "RESULT" in text_of(app))
            for words in ("✓ setup", "↷ enhance_prompt", "✓ image_wait", "✓ annotate", "simple/0x1234", "100%"):
                assert words in text_of(app)
            assert app.state.ignored == 0

        follow(url, test)
        assert seen == sorted(seen), "neither percent nor phase ever fell"
        assert seen[-1] == (100.0, 7)

        async def come_later(app: ProgressApp, pilot: Pilot[int]) -> None:
            await until(pilot, lambda: "✓ done      0x1234" in text_of(app))
            job = app.state.jobs[JobKey(app.data.labels[0], "dalle:simple:0x1234")]
            assert all(phase.elapsed is not None for phase in job.phases if phase.state is PhaseState.DONE)
            assert app.state.ignored == 0

        follow(url, come_later)


def test_the_view_shows_that_the_server_stops_and_returns(tmp_path: Path) -> None:
    bind = f"127.0.0.1:{free_port()}"
    url = f"http://{bind}"

    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: app.data.status.state is LinkState.WAITING)
        for _ in range(2):
            server = progress_server(tmp_path, bind=bind)
            await asyncio.to_thread(server.__enter__)
            await until(pilot, lambda: app.data.status.state is LinkState.CONNECTED and bool(app.state.synced))
            await asyncio.to_thread(paint, url, "simple/0xfeed")
            await until(pilot, lambda: "0xfeed" in text_of(app))
            await asyncio.to_thread(server.__exit__, None, None, None)
            await until(pilot, lambda: app.data.status.state is LinkState.WAITING)
            await until(pilot, lambda: "no server at" in text_of(app))

    follow(url, test)
