"""The times when boxes are free, in the header and in the Workers view, and the starts of queued jobs in the list."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from textual.pilot import Pilot

from phaseline_tui.app.app import ProgressApp
from phaseline_tui.drawing.boxes import box_line, free_at
from phaseline_tui.drawing.themes import DARK
from phaseline_tui.drawing.workers import worker_details, worker_heading, worker_row
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.boxes import latest_free, read_boxes
from phaseline_tui.model.jobs import JobKey, Remaining
from phaseline_tui.model.workers import HostKey, WorkerHost
from tests.support.servers import progress_server
from tests.support.tui_jobs import PHOTO, FixedClock, connected, job
from tests.support.tui_pilot import text_of, until
from tests.support.tui_workers import boxes
from tests.tui.test_tui_drawing import SCENE, WIDTHS
from tests.tui.test_tui_drawing import text_of as line_text

Use = Callable[[ProgressApp, Pilot[Any]], Awaitable[None]]


def answer(*found: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"boxes": list(found)})


def head(app: ProgressApp) -> str:
    return text_of(app).split("\n", 1)[0]


def running(test: Use, size: tuple[int, int] = (120, 40)) -> None:
    async def main() -> None:
        app = ProgressApp(ServerAddress.parse("http://a"), clock=FixedClock(), theme=DARK, connect=False)
        async with app.run_test(size=size) as pilot:
            names = [("gpu", "render00"), ("cpu", "render00"), ("gpu", "render01")]
            at_work = [job(f"j{n}", PHOTO, 3, host=host, queue=queue) for n, (queue, host) in enumerate(names)]
            waits = job("waits", PHOTO, 0, state="queued", host="render00", queue="gpu", position=1)
            later = {
                "start_eta_seconds": 300.0,
                "eta_seconds": 660.0,
                "eta_low_seconds": None,
                "eta_high_seconds": None,
            }
            app.receive(connected([*at_work, waits | later]))
            await pilot.pause()
            await test(app, pilot)

    asyncio.run(main())


@pytest.mark.parametrize(
    "box",
    [
        {},
        {"free_seconds": -1.0, "free_low_seconds": -5.0, "free_high_seconds": 1e300, "slots": -1, "active": -1},
        {"free_seconds": 1e300, "slots": 10**30, "active": 10**18, "queued": 2**62},
        {"queue": "\x1b[31mred\n", "free_seconds": 86400.0, "free_low_seconds": None},
    ],
)
def test_a_hostile_answer_is_bounded_and_rows_keep_their_width(box: dict[str, Any]) -> None:
    try:
        found = read_boxes(answer({"host": "box\x1b[2J\n"} | box), "a", 1000.0)
    except ValueError:  # a number that is none of 64 bits
        assert box.get("slots") == 10**30
        return
    host = WorkerHost(HostKey("a", found[0].host), boxes=list(found))
    for width in WIDTHS:
        row = worker_row(host, width, SCENE)
        assert len(line_text(row)) == len(line_text(worker_heading(width)))
        assert all("\x1b" not in line_text(line) for line in (row, *worker_details(host, width, 5, SCENE)))


def test_the_end_of_a_box_is_a_range_of_times_and_unknown_a_dash() -> None:
    assert free_at(None, SCENE) == "—"
    assert free_at(Remaining(600.0, 300.0, 900.0), SCENE) == "18:43–18:53"
    assert free_at(Remaining(600.0, 599.0, 601.0), SCENE) == "18:48"
    assert free_at(Remaining(600.0, None, None), SCENE) == "18:48"
    assert free_at(Remaining(1e5, 9e4, 1.1e5), SCENE) == "Tue 19:38–Wed 01:11"
    assert free_at(Remaining(1e5, 9e4, 1.1e5), SCENE, 15) == "~Tue 22:24"
    assert free_at(Remaining(5e4, 4.5e4, 5.5e4), SCENE) == "Tue 07:08–09:54"
    [known, unknown] = read_boxes(
        answer(
            {"host": "b", "queue": "gpu", "slots": 2, "active": 2, "queued": 7, "free_seconds": 600.0},
            {"host": "b", "active": 1},
        ),
        "a",
        1000.0,
    )
    assert line_text(box_line(known, SCENE)) == " gpu  2 slots  2 active  7 queued  free 18:48 · 10m"
    assert line_text(box_line(unknown, SCENE)).endswith("free —")
    assert latest_free([known, unknown], 1000.0) is None, "the end of one queue is unknown, so that of the host is"
    left = latest_free([known], 1060.0)
    assert left is not None
    assert left.likely == pytest.approx(540.0), "it is counted down"


def test_the_header_shows_the_box_of_the_selected_job() -> None:
    async def test(app: ProgressApp, pilot: Pilot[Any]) -> None:
        assert "all done" in head(app), "until a server has answered"
        only = {"host": "render00", "queue": "gpu", "free_seconds": 600.0, "free_low_seconds": 500.0}
        app._boxes.receive(app.data.labels[0], answer(only | {"free_high_seconds": 900.0}))
        await pilot.pause()
        assert "render00 gpu free 18:46–18:53 · 10m" in head(app)
        other = {"host": "render01", "queue": "gpu", "free_seconds": 1200.0}
        app._boxes.receive(app.data.labels[0], answer(only, other))
        for name, words in (("j0", "render00 gpu free 18:48"), ("j2", "render01 gpu free 18:58"), ("j1", "all done")):
            app.job = JobKey(app.data.labels[0], name)
            app.screen.tick()  # type: ignore[attr-defined]
            await pilot.pause()
            assert words in head(app)
        app._boxes.receive(app.data.labels[0], answer())
        await pilot.pause()
        assert app.data.boxes == ()

    running(test, (150, 30))


def test_a_queued_job_shows_when_it_is_likely_to_start() -> None:
    async def test(app: ProgressApp, pilot: Pilot[Any]) -> None:
        del pilot
        assert "starts 18:43 · ends 18:49" in text_of(app)
        assert "waits in gpu, place 1" in text_of(app)

    running(test)


def test_the_workers_view_lists_the_queues_of_a_machine() -> None:
    async def test(app: ProgressApp, pilot: Pilot[Any]) -> None:
        app._boxes.receive(app.data.labels[0], boxes(2, queues=2))
        await pilot.press("5")
        await pilot.pause()
        shown = text_of(app)
        assert "gpu  1 slot  1 active  0 queued  free 18:52–19:08 · 20m" in shown
        [row] = [line for line in shown.split("\n") if "●  render00" in line]
        assert "18:52–19:08" in row, "the queue that ends last counts"

    running(test)


@pytest.mark.slow
def test_the_view_asks_a_real_server_when_the_box_is_free(tmp_path: Path) -> None:
    async def main(url: str) -> None:
        app = ProgressApp(ServerAddress.parse(url), theme=DARK)
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: bool(app.data.boxes))
            [box] = app.data.boxes
            assert (box.host, box.queue, box.active, box.queued) == ("atlas", "gpu", 1, 1)
            assert box.free is None, "without a history it is unknown"

    with progress_server(tmp_path) as url:
        place = {"host": "atlas", "queue": "gpu"}
        for path, job_id in (("start", "1"), ("queue", "2")):
            httpx.post(
                f"{url}/progress/{path}", json={"job_id": job_id, **place}, trust_env=False, verify=False
            ).raise_for_status()
        asyncio.run(main(url))
