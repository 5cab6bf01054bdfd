"""The output of a job: with a real server, live, with search."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator

import httpx
import pytest
from textual.pilot import Pilot

from phaseline_tui.app.app import ProgressApp
from phaseline_tui.drawing.themes import DARK
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.output import OutputText
from phaseline_tui.screens.output import OutputScreen
from tests.support.servers import progress_server
from tests.support.tui_pilot import text_of, until

Use = Callable[[ProgressApp, Pilot[int]], Awaitable[None]]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with progress_server(tmp_path_factory.mktemp("data")) as running:
        yield running


def follow(url: str, test: Use) -> None:
    async def main() -> None:
        app = ProgressApp(ServerAddress.parse(url), theme=DARK)
        async with app.run_test(size=(100, 30)) as pilot:
            await until(pilot, lambda: bool(app.state.visible))
            await test(app, pilot)

    asyncio.run(main())


def start(url: str, job_id: str) -> None:
    httpx.post(f"{url}/progress/start", json={"job_id": job_id}, trust_env=False, verify=False).raise_for_status()


def add(url: str, job_id: str, text: str) -> None:
    httpx.post(f"{url}/progress/job/{job_id}/output", content=text, trust_env=False, verify=False).raise_for_status()


def test_the_output_of_the_selected_job_is_shown_live_and_searched(url: str) -> None:
    start(url, "noisy")
    add(url, "noisy", "".join(f"line {number}\n" for number in range(100)) + "10%")

    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await pilot.press("l")
        await until(pilot, lambda: "10%" in text_of(app))
        assert "output of noisy" in text_of(app)
        assert "line 99" in text_of(app)
        add(url, "noisy", "\r20%\nError: \x1b[31mdisk\u202e full\n")
        await until(pilot, lambda: "disk" in text_of(app))
        assert "10%" not in text_of(app)
        assert "20%" in text_of(app)
        await pilot.press("slash", *"line 7", "enter")
        await until(pilot, lambda: "11 found" in text_of(app))
        assert "line 79" in text_of(app)
        await pilot.press("n")
        await until(pilot, lambda: "▌line 7 " in text_of(app))
        assert "following" not in text_of(app)
        await pilot.press("f")
        await until(pilot, lambda: "following" in text_of(app))
        await pilot.press("escape", "escape")
        await until(pilot, lambda: not isinstance(app.screen, OutputScreen))

    follow(url, test)


def test_a_job_without_output_shows_that_it_has_none(url: str) -> None:
    start(url, "silent")

    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await pilot.press("slash", *"silent", "enter", "l")
        await until(pilot, lambda: "no output kept" in text_of(app))

    follow(url, test)


def body(at: int, text: str) -> bytes:
    return json.dumps({"success": True, "job_id": "a", "at": at, "end": at + len(text), "text": text}).encode()


def test_pieces_of_output_are_joined_to_lines() -> None:
    output = OutputText()
    for at, text in ((0, "one\ntw"), (6, "o\n"), (8, " 1%"), (11, "\r 2%"), (15, "\r 3%\nend\n")):
        assert output.add(body(at, text))
    assert output.lines == ["one", "two", " 3%", "end"]
    assert not output.add(body(24, ""))
    output.add(body(100, "after a gap\n"))
    assert (output.lines, output.end) == (["after a gap"], 112)
    with pytest.raises(ValueError, match="Expected"):
        output.add(b"[]")
