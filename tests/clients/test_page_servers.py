"""The page of servers that share a log: the leader, and jobs that are stale."""

import signal
from pathlib import Path

import pytest

from tests.server.runtime.test_following import leader_and_follower
from tests.support.browser import browser
from tests.support.postgres import Postgres
from tests.support.servers import serving
from tests.support.web_page import LIVE, report

pytestmark = pytest.mark.needs("chromium")

SHORT = "document.getElementById('servers').textContent"
CONNECTION = "document.getElementById('connection').textContent"
STALE = "document.body.classList.contains('stale')"
ROWS = (
    "[...document.querySelectorAll('.servers tbody tr')]"
    ".map((row) => [...row.children].map((cell) => cell.textContent))"
)
AGE = f"Number(/ for (\\d+)s/.exec({CONNECTION})?.[1])"


@pytest.mark.slow
async def test_a_server_with_its_own_log_shows_no_servers(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, browser(tmp_path / "chromium") as tab:
        await report(client, "start", job_id="a", host="box")
        await tab.go(f"{str(client.base_url).rstrip('/')}/boxes")
        await tab.until("phaseline.servers.list.length === 1")
        await tab.until("document.querySelector('.boxes tbody tr') !== null")
        assert await tab.evaluate("document.getElementById('servers').hidden") is True
        assert await tab.evaluate("document.querySelector('.servers').checkVisibility()") is False
        assert tab.problems == []


@pytest.mark.slow
@pytest.mark.needs("postgres")
async def test_the_page_shows_the_servers_and_marks_jobs_without_news(own_postgres: Postgres, tmp_path: Path) -> None:
    async with leader_and_follower(own_postgres, tmp_path) as (one, other), browser(tmp_path / "chromium") as tab:
        first, second = (box.server.url.rpartition("/")[2] for box in (one, other))
        await report(one.client, "report", job_id="a", stage="render", progress=50)
        await tab.go(f"{other.server.url}/boxes")
        await tab.until(LIVE)
        await tab.until(f"{SHORT} === '2 servers, leader {first}, lag 0s'")
        rows = await tab.until(f"({ROWS}).length === 2 && {ROWS}")
        roles = {row[0].split()[0]: row[1] for row in rows}
        assert roles == {first: "leader", second: "follower"}
        assert [row[0].split()[0] for row in rows if "(this one)" in row[0]] == [second]
        assert await tab.evaluate(STALE) is False
        own_postgres.stop(signal.SIGQUIT)
        await tab.until(f"/stale: no news from {first} for \\d+s/.test({CONNECTION})")
        assert await tab.evaluate(STALE) is True
        clock, age = await tab.evaluate("phaseline.clock().now"), await tab.evaluate(AGE)
        await tab.until(f"{AGE} >= {age + 6}")
        assert await tab.evaluate("phaseline.clock().now") == pytest.approx(clock, abs=3000), "time stands still"
        own_postgres.start()
        await tab.until(f"{CONNECTION} === '● live'")
        assert await tab.evaluate(STALE) is False
