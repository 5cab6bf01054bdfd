"""A real headless Firefox, which receives commands over WebDriver BiDi (https://w3c.github.io/webdriver-bidi/)."""

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
import trio_websocket

from tests.support.browser import Browser

__all__ = ["Firefox", "firefox"]

_LARGEST = 16 * 2**20
# Without these it looks up hosts that no test needs.
_PREFERENCES: dict[str, Any] = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.safebrowsing.downloads.remote.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "http://127.0.0.1:1",
    "toolkit.telemetry.server": "",
}


_LEFT = "A ServiceWorker intercepted the request and encountered an unexpected error"
"""Firefox logs this for a load that ends because the tab leaves the page."""


class Firefox(Browser):
    """One tab."""

    context = ""

    def _happened(self, event: str, parameters: dict[str, Any]) -> None:
        """Record what the page wrote to its console, and its errors."""
        assert event == "log.entryAdded"
        text = f"{parameters['text']} {(parameters.get('source') or {}).get('context', '')}"
        self.console.append(text)
        if parameters["level"] in ("error", "warn") and _LEFT not in text:
            self.problems.append(text)

    async def begin(self) -> None:
        """Begin a session, and find its tab."""
        await self.call("session.new", capabilities={})
        await self.call("session.subscribe", events=["log.entryAdded"])
        [tab] = (await self.call("browsingContext.getTree"))["contexts"]
        self.context = tab["context"]

    async def go(self, url: str) -> None:
        """Open a page."""
        await self.call("browsingContext.navigate", context=self.context, url=url, wait="complete")

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, which JSON can hold."""
        reply = await self.call(
            "script.evaluate",
            expression=f"Promise.resolve({expression}).then((value) => JSON.stringify(value ?? null))",
            target={"context": self.context},
            awaitPromise=True,
        )
        assert reply["type"] == "success", reply
        return json.loads(reply["result"]["value"])


@asynccontextmanager
async def firefox(directory: Path) -> AsyncIterator[Firefox]:
    """Run Firefox with its data in `directory` for the length of the block, and yield its tab."""
    await trio.Path(directory).mkdir()
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in _PREFERENCES.items()]
    await trio.Path(directory / "user.js").write_text("".join(lines))
    command = ["firefox-esr", "--headless", "--no-remote", "--profile", str(directory), "--remote-debugging-port=0"]
    process = await trio.lowlevel.open_process(
        [*command, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        async with (
            trio_websocket.open_websocket_url(await _address(directory), max_message_size=_LARGEST) as websocket,
            trio.open_nursery() as nursery,
        ):
            tab = Firefox(websocket)
            nursery.start_soon(tab.listen)
            await tab.begin()
            yield tab
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()


async def _address(directory: Path) -> str:
    """Return the address of the protocol, once Firefox has written it to its directory."""
    file = trio.Path(directory / "WebDriverBiDiServer.json")
    with trio.fail_after(60):
        while True:
            try:
                found = json.loads(await file.read_text())
                return f"ws://{found['ws_host']}:{found['ws_port']}/session"
            except (FileNotFoundError, json.JSONDecodeError):
                await trio.sleep(0.05)
