"""The installed web page while the server is unreachable, and what it stores of jobs."""

import json
from pathlib import Path

import pytest

from phaseline_server.access.grant import Scope
from phaseline_server.access.tokens import TokenFile
from tests.support.browser import Browser, browser
from tests.support.ports import free_port
from tests.support.servers import client_of, server_process
from tests.support.web_page import LIVE, column, report

pytestmark = pytest.mark.needs("chromium")

NATURAL_WIDTH = """(async () => {
  const image = new Image();
  image.src = '%s';
  await image.decode();
  return image.naturalWidth;
})()"""
STORED = """(async () => {
  let texts = JSON.stringify(localStorage) + JSON.stringify(sessionStorage);
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const request of await cache.keys()) texts += request.url + await (await cache.match(request)).text();
  }
  return texts;
})()"""


async def installed(tab: Browser) -> None:
    await tab.until("navigator.serviceWorker.controller?.state === 'activated'")


@pytest.mark.slow
async def test_the_page_opens_while_the_server_is_down_and_shows_the_last_state(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    bind = f"127.0.0.1:{free_port()}"
    async with browser(tmp_path / "chromium", own=True) as tab:
        async with server_process(tmp_path / "data", bind=bind) as server, client_of(server.url) as client:
            await report(client, "start", job_id="a", name="Shot 7")
            await tab.go(server.url)
            await tab.until(f"{column('name')} === 'Shot 7'")
            await installed(tab)
            manifest = await tab.call("Page.getAppManifest")
            assert manifest["errors"] == []
            assert (await tab.call("Page.getInstallabilityErrors"))["installabilityErrors"] == []
            for icon in json.loads(manifest["data"])["icons"][1:]:
                size = await tab.evaluate(NATURAL_WIDTH % f"page/{icon['src']}")
                assert icon["sizes"] == f"{size}x{size}"
            touch = "document.querySelector('link[rel=apple-touch-icon]').href"
            assert await tab.evaluate(NATURAL_WIDTH % f"' + {touch} + '") == 180
            await tab.go("about:blank")
            assert tab.problems == []
        for path in ("", "boxes"):
            await tab.go(f"{server.url}/{path}")
            await tab.until("document.getElementById('connection').innerText.startsWith('○ server unreachable')")
        for path in ("boxes", "history", "preview", "preview/simple/0x1234"):
            await tab.go(f"{server.url}/{path}")
            await tab.until(
                "document.querySelector('.note').innerText.startsWith('The server is unreachable. This page')"
            )
        await tab.go(f"{server.url}/job/a")
        await tab.until("document.querySelector('.job-page h2').innerText.endsWith('Shot 7')")
        await tab.go(server.url)
        await tab.until(f"{column('name')} === 'Shot 7'")
        assert await tab.evaluate("document.body.className") == "stale"
        await tab.until("document.getElementById('connection').innerText.includes('state as of')")
        async with server_process(tmp_path / "data", bind=bind) as server, client_of(server.url) as client:
            await tab.until(LIVE)
            await report(client, "start", job_id="b", name="Shot 8")
            await tab.until("document.querySelector('.lines').innerText.includes('Shot 8')")


@pytest.mark.slow
async def test_the_page_stores_nothing_that_a_token_showed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    bind = f"127.0.0.1:{free_port()}"
    async with browser(tmp_path / "chromium", own=True) as tab:
        async with server_process(tmp_path / "data", bind=bind) as server, client_of(server.url) as client:
            await report(client, "start", job_id="a", name="Shot 7")
            await tab.go(server.url)
            await installed(tab)
            await tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
            token = TokenFile(tmp_path / "data").create(Scope.ADMIN)[0]
            await tab.until("document.querySelector('#token input') !== null")
            assert "Shot 7" not in await tab.evaluate(STORED)
            await tab.evaluate(f"document.querySelector('#token input').value = '{token}'")
            await tab.evaluate("document.querySelector('#token button').click()")
            await tab.until(f"{column('name')} === 'Shot 7'")
            await tab.evaluate("document.querySelector('.row.job a').click()")
            await tab.until("document.querySelector('h2').innerText.endsWith('Shot 7')")
            await tab.evaluate("Object.defineProperty(document, 'hidden', {value: true})")
            await tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
            stored = await tab.evaluate(STORED)
            assert "worker" in stored
            assert "Shot 7" not in stored
        await tab.go("about:blank")
        await tab.go(f"{server.url}/job/a")
        await tab.until("document.getElementById('connection')?.innerText.startsWith('○ server unreachable')")
        assert "Shot 7" not in await tab.evaluate("document.body.innerText")
