"""The list of the web page in a real headless Chromium: its sections, and what a line shows at each width."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import Browser, browser
from tests.support.servers import serving
from tests.support.web_page import LIVE, report_all, shown_rows

pytestmark = [pytest.mark.slow, pytest.mark.needs("chromium")]

FILM = "Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb (1964).mkv"
HEBREW = "ואלס עם באשיר Waltz with Bashir.mkv"
ROW = "[...document.querySelectorAll('.lines .row.job')].find((row) => row.innerText.includes({!r}))"


def started(job: str, name: str, ago: float) -> dict[str, Any]:
    """Return the report of a job's start."""
    return {"type": "job_started", "job_id": job, "name": name, "phases": ["probe", "encode"], "age_seconds": ago}


def jobs() -> list[dict[str, Any]]:
    """Return reports of a job in each state that has its own section."""
    encode = {"type": "job_progress", "stage": "encode", "done": 86_400, "total": 172_800, "unit": "frames"}
    wait = {"queue": "uhd", "position": 2}
    return [
        started("active", FILM, 90),
        encode | {"job_id": "active", "age_seconds": 1},
        {"type": "job_queued", "job_id": "queued", "name": HEBREW, "host": "encoder-01", **wait},
        started("failed", "IMG_0041", 0),
        {"type": "job_progress", "job_id": "failed", "stage": "probe", "progress": 99},
        {"type": "job_failed", "job_id": "failed", "result": {"error": "exit code 1"}},
        started("cancelled", "take 2", 90),
        {"type": "job_cancelled", "job_id": "cancelled", "reason": "a newer version is queued", "age_seconds": 30},
        started("done", "take 3", 90),
        {"type": "job_completed", "job_id": "done", "age_seconds": 30},
    ]


async def text(tab: Browser, name: str, cell: str) -> str:
    """Return the text of a cell in the line of the job with this name."""
    found = await tab.until(f"({ROW.format(name)}).querySelector('.{cell}').textContent || '-'")
    return str(found)


async def test_each_state_has_its_section_and_text(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, browser(tmp_path / "chromium") as tab:
        await report_all(client, jobs())
        await tab.size(1400, 900)
        await tab.go(f"{client.base_url}?q=!sound")
        await tab.until(f"{LIVE} && document.querySelectorAll('.row.job').length === 5")
        titles = [row[2:] for row in await shown_rows(tab) if row[0] == "▾"]
        assert titles == ["Active 1", "Queued 1", "Failed 1", "Cancelled 1", "Done 1"]
        assert await text(tab, "Strangelove", "count") == "86.4k/173k frames"
        assert await text(tab, "Waltz", "words") == "waits in uhd, place 2"
        assert await text(tab, "IMG_0041", "words") == "exit code 1 · probe"
        assert (await text(tab, "take 2", "words")).startswith("a newer version is queued")
        direction = "getComputedStyle(({}).querySelector('.name a')).direction"
        assert await tab.evaluate(direction.format(ROW.format("Waltz"))) == "rtl"
        assert await tab.evaluate(direction.format(ROW.format("Strangelove"))) == "ltr"
        await tab.evaluate("document.querySelector('.earlier a').click()")
        await tab.until("location.pathname === '/history' && new URL(location.href).searchParams.get('q') === '!sound'")
        assert tab.problems == []


async def test_a_phone_shows_names_and_reasons_on_one_line(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, browser(tmp_path / "chromium") as tab:
        await report_all(client, jobs())
        await tab.size(360, 800)
        await tab.go(str(client.base_url))
        await tab.until(f"{LIVE} && document.querySelectorAll('.row.job').length === 5")
        assert await tab.evaluate("document.documentElement.scrollWidth") == 360
        width = "({}).querySelector('.{}').getBoundingClientRect().width"
        assert await tab.evaluate(width.format(ROW.format("Strangelove"), "name a")) > 170
        assert await tab.evaluate(width.format(ROW.format("Strangelove"), "track")) > 250
        assert await tab.evaluate(width.format(ROW.format("IMG_0041"), "words")) > 130


async def test_chosen_colors_and_paper_show_the_progress_and_no_buttons(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, browser(tmp_path / "chromium") as tab:
        await report_all(client, jobs())
        style = "getComputedStyle(document.querySelector('{}')).{}"
        await tab.call("Emulation.setEmulatedMedia", features=[{"name": "forced-colors", "value": "active"}])
        await tab.go(str(client.base_url))
        await tab.until(f"{LIVE} && document.querySelectorAll('.row.job').length === 5")
        bar, page = style.format(".row .track .low", "backgroundColor"), style.format("body", "backgroundColor")
        assert await tab.evaluate(f"{bar} !== {page}")
        current = style.format("nav a[aria-current]", "borderBottomColor")
        assert await tab.evaluate(f"{current} !== {style.format('nav a:not([aria-current])', 'borderBottomColor')}")
        await tab.call("Emulation.setEmulatedMedia", media="print")
        await tab.evaluate("phaseline.openJob('active')")
        await tab.until("document.querySelector('.actions button') !== null")
        assert await tab.evaluate(style.format(".actions", "display")) == "none"
        assert await tab.evaluate(style.format(".job-head .track", "display")) == "block"


async def test_the_longest_percent_fits_its_column_at_each_width(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, browser(tmp_path / "chromium") as tab:
        await report_all(client, jobs())
        for width in (1440, 1000, 800, 360):
            await tab.size(width, 900)
            await tab.go(str(client.base_url))
            await tab.until(f"{LIVE} && document.querySelectorAll('.row.job').length === 5")
            cell = f"({ROW.format('Strangelove')}).querySelector('.percent')"
            cut = f"(({cell}).textContent = '~99 %', {cell}.scrollWidth - {cell}.clientWidth)"
            assert await tab.evaluate(cut) <= 0, f"at {width} pixels"
