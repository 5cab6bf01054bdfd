"""The accessibility of the web page, by axe, in both themes."""

import os
from pathlib import Path

import pytest
import trio

from tests.support.browser import browser
from tests.support.servers import ROOT, serving
from tests.support.web_page import LIVE, many_jobs, report_all

AXE = ROOT / ".venv" / "page" / "node_modules" / "axe-core" / "axe.min.js"
PAGES = (
    ("", ".row.job.failed"),
    ("job/blender-00001", ".gantt"),
    ("history?range=all", ".lengths"),
    ("boxes", ".boxes .meter"),
    ("preview", ".ranges a"),
)
VIOLATIONS = """
axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
  violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target).join()}`))
"""


@pytest.mark.slow
@pytest.mark.needs("chromium")
async def test_every_page_is_accessible_in_both_themes(tmp_path: Path) -> None:
    if not AXE.exists():
        assert "CI" not in os.environ, "make check-page installs axe, and CI must run it before"
        pytest.skip("make check-page installs axe")
    axe = await trio.Path(AXE).read_text()
    async with serving(tmp_path) as client, browser(tmp_path / "chromium") as tab:
        await report_all(client, many_jobs(60, active=5))
        await client.post("/progress/host", json={"host": "render-01", "load": 3.5, "processors": 4})
        await tab.size(1400, 900)
        for path, ready in PAGES:
            await tab.go(f"{str(client.base_url).rstrip('/')}/{path}")
            await tab.until(f"{LIVE} && document.querySelector('{ready}') !== null")
            await tab.evaluate(f"{axe};0")
            for theme in ("light", "dark"):
                await tab.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
                assert await tab.evaluate(VIOLATIONS) == [], (path, theme)
        assert tab.problems == []
