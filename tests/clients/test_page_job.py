"""The web page of one job: orders to its worker, and how its estimate moved; the pages of the machines and pictures."""

from pathlib import Path
from typing import Any

import pytest

from phaseline_server.jobs import courses
from tests.support.browser import browser
from tests.support.pictures import GOOD, made, studio
from tests.support.servers import serving
from tests.support.web_page import LIVE, press, report, report_all

pytestmark = pytest.mark.needs("chromium")


@pytest.mark.slow
async def test_the_job_is_paused_and_cancelled_by_orders_to_its_worker(tmp_path: Path) -> None:
    async def answer() -> dict[str, Any]:
        [pending] = (await client.get("/progress/job/a")).json()["job_status"]["pending_orders"]
        taken = {"type": "order_taken", "job_id": "a", "order_id": pending["order_id"], "order": pending["order"]}
        await report_all(client, [taken])
        return taken

    async with serving(tmp_path) as client, browser(tmp_path / "chromium") as tab:
        await report(client, "start", job_id="a", name="Shot 7", orders=["cancel", "pause", "resume"])
        await report(client, "start", job_id="b", name="Shot 8")
        root = str(client.base_url).rstrip("/")
        await tab.go(f"{root}/job/b")
        await tab.until(f"{LIVE} && document.querySelector('h2').innerText.endsWith('Shot 8')")
        assert await tab.evaluate("document.querySelector('.orders button')") is None
        await tab.go(f"{root}/job/a")
        names = "[...document.querySelectorAll('.orders button')].map((each) => each.name).join()"
        await tab.until(f"{names} === 'cancel,pause'")
        await tab.evaluate("document.querySelector('button[name=pause]').click()")
        await tab.until("document.querySelector('.orders').innerText.includes('pause ordered at')")
        assert (await answer())["order"] == "pause"
        await tab.until(f"{names} === 'cancel,resume'")
        await tab.until("document.querySelector('.now').innerText.includes('paused')")
        await tab.evaluate("window.confirm = () => false; document.querySelector('button[name=cancel]').click()")
        assert (await client.get("/progress/job/a")).json()["job_status"]["pending_orders"] == []
        await tab.evaluate("window.confirm = () => true; document.querySelector('button[name=cancel]').click()")
        await tab.until("document.querySelector('.orders').innerText.includes('cancel ordered at')")
        await answer()
        await report_all(client, [{"type": "job_cancelled", "job_id": "a"}])
        await tab.until("document.querySelector('.job-head.cancelled') !== null")
        await tab.until(f"{names} === ''")
        await press(tab, "1")
        await tab.until("document.querySelector('.row.job.cancelled') !== null")
        assert tab.problems == []


@pytest.mark.slow
async def test_the_job_shows_how_its_estimate_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courses, "_FIRST_STEP_S", 0.0)
    async with serving(tmp_path) as client, browser(tmp_path / "chromium") as tab:
        await report(client, "start", job_id="a", workflow="w", phases=["render"], age_seconds=600)
        for progress in range(10, 60, 10):
            await report(client, "report", job_id="a", stage="render", progress=progress)
            await client.get("/progress/job/a")
        await tab.go(f"{str(client.base_url).rstrip('/')}/job/a")
        await tab.until("document.querySelector('.fan .range').getAttribute('d').split('L').length >= 6")
        spoken = await tab.evaluate("document.querySelector('.fan').getAttribute('aria-label')")
        assert spoken.startswith("The estimated length of the run changed from ")
        await report(client, "complete", job_id="a")
        await tab.until("document.querySelector('.job-head.completed') !== null")
        await tab.until("document.querySelector('.fan .mid') !== null")
        assert tab.problems == []


@pytest.mark.slow
async def test_the_text_of_a_reason_does_not_repeat_its_number(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, browser(tmp_path / "chromium") as tab:
        await report(client, "start", job_id="a", workflow="w", phases=["render"], age_seconds=600)
        for progress, age_s in ((0, 600), (25, 450), (50, 300)):
            await report(client, "report", job_id="a", stage="render", progress=progress, age_seconds=age_s)
        await client.get("/progress/job/a")  # five minutes are left
        await report(client, "report", job_id="a", stage="render", progress=99)
        await client.get("/progress/job/a")
        await tab.go(f"{str(client.base_url).rstrip('/')}/job/a")
        changes = await tab.until("[...document.querySelectorAll('.reasons b')].map((each) => each.innerText)")
        assert changes[-1][0] == "−"
        texts = await tab.evaluate("[...document.querySelectorAll('.reasons span')].map((each) => each.innerText)")
        assert all(texts)
        assert not any(sign in text for sign in (": +", ": -") for text in texts)


async def test_the_bars_of_all_phases_have_one_scale(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, browser(tmp_path / "chromium") as tab:
        for number in range(3):
            job = {"job_id": f"{number}", "workflow": "w"}
            await report(client, "start", **job, phases=["load", "render all frames"], age_seconds=4000)
            await report(client, "report", **job, stage="load", progress=50, age_seconds=4000)
            await report(client, "report", **job, stage="render all frames", progress=50, age_seconds=3990)
            if number < 2:
                await report(client, "complete", **job, age_seconds=100 * number)
        await tab.go(f"{str(client.base_url).rstrip('/')}/job/2")
        await tab.until("document.querySelectorAll('.gantt .strip').length === 2")
        edges = "[...document.querySelectorAll('.gantt .strip')].map((each) => each.getBoundingClientRect())"
        first, second = await tab.evaluate(f"{edges}.map(({{left, right}}) => [left, right])")
        assert first == second


@pytest.mark.slow
async def test_the_machines_show_their_jobs_and_load(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, browser(tmp_path / "chromium") as tab:
        root = str(client.base_url).rstrip("/")
        await tab.go(f"{root}/boxes")
        await tab.until("document.querySelector('.note').innerText === 'No machine has reported jobs or its load.'")
        for number in range(5):
            name = f"Shot {number} {'of a long film, ' * 8}"
            await report(client, "start", job_id=f"{number}", name=name, host="render 01")
        gpu = {"name": "RTX", "use": 80, "memory_used": 2**34, "memory_total": 2**35}
        load = {"load": 6.5, "processors": 8, "memory_used": 2**34, "memory_total": 2**36, "gpus": [gpu, gpu]}
        await client.post("/progress/host", json={"host": "render 01", **load})
        await client.post("/progress/host", json={"host": "idle", "load": 0.1})
        await report(client, "report", job_id="0", stage="importing", progress=50)
        await tab.until("document.querySelectorAll('.boxes tbody tr').length === 2")
        rows = "[...document.querySelectorAll('.boxes tbody tr')].map((row) => row.innerText)"
        await tab.until(f"{rows}[1].includes('and 2 more jobs')")
        idle, busy = await tab.evaluate(rows)
        assert "idle" in idle
        await tab.until("[...document.querySelectorAll('[data-label=\"free in\"] > div')].length === 1")
        for text in ("render 01", "6.5/8", "16/64 GiB", "80 % · 16/32 GiB", "Shot "):
            assert text in busy
        await tab.size(390, 844, mobile=True)
        cells = "[...document.querySelectorAll('.boxes th, .boxes td, .boxes td *')]"
        assert max(await tab.evaluate(f"{cells}.map((each) => each.getBoundingClientRect().right)")) <= 390
        await tab.evaluate("[...document.querySelectorAll('.boxes th a')].at(-1).click()")
        await tab.until("document.querySelector('input[type=search]').value === 'host:\"render 01\"'")
        await tab.until("document.querySelectorAll('.row.job').length === 5")
        assert tab.problems == []


@pytest.mark.slow
async def test_the_pictures_are_thumbnails_that_lead_to_the_picture_and_its_prompts(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _), browser(tmp_path / "chromium") as tab:
        for address in ("0x7", "0x8"):
            await made(client, f"/dalle/simple/{address}")
        await tab.go(f"{str(client.base_url).rstrip('/')}/preview")
        await tab.until(
            "[...document.querySelectorAll('.pictures img')].filter((each) => each.naturalWidth).length === 2"
        )
        assert await tab.evaluate("document.querySelector('.note').innerText") == "2 pictures"
        await tab.evaluate("document.querySelectorAll('.ranges a')[1].click()")
        await tab.until("location.search === '?series=nocturne'")
        await tab.until("document.querySelector('.empty:not([hidden])').innerText.includes('/dalle/nocturne/0x1234')")
        await tab.evaluate("history.back()")
        await tab.until("document.querySelectorAll('.pictures figure').length === 2")
        await tab.evaluate("document.querySelector('.pictures figure a').click()")
        await tab.until("location.pathname.startsWith('/preview/simple/0x')")
        await tab.until("document.querySelector('.picture img').naturalWidth > 0")
        await tab.until("document.querySelectorAll('.picture dt').length > 3")
        await tab.call("Page.reload")
        await tab.until("document.querySelector('.picture img').naturalWidth > 0")
        await tab.go(f"{str(client.base_url).rstrip('/')}/preview?series=odd")
        await tab.until("document.querySelector('.note').innerText === 'The server has no series odd.'")
        assert await tab.evaluate("document.querySelector('.empty').hidden")
        assert tab.problems == []
