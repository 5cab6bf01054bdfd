"""The web page's notifications, in a real headless Chromium."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.browser import Browser, browser
from tests.support.servers import serving
from tests.support.web_page import LIVE, press, report

pytestmark = pytest.mark.needs("chromium")

RECORD_NOTIFICATIONS = """
globalThis.seen = [];
Notification = class extends Notification { constructor(title) { super(title); seen.push(title) } };
0
"""


@asynccontextmanager
async def notified_page(tmp_path: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Browser]]:
    """Run a server, and a browser with its page that may notify."""
    async with serving(tmp_path) as client, browser(tmp_path / "chromium") as tab:
        await tab.permit("notifications")
        await tab.go(str(client.base_url))
        await tab.until(LIVE)
        yield client, tab


@pytest.mark.slow
async def test_the_page_notifies_of_failed_jobs_if_asked_to(tmp_path: Path) -> None:
    async with notified_page(tmp_path) as (client, tab):
        await tab.evaluate(
            f"{RECORD_NOTIFICATIONS};"
            "document.querySelector('select[name=notify]').value = 'failures';"
            "document.querySelector('select[name=notify]').dispatchEvent(new Event('change'))"
        )
        await tab.until("localStorage.getItem('notify') === 'failures'")
        for name, success in (("Shot 7", True), ("Shot 8", False)):
            await report(client, "start", job_id=name, name=name)
            await report(client, "complete", job_id=name, success=success)
        assert await tab.until("seen.length > 0 && seen.join()") == "Shot 8: failed"
        await report(client, "start", job_id="Shot 9", name="Shot 9")
        await tab.evaluate("phaseline.openJob('Shot 9')")
        await tab.until("document.querySelector('button[name=watch]').ariaPressed === 'false'")
        await tab.evaluate("document.querySelector('button[name=watch]').click()")
        await tab.until("document.querySelector('button[name=watch]').ariaPressed === 'true'")
        await tab.evaluate("document.querySelector('input[name=sound]').click()")
        await report(client, "complete", job_id="Shot 9")
        await tab.until("seen.join() === 'Shot 8: failed,Shot 9: done'")
        assert await tab.evaluate("localStorage.getItem('watched')") == ""
        assert tab.problems == []


@pytest.mark.slow
async def test_the_page_notifies_of_jobs_that_a_filter_keeps(tmp_path: Path) -> None:
    async with notified_page(tmp_path) as (client, tab):
        await tab.evaluate(RECORD_NOTIFICATIONS)
        await report(client, "start", job_id="first")
        await tab.until("document.querySelector('.row.job') !== null")
        buttons = "[...document.querySelectorAll('.bells button')].map((each) => each.innerText).join()"
        await press(tab, "/")
        await tab.call("Input.insertText", text="name:/(/")
        await tab.until("document.querySelector('.note.problem') !== null")
        assert await tab.evaluate(buttons) == ""
        await tab.evaluate("document.querySelector('input').select()")
        await tab.call("Input.insertText", text="name:/shot/ !host:box2")
        await tab.until(f"{buttons} === 'Notify me about these'")
        await tab.evaluate("document.querySelector('.bells button').click()")
        await tab.until(f"{buttons} === 'name:/shot/ !host:box2 ×'")
        for name, host in (("Shot 7", "box2"), ("Poster", "box1"), ("Shot 8", "box1")):
            await report(client, "start", job_id=name, name=name, host=host)
            await report(client, "complete", job_id=name)
        assert await tab.until("seen.length > 0 && seen.join()") == "Shot 8: done"
        await tab.call("Page.reload")
        await tab.until(f"{buttons} === 'name:/shot/ !host:box2 ×'")
        await tab.evaluate("document.querySelector('.bells button').click()")
        await tab.until(f"{buttons} === 'Notify me about these'")
        assert await tab.evaluate("localStorage.getItem('watched filters')") == ""
        assert tab.problems == []
