"""Dismissal of jobs with a real server: the question, the removed jobs, and the refusals."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from textual.pilot import Pilot

from phaseline_tui.app.app import ProgressApp
from phaseline_tui.drawing.themes import DARK
from phaseline_tui.model.access import Access
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import Reply
from phaseline_tui.model.dismissal import dismissable, outcome, summary
from phaseline_tui.model.jobs import JobView, State
from tests.support.servers import progress_server
from tests.support.tui_jobs import FixedClock, connected, photo_job
from tests.support.tui_pilot import text_of, until

Use = Callable[[ProgressApp, Pilot[int]], Awaitable[None]]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with progress_server(tmp_path_factory.mktemp("data")) as running:
        yield running


def follow(url: str, test: Use, access: Access | None = None) -> None:
    async def main() -> None:
        app = ProgressApp(ServerAddress.parse(url), theme=DARK, access=access)
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: bool(app.state.synced))
            await test(app, pilot)

    asyncio.run(main())


def post(url: str, path: str, **body: object) -> None:
    httpx.post(f"{url}/progress/{path}", json=body, trust_env=False, verify=False, timeout=60).raise_for_status()


def fail(url: str, *job_ids: str) -> None:
    for job_id in job_ids:
        post(url, "start", job_id=job_id)
        post(url, "complete", job_id=job_id, success=False, result={"error": "no space"})


def listed(app: ProgressApp) -> set[str]:
    return {key.job_id for key in app.state.visible}


def messages(app: ProgressApp) -> str:
    return " ".join(each.message for each in app._notifications)


@pytest.mark.slow
def test_x_dismisses_a_failed_job_after_asking_and_the_history_keeps_it(url: str) -> None:
    fail(url, "bad one")

    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "bad one" in listed(app))
        await pilot.press("e", "x")
        await until(pilot, lambda: "Dismiss 1 job?" in text_of(app))
        await pilot.press("n")
        await until(pilot, lambda: "Dismiss" not in text_of(app))
        assert "bad one" in listed(app)
        await pilot.press("x")
        await until(pilot, lambda: "Dismiss 1 job?" in text_of(app))
        await pilot.press("y")
        await until(pilot, lambda: "bad one" not in listed(app))
        await until(pilot, lambda: "bad one dismissed" in messages(app))
        assert app.state.counts["failed"] == 0
        await pilot.press("6")
        await until(pilot, lambda: "✗" in text_of(app) and "bad one" in text_of(app))

    follow(url, test)


def test_capital_x_dismisses_all_failed_jobs_and_no_others(url: str) -> None:
    fail(url, *(f"f{number}" for number in range(12)))
    post(url, "start", job_id="busy")

    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: {"f11", "busy"} <= listed(app))
        await pilot.press("X")
        await until(pilot, lambda: "Dismiss 12 jobs?" in text_of(app))
        assert "and 6 more" in text_of(app)
        await pilot.press("y")
        await until(pilot, lambda: "12 jobs dismissed" in messages(app))
        await until(pilot, lambda: listed(app) == {"busy"})
        await pilot.press("X")
        await until(pilot, lambda: "no listed job failed or is lost" in messages(app))

    follow(url, test)


def test_an_active_job_is_not_dismissed_and_the_view_shows_the_reason(url: str) -> None:
    post(url, "start", job_id="working")

    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "working" in listed(app))
        await pilot.press("slash", *"working", "enter", "x")
        await until(pilot, lambda: "working is at work; only a job that has ended, stalled or is lost" in messages(app))
        assert len(app.screen_stack) == 1

    follow(url, test)


def test_a_job_whose_id_has_control_characters_can_be_dismissed(url: str) -> None:
    fail(url, "\u200bhidden\u202e")

    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "hidden" in listed(app))
        await pilot.press("e", "x")
        await until(pilot, lambda: "Dismiss 1 job?" in text_of(app))
        await pilot.press("y")
        await until(pilot, lambda: "hidden" not in listed(app))

    follow(url, test)


def test_without_a_connection_the_view_shows_that_nothing_was_dismissed() -> None:
    async def main() -> None:
        app = ProgressApp(ServerAddress.parse("http://127.0.0.1:5100"), clock=FixedClock(), theme=DARK, connect=False)
        async with app.run_test(size=(80, 24)) as pilot:
            app.receive(connected([photo_job("j", "IMG_1.CR3", 6, state="failed")]))
            await pilot.pause()
            await pilot.press("x")
            await pilot.pause()
            await pilot.press("y")
            await until(pilot, lambda: "IMG_1.CR3 not dismissed: " in messages(app))

    asyncio.run(main())


def job(state: State, name: str = "j") -> JobView:
    return JobView("id", "box", name=name, state=state)


@pytest.mark.parametrize("state", [State.FAILED, State.LOST, State.STALLED, State.COMPLETED, State.CANCELLED])
def test_every_job_that_is_not_at_work_can_be_dismissed(state: State) -> None:
    assert dismissable([job(state)]) == ([job(state)], "")


def test_jobs_at_work_are_named_or_counted_in_the_refusal() -> None:
    assert dismissable([job(State.ACTIVE, "a.jpg")])[1].startswith("a.jpg is at work; only a job that has ended")
    found, why = dismissable([job(State.ACTIVE), job(State.ACTIVE), job(State.LOST)])
    assert (len(found), why.partition(";")[0]) == (1, "2 of these jobs are at work")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(200, b"{}"), "j dismissed; the history still lists it"),
        (Reply(403, b'{"error": "no\\u001b"}'), "j not dismissed: no; a token with the scope report"),
        (Reply(404, b'{"error": "job id is not known"}'), "j not dismissed: job id is not known"),
        (Reply(404, b"<html>"), "j not dismissed: the server can't dismiss jobs; update it"),
        (Reply(502, b"<html>"), "j not dismissed: HTTP 502"),
    ],
)
def test_the_result_of_a_dismissal_is_shown_as_text(reply: Reply, words: str) -> None:
    message, succeeded = outcome(job(State.FAILED), reply)
    assert message.startswith(words)
    assert succeeded is (reply.status == 200)


def test_the_results_of_many_are_summed_up() -> None:
    done: Any = ("a dismissed", True)
    assert summary([done]) == done
    assert summary([done, done]) == ("2 jobs dismissed; the history still lists them", True)
    assert summary([done, ("b not dismissed: HTTP 502", False)]) == (
        "1 of 2 jobs not dismissed; the first: b not dismissed: HTTP 502", False
    )  # fmt: skip
