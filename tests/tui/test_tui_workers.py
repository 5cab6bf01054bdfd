"""Workers in the view: the facts about a job's process, and each machine with its jobs and its load."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from textual.pilot import Pilot

from phaseline_tui.app.app import ProgressApp
from phaseline_tui.drawing.cells import width_of
from phaseline_tui.drawing.detail import detail
from phaseline_tui.drawing.themes import DARK
from phaseline_tui.drawing.workers import unused, worker_details, worker_heading, worker_row
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import LinkState
from phaseline_tui.model.jobs import JobView, State
from phaseline_tui.model.workers import HostKey, WorkerHost, filter_for, hosts_of, read_loads
from phaseline_tui.screens.workers import WorkersScreen
from tests.support.servers import progress_server
from tests.support.tui_jobs import FixedClock, photo_job
from tests.support.tui_pilot import looks, text_of, until
from tests.support.tui_workers import boxes, farm, loads
from tests.tui.test_tui_drawing import SCENE, WIDTHS, jobs
from tests.tui.test_tui_drawing import text_of as line_text

Compare = Callable[..., bool]
FACTS = {"command": "python render.py --token ***", "user": "ann", "pid": 4711, "folder": "sc024", "python": "3.12.1"}


def test_a_job_shows_the_facts_about_its_process() -> None:
    [job] = jobs(photo_job("job_1", "a.jpg", 2, worker=FACTS))
    shown = [line_text(row.line) for row in detail(job, 80, SCENE)]
    at = next(number for number, line in enumerate(shown) if "WORKER" in line)
    below = "\n".join(shown[at:])
    for name, fact in FACTS.items():
        assert name in below
        assert str(fact) in below


def host(name: str, *on_it: JobView, load: Any = None) -> WorkerHost:
    return WorkerHost(HostKey("a", name), list(on_it), load)


def test_machines_are_listed_by_name_with_numbers_as_numbers() -> None:
    found = [JobView(f"job_{n}", "a", host=name) for n, name in enumerate(["box10", "box2", "", "Atlas", "box2"])]
    ended = JobView("job_9", "a", host="box3")
    ended.state = State.COMPLETED
    known = read_loads(msgspec.json.encode({"hosts": [{"host": "idle"}]}), 1000.0)
    hosts = hosts_of([*found, ended], {HostKey("a", name): load for name, load in known.items()})
    assert [(each.key.name, len(each.jobs)) for each in hosts] == [
        ("Atlas", 1), ("box2", 2), ("box10", 1), ("idle", 0), ("", 1)
    ]  # fmt: skip


def test_machines_of_one_name_are_distinguished_by_their_servers() -> None:
    found = [JobView("job_1", origin, host="atlas") for origin in ("a", "b")] + [JobView("job_2", "a", host="box")]
    assert [each.label for each in hosts_of(found, {})] == ["atlas · a", "atlas · b", "box"]


def test_the_filter_of_a_machine_keeps_its_jobs_only() -> None:
    hosts = [host("box1"), host("box10"), host("a b"), host("atlas"), WorkerHost(HostKey("b", "atlas")), host("")]
    assert [filter_for(each, hosts) for each in hosts] == [
        "host:/^box1$/", "host:box10", 'host:"a b"', 'host:atlas server:"a"', 'host:atlas server:"b"', ""
    ]  # fmt: skip


@pytest.mark.parametrize(
    "load",
    [
        None,
        {},
        {
            "load": -1.0,
            "processors": 0,
            "memory_used": 1e308,
            "memory_total": 0,
            "gpus": [{"use": 1e9}],
            "age_seconds": 1,
        },
        {"load": 1e300, "processors": 1e300, "memory_used": 5, "memory_total": 1, "gpus": [{}] * 100, "age_seconds": 1},
        {"gpus": [{"name": "\x1b[31mred\n"}], "age_seconds": -1.0},
    ],
)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_row_keeps_its_width_with_any_data(load: dict[str, Any] | None, width: int) -> None:
    answer = {"hosts": [{"host": "box\x1b[2J\n", "silent_seconds": -5.0, "load": load}]}
    [(name, known)] = read_loads(msgspec.json.encode(answer), 1000.0).items()
    drawn = host(name, *jobs(photo_job("job_1", "失敗.jpg", 2)), load=known)
    assert width_of(worker_row(drawn, width, SCENE)) == width_of(worker_heading(width))
    for line in worker_details(drawn, width, 5, SCENE):
        assert "\x1b" not in line_text(line)


def test_unknown_values_are_a_dash_and_not_0() -> None:
    drawn = host("box", *jobs(photo_job("job_1", "a.jpg", 2)))
    assert line_text(worker_row(drawn, 80, SCENE)).count("—") == 4, "end, silence, load and memory"
    assert line_text(worker_row(drawn, 200, SCENE)).count("—") == 5, "and the graphics processor"
    assert "load unknown" in line_text(worker_details(drawn, 80, 5, SCENE)[0])


def test_columns_that_are_unknown_on_all_machines_are_hidden() -> None:
    answer = {"hosts": [{"host": "box", "load": {"load": 3.0, "processors": 4, "age_seconds": 1.0}}]}
    load = read_loads(msgspec.json.encode(answer), 1000.0)["box"]
    hosts = [host("a-machine-with-a-long-name", *jobs(photo_job("job_1", "a.jpg", 2))), host("box", load=load)]
    hidden = unused(hosts)
    assert line_text(worker_heading(80, hidden)).split() == ["HOST", "JOBS", "SILENT", "LOAD", "WORKS", "ON"]
    assert "a-machine-with-a-long-name" in line_text(worker_row(hosts[0], 120, SCENE, hidden))


def test_an_old_load_is_unknown() -> None:
    answer = {"hosts": [{"host": "box", "load": {"load": 3.0, "processors": 4, "age_seconds": 100.0}}]}
    load = read_loads(msgspec.json.encode(answer), 1000.0)["box"]
    assert "3.0/4" in line_text(worker_row(host("box", load=load), 80, SCENE))
    later = SCENE._replace(now=1030.0)
    assert "3.0/4" not in line_text(worker_row(host("box", load=load), 80, later))
    assert "load unknown for 2m 10s" in line_text(worker_details(host("box", load=load), 80, 5, later)[0])


def running(test: Callable[[ProgressApp, Pilot[Any]], Awaitable[None]], size: tuple[int, int] = (120, 40)) -> None:
    async def main() -> None:
        app = ProgressApp(ServerAddress.parse("http://a"), clock=FixedClock(), theme=DARK, connect=False)
        async with app.run_test(size=size) as pilot:
            app.receive(farm(12, 60))
            await pilot.press("5")
            assert isinstance(app.screen, WorkersScreen)
            app.screen.receive_loads(app.data.labels[0], loads(12))
            await test(app, pilot)

    asyncio.run(main())


def test_enter_on_a_machine_lists_its_jobs() -> None:
    async def test(app: ProgressApp, pilot: Pilot[Any]) -> None:
        await pilot.press("j", "j", "enter")
        await pilot.pause()
        assert "WORKS ON" not in text_of(app)
        assert app.state.filter.text == "host:render02"
        assert {app.state.jobs[key].host for key in app.state.visible} == {"render02"}
        await pilot.press("escape")
        assert app.state.filter.text == ""

    running(test)


def test_the_cursor_moves_from_the_servers_to_the_machines_and_stays_on_its_machine() -> None:
    async def test(app: ProgressApp, pilot: Pilot[Any]) -> None:
        await pilot.press("k")
        await pilot.pause()
        assert app.screen.to_copy() == "http://a:80"  # type: ignore[attr-defined]
        await pilot.press("j", "j", "j")
        await pilot.pause()
        assert app.screen.to_copy() == "render02"  # type: ignore[attr-defined]
        app.receive(farm(6, 60))
        await pilot.pause()
        assert app.screen.to_copy() == "render02"  # type: ignore[attr-defined]

    running(test)


def test_the_view_shows_the_load_that_a_real_server_knows(tmp_path: Path) -> None:
    async def main(url: str) -> None:
        app = ProgressApp(ServerAddress.parse(url), theme=DARK)
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: app.data.status.state is LinkState.CONNECTED)
            await pilot.press("5")
            await until(pilot, lambda: "3.5/8" in text_of(app) and "12/32G" in text_of(app))
            assert "atlas" in text_of(app)
            assert "a shot" in text_of(app)

    with progress_server(tmp_path) as url:
        load = {"host": "atlas", "load": 3.5, "processors": 8, "memory_used": 12 * 2**30, "memory_total": 32 * 2**30}
        for path, body in (("start", {"job_id": "1", "name": "a shot", "host": "atlas"}), ("host", load)):
            httpx.post(f"{url}/progress/{path}", json=body, trust_env=False, verify=False).raise_for_status()
        asyncio.run(main(url))


@looks
def test_workers(snap_compare: Compare, theme: str, size: tuple[int, int]) -> None:
    keys = {80: ("j", "j"), 120: ("G",), 200: ()}[size[0]]
    app = ProgressApp(ServerAddress.parse("http://127.0.0.1:5100"), clock=FixedClock(), theme=theme, connect=False)

    async def before(pilot: Pilot[Any]) -> None:
        app.receive(farm(40, 1000))
        await pilot.press("5")
        assert isinstance(app.screen, WorkersScreen)
        app.screen.receive_loads(app.data.labels[0], loads(40))
        app._boxes.receive(app.data.labels[0], boxes(40, queues=2))
        await pilot.press(*keys)
        await pilot.pause()

    assert snap_compare(app, run_before=before, terminal_size=size)
