"""The quick start's JavaScript as printed, in a real headless Chromium over a real job."""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.browser import browser
from tests.support.servers import ROOT, client_of, server_process

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
        # The example uses localhost:5100, where another program may already listen.
        rule = f"--host-resolver-rules=MAP localhost:5100 127.0.0.1:{port}"
        with files(EXAMPLE) as address:
            async with browser(tmp_path / "chromium", rule) as tab:
                await tab.go(f"{address}/index.html")
                await tab.until("ws.readyState === 1")
                job = {"job_id": "job_12345"}
                # The subscription is sent after the opening; it is active once the server lists it.
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
