"""The web page in a real headless Firefox."""

from pathlib import Path

import pytest

from tests.support.firefox import firefox
from tests.support.servers import serving
from tests.support.web_page import LIVE, changing_jobs, column, many_jobs, report, report_all


@pytest.mark.slow
@pytest.mark.needs("firefox-esr")
async def test_the_pages_work_in_firefox(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, firefox(tmp_path / "firefox") as tab:
        root = str(client.base_url).rstrip("/")
        messages = many_jobs(200, active=20)
        await report_all(client, messages)
        await report_all(client, changing_jobs(messages, 20))
        await report(client, "start", job_id="a", name="Shot 7", workflow="w", phases=["load", "render"])
        await tab.go(f"{root}/?q=shot")
        await tab.until(f"{LIVE} && phaseline.link.way === 'ws' && {column('name')} === 'Shot 7'")
        await report(client, "report", job_id="a", stage="render", done=74, total=240, unit="frames")
        await tab.until(f"{column('count')} === '74/240 frames'")
        await tab.evaluate("document.querySelector('.row.job a').click()")
        await tab.until("location.pathname === '/job/a' && document.querySelectorAll('.gantt li').length === 2")
        await report(client, "complete", job_id="a")
        await tab.until("document.querySelector('.job-head.completed') !== null")
        await tab.evaluate("history.back()")
        await tab.until(f"{column('name', '.completed')} === 'Shot 7'")
        await tab.go(f"{root}/history?range=all")
        await tab.until("document.querySelectorAll('.totals-table tbody tr').length >= 4")
        await tab.until("document.querySelectorAll('.lengths circle').length > 10")
        await tab.go(f"{root}/boxes")
        await tab.until("document.querySelectorAll('.boxes tbody tr').length >= 5")
        await tab.go(f"{root}/preview")
        await tab.until("document.querySelector('.empty:not([hidden])') !== null")
        assert tab.problems == []
