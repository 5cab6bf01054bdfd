"""A real headless Chromium, controlled over its DevTools protocol."""

import itertools
import json
import subprocess
from base64 import b64decode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import trio
import trio_websocket

from tests.support.servers import client_of
from tests.support.shared_chromium import shared_chromium

# Without these it looks up hosts that no test needs, and as root it wants no sandbox.
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
]
_LARGEST = 64 * 2**20


class Kept(NamedTuple):
    """The memory of a page after a collection: bytes of the script heap, document nodes, and event listeners."""

    heap: float
    nodes: int
    listeners: int


class Browser:
    """One tab."""

    def __init__(self, websocket: trio_websocket.WebSocketConnection, profile: str = "") -> None:
        self._websocket = websocket
        self._profile = {"browserContextId": profile} if profile else {}
        self._numbers = itertools.count(1)
        self._replies: dict[int, trio.MemorySendChannel[dict[str, Any]]] = {}
        self.console: list[str] = []
        self.problems: list[str] = []

    async def listen(self) -> None:
        """Sort the browser's messages; runs until the connection ends."""
        while True:
            try:
                message = json.loads(await self._websocket.get_message())
            except trio_websocket.ConnectionClosed:
                return
            if "id" in message:
                await self._replies.pop(message["id"]).send(message)
            else:
                self._happened(message["method"], message["params"])

    def _happened(self, event: str, parameters: dict[str, Any]) -> None:
        """Record what the page wrote to its console, and its errors."""
        if event == "Runtime.consoleAPICalled":
            self.console.append(" ".join(str(each.get("value")) for each in parameters["args"]))
        elif event == "Runtime.exceptionThrown":
            self.problems.append(str(parameters["exceptionDetails"]))
        elif event == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.problems.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and return its result."""
        number = next(self._numbers)
        send, receive = trio.open_memory_channel[dict[str, Any]](1)
        self._replies[number] = send
        await self._websocket.send_message(json.dumps({"id": number, "method": method, "params": parameters}))
        reply = await receive.receive()
        assert "error" not in reply, reply
        result: dict[str, Any] = reply["result"]
        return result

    async def go(self, url: str) -> None:
        """Open a page."""
        await self.call("Page.navigate", url=url)

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        reply = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in reply, reply
        return reply["result"].get("value")

    async def until(self, expression: str) -> Any:
        """Return the value of a JavaScript expression once it is true; until then it may fail."""
        with trio.move_on_after(60):
            while True:
                value = await self.evaluate(f"(() => {{ try {{ return {expression} }} catch {{ return null }} }})()")
                if value:
                    return value
                await trio.sleep(0.05)
        page = await self.evaluate("document.body.innerText")
        raise AssertionError(f"{expression} never became true; console {self.console}; {self.problems}; page:\n{page}")

    async def permit(self, *permissions: str) -> None:
        """Grant permissions to each page."""
        await self.call("Browser.grantPermissions", permissions=permissions, **self._profile)

    async def size(self, width: int, height: int, *, mobile: bool = False) -> None:
        """Set the window's size in pixels."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile
        )

    async def kept(self) -> Kept:
        """Collect garbage, and return the remaining memory."""
        for _ in range(2):  # the first one runs finalizers
            await self.call("HeapProfiler.collectGarbage")
        heap = await self.call("Runtime.getHeapUsage")
        counts = await self.call("Memory.getDOMCounters")
        return Kept(heap["usedSize"], counts["nodes"], counts["jsEventListeners"])

    async def picture(self) -> bytes:
        """Return a picture of the window, as PNG."""
        return b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])

    async def screenshot(self, path: Path) -> None:
        """Write a picture of the window."""
        await trio.Path(path).write_bytes(await self.picture())


@asynccontextmanager
async def browser(directory: Path, *flags: str, own: bool = False) -> AsyncIterator[Browser]:
    """Yield a tab for the length of the block, in a new profile.

    Args:
        directory: The data of a Chromium that is started for this tab.
        flags: Flags of such a Chromium.
        own: Whether to start one even without flags; otherwise the tests of a process share one, with profiles in
            memory.
    """
    if own or flags:
        async with _own_tab(directory, flags) as tab:
            yield tab
        return
    address = shared_chromium(*_FLAGS)
    async with _connected(address) as chromium:
        context = await chromium.call("Target.createBrowserContext", disposeOnDetach=True)
        profile = context["browserContextId"]
        created = await chromium.call("Target.createTarget", url="about:blank", browserContextId=profile)
        path = f"/devtools/page/{created['targetId']}"
        async with _connected(address.partition("/devtools/")[0] + path, profile) as tab:
            await _follow(tab)
            yield tab


@asynccontextmanager
async def _connected(address: str, profile: str = "") -> AsyncIterator[Browser]:
    """Yield a connection to a tab, or to the browser itself."""
    async with (
        trio_websocket.open_websocket_url(address, max_message_size=_LARGEST) as websocket,
        trio.open_nursery() as nursery,
    ):
        tab = Browser(websocket, profile)
        nursery.start_soon(tab.listen)
        yield tab
        nursery.cancel_scope.cancel()


async def _follow(tab: Browser) -> None:
    """Subscribe to the events of its page."""
    for domain in ("Page", "Runtime", "Log"):
        await tab.call(f"{domain}.enable")


@asynccontextmanager
async def _own_tab(directory: Path, flags: Sequence[str]) -> AsyncIterator[Browser]:
    """Run Chromium with its data in `directory` for the length of the block, and yield its tab."""
    command = ["chromium", *_FLAGS, *flags, f"--user-data-dir={directory}", "about:blank"]
    process = await trio.lowlevel.open_process(command, stderr=subprocess.PIPE)
    try:
        async with trio.open_nursery() as nursery:
            address = await nursery.start(_address, process)
            port = address.split(":")[2].partition("/")[0]
            async with _connected(f"ws://127.0.0.1:{port}/devtools/page/{await _tab(int(port))}") as tab:
                await _follow(tab)
                yield tab
            process.kill()
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()


async def _address(process: trio.Process, *, task_status: trio.TaskStatus[str]) -> None:
    """Return the address of the protocol that Chromium prints, and continue to read its output."""
    assert process.stderr is not None
    pending = b""
    reported = False
    async for chunk in process.stderr:
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            if not reported and line.startswith(b"DevTools listening on "):
                reported = True
                task_status.started(line.decode().rpartition(" ")[2].strip())


async def _tab(port: int) -> str:
    """Return the id of the first tab."""
    async with client_of() as client:
        while True:
            tabs = (await client.get(f"http://127.0.0.1:{port}/json/list")).json()
            for tab in tabs:
                if tab["type"] == "page":
                    return str(tab["id"])
            await trio.sleep(0.05)
