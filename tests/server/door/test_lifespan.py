"""The app starts before the first connection and stops after the last one."""

import pytest
import trio
import trio.testing
from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope
from quart_trio import QuartTrio
from structlog.testing import capture_logs

from phaseline_server.door import Door, open_listeners
from phaseline_server.errors import StartupFailed
from tests.support.door_clients import open_door


async def test_the_app_starts_before_and_stops_after_all_requests() -> None:
    app = QuartTrio(__name__)
    seen: list[str] = []

    @app.before_serving
    async def start() -> None:
        seen.append("started")

    @app.after_serving
    async def end() -> None:
        seen.append("ended")

    @app.get("/")
    async def index() -> str:
        app.nursery.start_soon(trio.sleep_forever)  # the app's own nursery is open, and cancelled in the end
        seen.append("asked")
        return "here"

    async with open_door(app) as opened:
        await opened.ask()
    assert seen == ["started", "asked", "ended"]


async def start_failing(app: ASGIFramework) -> None:
    door = Door()
    listeners = await open_listeners(["127.0.0.1:0"], explicit=True)
    async with trio.open_nursery() as nursery:
        await nursery.start(door.serve, app, listeners)


async def test_a_failed_start_raises_a_single_error() -> None:
    app = QuartTrio(__name__)

    @app.before_serving
    async def start() -> None:
        raise ValueError("no paper")

    with pytest.RaisesGroup(pytest.RaisesExc(StartupFailed, match="no paper")):
        await start_failing(app)


async def test_a_crash_during_the_start_raises_an_error() -> None:
    async def app(_scope: Scope, _receive: ASGIReceiveCallable, _send: ASGISendCallable) -> None:
        await trio.lowlevel.checkpoint()
        raise ValueError("no pencil")

    with capture_logs(), pytest.RaisesGroup(pytest.RaisesExc(StartupFailed, match="no pencil")):
        await start_failing(app)


async def test_a_start_can_be_canceled() -> None:
    app = QuartTrio(__name__)
    app.before_serving(trio.sleep_forever)
    starting = trio.CancelScope()
    with starting:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(start_failing, app)
            await trio.testing.wait_all_tasks_blocked()
            starting.cancel()
    assert starting.cancelled_caught


async def test_an_app_that_does_not_stop_is_canceled(autojump_clock: trio.testing.MockClock) -> None:
    app = QuartTrio(__name__)
    app.after_serving(trio.sleep_forever)
    door = Door()
    listeners = await open_listeners(["127.0.0.1:0"], explicit=True)
    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            await nursery.start(door.serve, app, listeners)
            with trio.fail_after(60):
                await door.close(0)
    assert [entry["event"] for entry in logs] == ["app shutdown timed out; canceling it"]
