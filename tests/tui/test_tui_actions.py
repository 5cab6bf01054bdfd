"""Actions on jobs with a real server: copy, show the picture, cancel or remove after a confirmation."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import httpx
import pytest
from textual.pilot import Pilot

from phaseline.model.states import State
from phaseline_tui.app.app import ProgressApp
from phaseline_tui.app.job_actions import Removal, outcome, picture_path, removals
from phaseline_tui.drawing.themes import DARK
from phaseline_tui.model.access import Access
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import Reply
from phaseline_tui.model.jobs import JobKey, JobView
from tests.support.servers import progress_server
from tests.support.tui_jobs import FixedClock, connected, many_jobs
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
            await test(app, pilot)

    asyncio.run(main())


def paint(url: str, picture: str) -> None:
    httpx.get(f"{url}/dalle/{picture}?generate=1", trust_env=False, verify=False, timeout=60).raise_for_status()


def picture_status(url: str, picture: str) -> int:
    return httpx.get(f"{url}/dalle/{picture}?format=png", trust_env=False, verify=False, timeout=60).status_code


def state_of(app: ProgressApp, picture: str) -> State | None:
    job = app.state.jobs.get(JobKey(app.data.labels[0], f"dalle:{picture.replace('/', ':')}"))
    return job.state if job is not None else None


def test_jobs_are_cancelled_by_an_order_and_only_pictures_are_removed() -> None:
    active = JobView("dalle:simple:0x1", "box", name="0x1")
    done = JobView("dalle:a-b:0x2", "box", state=State.COMPLETED)
    queued = JobView("a/b c", "box", state=State.QUEUED)
    [order], why = removals([queued])
    assert (order.method, order.path, order.body) == (
        "POST",
        "/progress/job/a%2Fb%20c/orders",
        b'{"order":"cancel"}',
    )
    assert (why, order.running) == ("", True)
    ended = ("job_7", "dalle::0x1", "dalle:a b/../c:0x2")
    others = [JobView(job_id, "box", state=State.FAILED) for job_id in ended]
    found, why = removals([active, done, *others])
    assert [(each.path, each.running) for each in found] == [
        ("/dalle/simple/0x1", True), ("/dalle/a-b/0x2", False)
    ]  # fmt: skip
    assert why == "3 jobs can't be cancelled: they have ended"
    assert [(each.method, each.body) for each in found] == [("DELETE", b"")] * 2
    assert (picture_path(active), picture_path(done)) == (None, "/dalle/a-b/0x2?format=png")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(200, b"{}"), "0x1 cancelled"),
        (Reply(403, b'{"error": "no\\u001b[2J"}'), "0x1 not cancelled: no[2J; an admin token is required"),
        (Reply(502, b"<html>"), "0x1 not cancelled: HTTP 502"),
    ],
)
def test_the_result_of_a_removal_is_reported(reply: Reply, words: str) -> None:
    message, succeeded = outcome(
        Removal(JobKey("box", "dalle:simple:0x1"), "0x1", "/dalle/simple/0x1", running=True), reply
    )
    assert message.startswith(words)
    assert succeeded is (reply.status == 200)


def text(app: ProgressApp) -> str:
    return " ".join(each.message for each in app._notifications)


def report(url: str, path: str, **fields: object) -> None:
    httpx.post(f"{url}/progress/{path}", json=fields, trust_env=False, verify=False, timeout=60).raise_for_status()


def end_all(url: str) -> None:
    """Take the order as the worker of `stoppable` does, and end all jobs."""
    [pending] = httpx.get(f"{url}/progress/job/stoppable", trust_env=False, verify=False).json()["job_status"][
        "pending_orders"
    ]
    answer = {"type": "order_taken", "job_id": "stoppable", "order": "cancel", "order_id": pending["order_id"]}
    ends = [answer, *({"type": "job_cancelled", "job_id": job_id} for job_id in ("stoppable", "deaf", "waiting"))]
    httpx.post(f"{url}/progress/batch", json=ends, trust_env=False, verify=False).raise_for_status()


def test_a_job_is_ordered_to_end_after_a_confirmation_and_a_refusal_is_shown(url: str) -> None:
    report(url, "start", job_id="stoppable", name="render shot 12", orders=["cancel", "pause"])
    report(url, "start", job_id="deaf", name="old worker")
    report(url, "queue", job_id="waiting", name="render shot 13", queue="gpu", position=1)

    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        label = app.data.labels[0]

        async def order(job_id: str) -> str:
            app.state.marked.clear()
            app.state.marked.add(JobKey(label, job_id))
            await pilot.press("ctrl+x")
            await until(pilot, lambda: "Cancel 1 job?" in text_of(app))
            shown = text_of(app)
            await pilot.press("y")
            return shown

        await until(pilot, lambda: JobKey(label, "waiting") in app.state.jobs)
        assert "waits in gpu, place 1" in text_of(app)
        assert "old worker" in await order("deaf")
        await until(pilot, lambda: "old worker not cancelled: job 'deaf' can't be cancelled: its worker" in text(app))
        assert "render shot 12" in await order("stoppable")
        await until(pilot, lambda: "render shot 12: cancel ordered; waiting for the worker" in text(app))
        await asyncio.to_thread(end_all, url)
        job = app.state.jobs[JobKey(label, "stoppable")]
        await until(pilot, lambda: job.state is State.CANCELLED)

    follow(url, test)


def take_order(url: str, job_id: str) -> None:
    """Take the pending order as the worker of a job does."""
    [pending] = httpx.get(f"{url}/progress/job/{job_id}", trust_env=False, verify=False).json()["job_status"][
        "pending_orders"
    ]
    answer = {"type": "order_taken", "job_id": job_id, "order": pending["order"], "order_id": pending["order_id"]}
    httpx.post(f"{url}/progress/batch", json=[answer], trust_env=False, verify=False).raise_for_status()


def test_a_key_pauses_and_resumes_a_job_whose_worker_can_do_so(url: str) -> None:
    report(url, "start", job_id="pausable", name="render shot 14", orders=["pause", "resume"])
    report(url, "start", job_id="restless", name="old encoder")

    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        label = app.data.labels[0]
        await until(pilot, lambda: {JobKey(label, "pausable"), JobKey(label, "restless")} <= set(app.state.jobs))
        job = app.state.jobs[JobKey(label, "pausable")]
        app.state.marked.add(JobKey(label, "restless"))
        await pilot.press("P")
        await until(pilot, lambda: "old encoder not paused: job 'restless'" in text(app))
        app.state.marked.clear()
        app.state.marked.add(job.key)
        for order, paused in (("pause", True), ("resume", False)):
            await pilot.press("P")
            await until(pilot, lambda: f"render shot 14: {order} ordered; waiting for the worker" in text(app))  # noqa: B023
            await asyncio.to_thread(take_order, url, "pausable")
            await until(pilot, lambda: job.paused is paused)  # noqa: B023

    try:
        follow(url, test)
    finally:
        for job_id in ("pausable", "restless"):
            report(url, "complete", job_id=job_id, success=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Image.Image.getdata is deprecated:DeprecationWarning")  # in textual-image
def test_a_picture_is_shown_and_removed_after_a_confirmation(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROGRESS_PICTURES", "blocks")

    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: bool(app.state.synced))
        await asyncio.to_thread(paint, url, "simple/0xa1")
        await until(pilot, lambda: state_of(app, "simple/0xa1") is State.COMPLETED)
        await until(pilot, lambda: app.screen_stack[0].chosen_jobs() != [])  # type: ignore[attr-defined]
        await pilot.press("i")
        await until(pilot, lambda: "▀" in text_of(app) or "▄" in text_of(app))
        await until(pilot, lambda: "256 x" in text_of(app))
        await pilot.press("escape", "ctrl+x")
        await until(pilot, lambda: "Remove 1 picture permanently?" in text_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: "permanently?" not in text_of(app))
        await pilot.press("ctrl+x")
        await until(pilot, lambda: "permanently?" in text_of(app))
        assert await asyncio.to_thread(picture_status, url, "simple/0xa1") == 200
        await pilot.press("y")
        await until(pilot, lambda: any("removed" in each.message for each in app._notifications))
        assert await asyncio.to_thread(picture_status, url, "simple/0xa1") == 404

    follow(url, test)


def test_y_copies_the_selection_of_the_view() -> None:
    async def main() -> None:
        app = ProgressApp(ServerAddress.parse("http://127.0.0.1:5100"), clock=FixedClock(), theme=DARK, connect=False)
        async with app.run_test(size=(120, 40)) as pilot:
            app.receive(connected(many_jobs()))
            await pilot.pause()
            await pilot.press("y")
            await pilot.pause()
            assert app.clipboard == app.state.visible[0].job_id
            await pilot.press("5", "y")
            await pilot.pause()
            assert app.clipboard == "atlas"
            await pilot.press("escape", "ctrl+x")
            await pilot.pause()
            assert "Cancel 1 job?" in text_of(app)

    asyncio.run(main())
