"""The app with a live connection: servers that stop and return, and quitting."""

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from phaseline_tui.app.app import ProgressApp
from phaseline_tui.drawing.themes import DARK
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import LinkState, Timing
from tests.support.ports import free_port
from tests.support.tui_jobs import dalle_job, many_jobs, photo_job
from tests.support.tui_pilot import text_of, until
from tests.support.tui_server import PlayedServer

Json = dict[str, Any]
Use = Callable[[ProgressApp, Pilot[int]], Awaitable[None]]


def live(url: str, test: Use, timing: Timing | None = None) -> None:
    """Run `test` on the app, connected to `url`, and check that no thread is left."""

    async def main() -> None:
        app = ProgressApp(ServerAddress.parse(url), theme=DARK, timing=timing or Timing(batch=0.02, first_retry=0.05))
        async with app.run_test(size=(120, 40)) as pilot:
            await test(app, pilot)

    asyncio.run(main())
    assert not [thread for thread in threading.enumerate() if thread.name == "links"]


def test_jobs_of_a_live_server_are_followed() -> None:
    with PlayedServer([dalle_job("simple", "0x1234", 5, progress=10.0)]) as server:

        async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
            await until(pilot, lambda: "dalle·simple" in text_of(app))
            started = {
                "type": "job_started", "job_id": "job_9", "seq": 20, "workflow": "photo", "state": "active",
                "photo_info": {"file_name": "IMG_9.CR3"}, "stages": ["importing", "exporting"], "stage_index": 1,
                "stage_count": 2, "timestamp": "2026-11-09T18:00:00Z",
            }  # fmt: skip
            server.send(started, {"type": "job_progress", "job_id": "job_9", "stage": "exporting", "percent": 61.0})
            await until(pilot, lambda: "2/2 exporting" in text_of(app) and "61%" in text_of(app))
            server.send(
                {"type": "job_failed", "job_id": "job_9", "seq": 30, "state": "failed", "result": {"error": "tilt"}}
            )
            await until(pilot, lambda: "tilt" in text_of(app))

        live(server.url, test)


def test_the_view_reconnects_without_a_key_press() -> None:
    port = free_port()

    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "no server at" in text_of(app))
        assert "progress-server" in text_of(app)
        with PlayedServer([photo_job("job_1", "IMG_1.CR3", 2)], port=port):
            await until(pilot, lambda: "IMG_1.CR3" in text_of(app))
        await until(pilot, lambda: app.data.status.state is LinkState.WAITING)
        assert "IMG_1.CR3" in text_of(app)
        assert app.data.scene().stale
        with PlayedServer([photo_job("job_2", "IMG_2.CR3", 2)], port=port):
            await until(pilot, lambda: "IMG_2.CR3" in text_of(app))
            assert "IMG_1.CR3" not in text_of(app)

    live(f"http://127.0.0.1:{port}", test)


def test_r_reconnects_at_once() -> None:
    port = free_port()

    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: app.data.status.state is LinkState.WAITING)
        with PlayedServer(port=port):
            await pilot.press("r")
            await until(pilot, lambda: app.data.status.state is LinkState.CONNECTED)
            await until(pilot, lambda: "no jobs yet" in text_of(app))
            assert f"curl 'http://127.0.0.1:{port}/dalle/simple/0x1234?generate=1'" in text_of(app)

    live(f"http://127.0.0.1:{port}", test, Timing(batch=0.02, open=60.0, first_retry=3600.0, last_retry=3600.0))


@pytest.mark.parametrize("state", [LinkState.CONNECTED, LinkState.STALE, LinkState.STOPPED])
def test_quitting_leaves_no_thread_and_no_output(state: LinkState, capfd: pytest.CaptureFixture[str]) -> None:
    behaviour: Json = {"mute": True} if state is LinkState.STALE else {}
    behaviour |= {"status": 403} if state is LinkState.STOPPED else {}
    with PlayedServer(many_jobs(), **behaviour) as server:

        async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
            await until(pilot, lambda: app.data.status.state is state)
            await pilot.press("q")

        live(server.url, test, Timing(batch=0.02, ping=0.03, stale=0.06, dead=60.0))
    out, err = capfd.readouterr()
    assert not re.search(r"Traceback|Error", out + err)


def test_quitting_right_after_starting_leaves_no_thread(capfd: pytest.CaptureFixture[str]) -> None:
    async def test(_app: ProgressApp, pilot: Pilot[int]) -> None:
        await pilot.press("q")

    for _ in range(3):
        live("http://127.0.0.1:1", test)
    out, err = capfd.readouterr()
    assert not re.search(r"Traceback|Error", out + err)
