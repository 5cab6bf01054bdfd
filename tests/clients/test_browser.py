"""The page at `/`, and the quick start's JavaScript as printed, in a real headless Chromium over real jobs."""

import functools
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from phaseline_server.access.grant import Scope
from phaseline_server.access.tokens import TokenFile
from tests.support.browser import browser
from tests.support.pictures import GOOD, made, studio
from tests.support.ports import free_port
from tests.support.reporting import ws_url
from tests.support.servers import ROOT, client_of, server_process, serving
from tests.support.workers import program

pytestmark = pytest.mark.needs("chromium")

EXAMPLE = ROOT / "clients" / "browser"
HOSTILE = "<img src=x onerror=alert(1)>[/b]\u202e"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def files(directory: Path) -> Iterator[str]:
    """Serve a directory for the length of the block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(directory))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


async def post(client: httpx.AsyncClient, kind: str, **body: Any) -> None:
    (await client.post(f"/progress/{kind}", json=body)).raise_for_status()


async def test_the_quick_starts_javascript_as_printed_follows_a_real_job(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server, client_of(server.url) as client:
        port = server.url.rpartition(":")[2]
        # The example speaks of localhost:5100; whoever listens there already is none of our business.
        rule = f"--host-resolver-rules=MAP localhost:5100 127.0.0.1:{port}"
        with files(EXAMPLE) as address:
            async with browser(tmp_path / "chromium", rule) as tab:
                await tab.go(f"{address}/index.html")
                await tab.until("ws.readyState === 1")
                job = {"job_id": "job_12345"}
                # The subscription is on its way behind the opening; it counts once the server tells of it.
                while "jobs" not in (await client.get("/ws/status")).json()["channels"]:
                    await tab.evaluate("1")
                await post(client, "start", **job, photo_id=456, photo_info={"file_name": "IMG_001.CR3"})
                await post(client, "report", **job, stage="exif_analysis", progress=25.0, message="Analyzing...")
                await tab.until("document.getElementById('bar').value === 25")
                assert await tab.evaluate("document.getElementById('status').textContent") == "Analyzing..."
                await post(client, "stage", **job, stage="exif_analysis", result={"iso": 800})
                await post(client, "error", **job, error_type="validation_error", error_message=HOSTILE)
                await tab.until("document.querySelector('#errors li') !== null")
                await post(client, "complete", **job, success=True, duration=15.5)
                while "Job job_12345 completed in 15.5s" not in tab.console:
                    await tab.evaluate("1")
                assert tab.console == [
                    "Job job_12345 started",
                    "Stage exif_analysis completed",
                    "Job job_12345 completed in 15.5s",
                ]
                assert tab.problems == []


async def test_the_page_shows_jobs_as_they_happen(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    async with (
        server_process(tmp_path / "data") as server,
        client_of(server.url) as client,
        browser(tmp_path / "chromium") as tab,
    ):
        await tab.go(server.url)
        await tab.until("document.getElementById('connection').textContent === '● live'")
        assert "No jobs yet" in await tab.evaluate("document.body.innerText")
        await post(client, "start", job_id="a", photo_id=1, photo_info={"file_name": HOSTILE})
        await post(client, "report", job_id="a", stage="importing", progress=50, message="half of it")
        await tab.until("document.querySelector('tr.active td.name')?.innerText.includes('<img src=x')")
        await tab.until("document.body.innerText.includes('half of it')")
        await tab.until("document.body.innerText.includes('1/8 importing · 50 %')")
        assert await tab.evaluate("document.querySelector('img')") is None
        await tab.evaluate("document.querySelector('td.name button').click()")
        await tab.until("document.querySelectorAll('.phases li').length === 8")
        await post(client, "error", job_id="a", error_type="x", error_message="the disk is full")
        await post(client, "complete", job_id="a", success=False, result={"error": "the disk is full"})
        await tab.until("document.querySelector('tr.failed td.state')?.innerText === 'failed'")
        await tab.until("document.body.innerText.includes('the disk is full')")
        await tab.until("document.getElementById('totals').textContent === '0 active · 0 done · 1 failed'")
        # Of one that told no error but at its end: that, and where it was.
        await post(client, "start", job_id="b", workflow="print", phases=["warm up", "print", "cut"])
        await post(client, "report", job_id="b", stage="print")
        await post(client, "complete", job_id="b", success=False, result={"error": "no paper"})
        await tab.until("document.body.innerText.includes('no paper')")
        await tab.until("document.querySelector('tr.failed td.phase')?.innerText === '2/3 print'")
        for number in (1, 2, 3):
            await post(client, "start", job_id=f"active {number}")
        names = "[...document.querySelectorAll('td.name')].map((each) => each.innerText).join()"
        await tab.until(f"{names}.startsWith('active 3,active 2,active 1,b,')")
        assert tab.problems == []


async def test_the_page_shows_a_dead_worker_without_a_finish_time(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    code = """
reporter = Reporter(sys.argv[1])
reporter.report(JobStarted(job_id="a", phases=("render",)))
reporter.report(JobProgress(job_id="a", phase="render", progress=54))
time.sleep(3600)
"""
    row = "document.querySelector('tr.{state} td.eta')?.innerText"
    async with (
        server_process(tmp_path / "data", "--gone-after", "1", "--lost-after", "3") as server,
        browser(tmp_path / "chromium") as tab,
        program(code, ws_url(server.url)) as worker,
    ):
        await tab.go(server.url)
        await tab.until("document.body.innerText.includes('1/1 render · 54 %')")
        worker.kill()
        for state in ("stalled", "lost"):
            text = await tab.until(row.format(state=state))
            assert text.startswith("worker gone · was at ")
            assert "-" not in await tab.evaluate("document.querySelector('#jobs').innerText")
        async with client_of(server.url) as client:
            assert "worker gone · was at " in (await client.get("/")).text
        assert tab.problems == []


async def test_the_page_counts_the_time_since_a_phase_started(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    async with (
        server_process(tmp_path / "data") as server,
        client_of(server.url) as client,
        browser(tmp_path / "chromium") as tab,
    ):
        await tab.go(server.url)
        await tab.until("document.getElementById('connection').textContent === '● live'")
        # Reports that were delayed, as by a server that was away.
        await post(client, "start", job_id="a", workflow="w", phases=["load", "render"], age_seconds=7200)
        await post(client, "report", job_id="a", stage="load", age_seconds=7200)
        await post(client, "report", job_id="a", stage="render", age_seconds=7104)
        await tab.until("document.body.innerText.includes('2/2 render')")
        await tab.evaluate("document.querySelector('td.name button').click()")
        shown = "document.querySelector('.phases li:last-child').innerText"
        assert 7104 <= float(re.findall(r"[0-9.]+", await tab.evaluate(shown))[0]) < 7200
        await post(client, "photo", job_id="a", photo_data={"iso": 800})
        await tab.evaluate("new Promise((done) => setTimeout(done, 600))")
        assert 7104 <= float(re.findall(r"[0-9.]+", await tab.evaluate(shown))[0]) < 7200


async def test_the_page_shows_the_picture_once_it_exists(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    async with studio(tmp_path / "data", GOOD) as (client, _), browser(tmp_path / "chromium") as tab:
        await made(client, "/dalle/simple/0x7")
        await tab.go(str(client.base_url))
        await tab.until("document.querySelector('tr.completed td.name button') !== null")
        await tab.evaluate("document.querySelector('td.name button').click()")
        assert await tab.until("document.querySelector('.details img')?.naturalWidth") == 64
        assert tab.problems == []


async def test_the_page_reconnects_to_a_restarted_server(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    bind = f"127.0.0.1:{free_port()}"
    async with browser(tmp_path / "chromium") as tab:
        async with server_process(tmp_path / "data", bind=bind) as server:
            await tab.go(server.url)
            await tab.until("document.getElementById('connection').textContent === '● live'")
        await tab.until("document.getElementById('connection').textContent.startsWith('○ disconnected')")
        async with server_process(tmp_path / "data", bind=bind):
            await tab.until("document.getElementById('connection').textContent === '● live'")


async def test_the_page_asks_for_a_token_if_the_server_needs_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    file = TokenFile(data)
    admin, (reader, token) = file.create(Scope.ADMIN)[0], file.create(Scope.READ)
    async with studio(data, GOOD) as (client, _), browser(tmp_path / "chromium") as tab:
        client.headers["Authorization"] = f"Bearer {admin}"
        await made(client, "/dalle/simple/0x7")
        await tab.go(str(client.base_url))
        for text in ("phl_wrong", reader):
            await tab.until("document.getElementById('token').hidden === false")
            assert "simple/0x7" not in await tab.evaluate("document.body.innerText")
            await tab.evaluate(f"document.querySelector('#token input').value = '{text}'")
            await tab.evaluate("document.querySelector('#token button').click()")
        await tab.until("document.getElementById('connection').textContent === '● live'")
        await tab.until("document.querySelector('tr.completed td.name button') !== null")
        await tab.evaluate("document.querySelector('td.name button').click()")
        assert await tab.until("document.querySelector('.details img')?.naturalWidth") == 64
        file.revoke(token.id)
        await tab.until("document.getElementById('token').hidden === false")


async def test_without_javascript_the_page_is_a_table_and_its_policy_forbids_inline_script(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await post(client, "start", job_id="a", photo_id=1, photo_info={"file_name": HOSTILE})
        await post(client, "report", job_id="a", stage="importing", progress=50, message="half of it")
        await post(client, "start", job_id="b", workflow="print", phases=["warm up", "print", "cut"])
        await post(client, "report", job_id="b", stage="print")
        await post(client, "complete", job_id="b", success=False, result={"error": "no paper"})
        page = await client.get("/")
        policy = page.headers["Content-Security-Policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "&lt;img src=x onerror=alert(1)&gt;" in page.text
        assert "<img" not in page.text
        assert "1/8 importing · 50 %" in page.text
        assert "2/3 print<" in page.text
        assert "<strong>no paper</strong>" in page.text
        assert "1 active · 0 done · 1 failed" in page.text
        assert "half of it" in page.text
        for asset in ("/page.css", "/page.js"):
            assert (await client.get(asset)).status_code == 200
        assert (await client.get("/page.html")).status_code == 404


async def test_the_page_fits_the_screen_of_a_phone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    async with serving(tmp_path / "data") as client, browser(tmp_path / "chromium") as tab:
        await post(client, "start", job_id="a" * 200, photo_info={"file_name": "IMG_" + "9" * 200})
        await post(client, "report", job_id="a" * 200, stage="ai_evaluation", progress=50, message="words " * 50)
        await tab.size(360, 740, mobile=True)
        await tab.go(str(client.base_url))
        # The row is in the document from the start; the button in it is made by the script, after the style came.
        await tab.until("document.readyState === 'complete' && document.querySelector('td.name button') !== null")
        await tab.evaluate("document.querySelector('td.name button').click()")
        await tab.until("document.querySelector('.details') !== null")
        assert await tab.evaluate("document.documentElement.scrollWidth") <= 360
