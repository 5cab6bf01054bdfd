"""The web page's memory does not grow while jobs change."""

from pathlib import Path

import pytest

from tests.support.browser import browser
from tests.support.servers import serving
from tests.support.web_page import LIVE, changing_jobs, many_jobs, report_all

JOBS, ROUNDS = 100, 12
MOST_BYTES = 150  # a change; a kept message takes more


@pytest.mark.slow
@pytest.mark.needs("chromium")
async def test_the_page_keeps_nothing_of_the_changes_that_it_has_shown(tmp_path: Path) -> None:
    async with serving(tmp_path, eta_engine="ema") as client, browser(tmp_path / "chromium", own=True) as tab:
        messages = many_jobs(JOBS, active=JOBS)
        await report_all(client, messages)
        await tab.go(str(client.base_url))
        await tab.until(f"{LIVE} && document.querySelector('.row.job') !== null")

        async def rounds(count: int) -> None:
            for number in range(count):
                target = await tab.evaluate("phaseline.store.changes") + JOBS
                await report_all(client, [each | {"done": number % 240} for each in changing_jobs(messages, JOBS)])
                await tab.until(f"phaseline.painted.changes >= {target}")

        await rounds(3)
        before = await tab.kept()
        await rounds(ROUNDS)
        after = await tab.kept()
        assert (after.heap - before.heap) / (ROUNDS * JOBS) < MOST_BYTES
        assert after.nodes - before.nodes < JOBS
        assert after.listeners == before.listeners
        assert tab.problems == []
