"""The web page in a real headless Chromium, over real jobs: the list, one job, the history."""

import gzip
from pathlib import Path

import httpx
import pytest
import trio

from tests.support.browser import Browser, browser
from tests.support.pictures import GOOD, made, studio
from tests.support.ports import free_port
from tests.support.reporting import ws_url
from tests.support.servers import client_of, server_process, serving
from tests.support.web_page import LIVE, column, many_jobs, press, report, report_all, shown_rows
from tests.support.workers import program

pytestmark = pytest.mark.needs("chromium")

HOSTILE = "<img src=x onerror=alert(1)>[/b]\u202e"
LARGEST_BYTES = 60_000


@pytest.mark.slow
async def test_the_list_shows_jobs_as_they_happen(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, browser(tmp_path / "chromium") as tab:
        await tab.go(str(client.base_url))
        await tab.until(LIVE)
        own = str(client.base_url).rstrip("/")
        await tab.until(f"document.querySelector('.empty').innerText.includes('PROGRESS_URL={own} phaseline run')")
        await report(client, "start", job_id="a", photo_id=1, photo_info={"file_name": HOSTILE})
        await report(client, "report", job_id="a", stage="importing", progress=50, message="half of it")
        await tab.until(f"{column('name', '.active')} === '<img src=x onerror=alert(1)>[/b]'")
        await tab.until(f"{column('phase')} === '1/8 importing'")
        assert await tab.evaluate("document.querySelector('.lines img')") is None
        await report(client, "report", job_id="a", stage="importing", done=74, total=240, unit="frames")
        await tab.until(f"{column('count')} === '74/240 frames'")
        await report(client, "complete", job_id="a", success=False, result={"error": "the disk is full"})
        await tab.until(f"{column('words', '.failed')}.startsWith('the disk is full · importing')")
        await report(client, "start", job_id="b", workflow="print", phases=["warm up", "print", "cut"])
        await report(client, "complete", job_id="b")
        await tab.until("document.querySelector('.totals').innerText.includes('1 done today')")
        await tab.until("document.title === '1 failed · Phaseline'")
        assert "1 failed today" in await tab.evaluate("document.querySelector('.totals').innerText")
        await report(client, "dismiss", job_id="a")
        await tab.until("document.querySelector('.row.failed') === null")
        assert "0 failed today" in await tab.evaluate("document.querySelector('.totals').innerText")
        assert tab.problems == []


@pytest.mark.slow
async def test_a_thousand_jobs_fit_a_screen_and_answer_to_keys(tmp_path: Path) -> None:
    async with serving(tmp_path, eta_engine="ema") as client, browser(tmp_path / "chromium") as tab:
        await report_all(client, many_jobs(1000, active=300))
        await tab.size(1400, 900)
        await tab.go(str(client.base_url))
        await tab.until("document.querySelectorAll('.lines .row.job').length > 10")
        rows = await shown_rows(tab)
        assert rows[0] == "▾ Active 300"
        assert len(rows) < 60
        await press(tab, "End")
        await tab.until("[...document.querySelectorAll('.title')].some((row) => row.innerText.endsWith('Done 630'))")
        await press(tab, "Enter")  # the last line shows the rest of its section
        await tab.until("document.querySelector('[role=grid]').ariaRowCount > 900")
        assert len(await shown_rows(tab)) < 60
        await press(tab, "/")
        await tab.call("Input.insertText", text="host:render-02 !done blender")
        await tab.until("/^\\d+ jobs match$/.test(document.querySelector('.note').innerText)")
        assert await tab.evaluate("new URL(location.href).searchParams.get('q')") == "host:render-02 !done blender"
        await press(tab, "Enter", "g", "j", "Enter")
        await tab.until("location.pathname.startsWith('/job/blender-')")
        await tab.until("document.querySelectorAll('.gantt li').length === 3")
        await press(tab, "Escape")
        await tab.until("location.pathname === '/' && document.querySelector('input').value.startsWith('host:')")
        await press(tab, "?")
        await tab.until("document.getElementById('help').open")
        assert tab.problems == []


@pytest.mark.slow
async def test_a_link_to_a_job_opens_it_and_back_leads_to_the_list(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, browser(tmp_path / "chromium") as tab:
        job = {"job_id": "shot 7/é%41"}
        await report(
            client, "start", **job, name="Shot 7", workflow="w", phases=["load", "render"], worker={"pid": 4711}
        )
        await report(client, "report", **job, stage="render", progress=40, message="frame 96")
        await report(client, "error", **job, error_type="warning", error_message="texture missing")
        (
            await client.post("/progress/job/shot%207%2F%C3%A9%2541/output", content="one\rtwo\nthree\n")
        ).raise_for_status()
        await tab.go(f"{client.base_url}/job/shot%207%2F%C3%A9%2541".replace("//job", "/job"))
        await tab.until("document.querySelector('h2')?.innerText.endsWith('Shot 7')")
        for text in ("texture missing", "4711", "frame 96", "two\nthree"):
            await tab.until(f"document.querySelector('main').innerText.includes({text!r})")
        assert "one" not in await tab.evaluate("document.querySelector('.output').innerText")
        raw = await tab.evaluate("document.querySelector('.actions a').href")
        assert (await client.get(raw)).json()["job_status"]["name"] == "Shot 7"
        await report(client, "complete", **job, success=False)
        await tab.until("document.querySelector('.job-head.failed') !== null")
        await tab.evaluate("window.confirm = () => true")
        await tab.until("document.querySelector('.actions button[name=dismiss]') !== null")
        await tab.evaluate("document.querySelector('.actions button[name=dismiss]').click()")
        await tab.until("document.querySelector('.now').innerText.includes('dismissed')")
        await tab.evaluate("document.querySelector('nav a').click()")
        await tab.until("location.pathname === '/'")
        await tab.evaluate("history.back()")
        await tab.until("document.querySelector('h2')?.innerText.startsWith('✗')")
        assert tab.problems == []


@pytest.mark.slow
async def test_the_history_shows_past_jobs_with_totals_and_lengths(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, browser(tmp_path / "chromium") as tab:
        await report_all(client, many_jobs(300, active=10))
        history = f"{str(client.base_url).rstrip('/')}/history?range=all"
        await tab.go(history)
        await tab.until("document.querySelectorAll('.totals-table tbody tr').length === 6")
        await tab.until("document.querySelectorAll('.lengths circle').length > 50")
        assert await tab.evaluate("document.querySelectorAll('.lengths path.failed').length") > 1
        await tab.until("document.querySelector('.chart').innerText.includes('ended within the range')")
        with trio.fail_after(60):
            while await _held_on(tab) != await _held_by(client):  # runs are scored after their ends are published
                await tab.go(history)
        await tab.until("document.querySelector('.note').innerText === '200 jobs listed so far'")
        await tab.evaluate("scrollTo(0, 1e6)")
        await tab.until("document.querySelector('.note').innerText === '290 jobs listed'")
        await tab.evaluate("document.querySelector('input').value = 'failed blender'")
        await tab.evaluate("document.querySelector('input').dispatchEvent(new Event('input'))")
        await tab.until("/^\\d jobs listed$|^1\\d jobs listed$/.test(document.querySelector('.note').innerText)")
        assert await tab.evaluate("document.querySelector('.lines .row:not(.failed)')") is None
        assert tab.problems == []


async def _held_on(tab: Browser) -> dict[str, list[str]]:
    """Return the page's figures of estimates by workflow: the number of runs, and the early and late errors."""
    rows = "[...document.querySelectorAll('.held tbody tr')].map((row) => row.innerText.split('\\t'))"
    await tab.until(f"{rows}.length === 3")
    return {workflow: [runs, *errors] for workflow, runs, _, _, *errors in await tab.evaluate(rows)}


async def _held_by(client: httpx.AsyncClient) -> dict[str, list[str]]:
    """Return the same from the server."""
    series = (await client.get("/metrics/eta")).json()["series"]
    return {
        line["workflow"]: [str(line["runs"]), *(f"{error * 100:.0f} %" for error in line["model"]["median_error_at"])]
        for line in series
    }


@pytest.mark.slow
async def test_the_page_shows_a_dead_worker_without_a_finish_time(tmp_path: Path) -> None:
    code = """
reporter = Reporter(sys.argv[1])
reporter.report(JobStarted(job_id="a", phases=("render",)))
reporter.report(JobProgress(job_id="a", phase="render", progress=54))
time.sleep(3600)
"""
    async with (
        server_process(tmp_path, "--gone-after", "1", "--lost-after", "3") as server,
        browser(tmp_path / "chromium") as tab,
        program(code, ws_url(server.url)) as worker,
    ):
        await tab.size(1400, 900)
        await tab.go(server.url)
        await tab.until(f"{column('phase')} === '1/1 render'")
        worker.kill()
        await tab.until(f"{column('left', '.stalled')} === 'worker gone'")
        await tab.until(f"{column('words', '.lost')}.startsWith('worker gone · ')")
        async with client_of(server.url) as client:
            assert "worker gone · was at " in (await client.get("/")).text
        assert tab.problems == []


@pytest.mark.slow
async def test_the_job_shows_its_picture(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _), browser(tmp_path / "chromium") as tab:
        await made(client, "/dalle/simple/0x7")
        await tab.go(f"{str(client.base_url).rstrip('/')}/job/dalle:simple:0x7")
        assert await tab.until("document.querySelector('.job-page img')?.naturalWidth") == 64
        assert tab.problems == []


@pytest.mark.slow
async def test_the_page_keeps_its_last_state_while_the_server_is_down(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    bind = f"127.0.0.1:{free_port()}"
    async with browser(tmp_path / "chromium") as tab:
        async with server_process(tmp_path / "data", bind=bind) as server, client_of(server.url) as client:
            await report(client, "start", job_id="a", name="Shot 7")
            await tab.go(server.url)
            await tab.until(LIVE)
            await tab.until(f"{column('name')} === 'Shot 7'")
        await tab.until(
            "document.getElementById('connection').innerText.startsWith('○ server unreachable · state as of ')"
        )
        assert await tab.evaluate("document.body.className") == "stale"
        assert await tab.evaluate(column("name")) == "Shot 7"
        async with server_process(tmp_path / "data", bind=bind) as server, client_of(server.url) as client:
            await tab.until(LIVE)
            await report(client, "start", job_id="b", name="Shot 8")
            await tab.until("document.querySelector('.lines').innerText.includes('Shot 8')")


async def test_without_javascript_the_list_is_a_table_and_the_policy_forbids_inline_script(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await report(client, "start", job_id="a", photo_id=1, photo_info={"file_name": HOSTILE})
        await report(client, "report", job_id="a", stage="importing", progress=50, message="half of it")
        await report(client, "start", job_id="b", name="Poster", workflow="print", phases=["warm up", "print", "cut"])
        await report(client, "report", job_id="b", stage="print")
        await report(client, "complete", job_id="b", success=False, result={"error": "no paper"})
        page = await client.get("/")
        policy = page.headers["Content-Security-Policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "<img" not in page.text
        for text in (
            "&lt;img src=x onerror=alert(1)&gt;",
            "1/8 importing · 50 %",
            ">Poster<",
            "2/3 print<",
            "<strong>no paper</strong>",
            "1 active · 0 done · 1 failed",
            "half of it",
        ):
            assert text in page.text


@pytest.mark.slow
async def test_the_first_view_is_small_and_its_files_are_sent_once(tmp_path: Path) -> None:
    loaded = "performance.getEntriesByType('resource').map((each) => [each.name, each.startTime])"
    async with serving(tmp_path) as client, browser(tmp_path / "chromium") as tab:
        root = str(client.base_url).rstrip("/")
        for path in ("", "job/a", "history"):
            await tab.go(f"{root}/{path}")
            shown = await tab.until("performance.getEntriesByName('jobs')[0]?.startTime")
            await tab.until(f"{loaded}.some(([name]) => name.endsWith('/chart.js'))")  # the other pages follow
            files = [name for name, at in await tab.evaluate(loaded) if "/page/" in name and at < shown]
            size = 0
            for address in {f"{root}/{path}", *files}:
                async with client.stream("GET", address, headers={"Accept-Encoding": "gzip"}) as answer:
                    body = b"".join([part async for part in answer.aiter_raw()])
                size += len(body) + len(str(answer.headers))
                if tag := answer.headers.get("ETag"):
                    assert answer.headers["Content-Encoding"] == "gzip"
                    again = await client.get(address, headers={"Accept-Encoding": "gzip", "If-None-Match": tag})
                    assert (again.status_code, again.content) == (304, b"")
                    plain = await client.get(address, headers={"Accept-Encoding": "identity", "If-None-Match": tag})
                    assert (plain.status_code, plain.content) == (200, gzip.decompress(body))
            print(f"/{path} is {size:,} bytes over the wire, in {len(files)} files")
            assert len(files) > 10
            assert size <= LARGEST_BYTES
        assert (await client.get("/page/page.html")).status_code == 404


@pytest.mark.slow
async def test_the_pages_fit_the_screen_of_a_phone(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, browser(tmp_path / "chromium") as tab:
        await report(client, "start", job_id="a" * 200, name="IMG_" + "9" * 190, workflow="w" * 100, host="h" * 100)
        await report(client, "report", job_id="a" * 200, stage="s" * 100, progress=50, message="words " * 50)
        await report(client, "error", job_id="a" * 200, error_type="e" * 100, error_message="long " * 50 + "x" * 500)
        await report_all(client, many_jobs(60, active=10))
        await tab.size(360, 740, mobile=True)
        for path, ready in (
            ("", ".row.job"),
            ("job/" + "a" * 200, ".gantt"),
            ("history?range=all", ".lengths"),
            ("boxes", ".boxes tr"),
        ):
            await tab.go(f"{str(client.base_url).rstrip('/')}/{path}")
            await tab.until(f"document.querySelector('{ready}') !== null")
            assert await tab.evaluate("document.documentElement.scrollWidth") <= 360, path
        assert tab.problems == []
