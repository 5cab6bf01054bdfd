"""Stand-ins for the servers of image programs, which answer as these programs' documentation and sources describe.

ComfyUI: `/ws`, `/queue`, `/history/<id>`. AUTOMATIC1111: `/sdapi/v1/progress`, `/internal/pending-tasks`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from quart import websocket
from quart_trio import QuartTrio

from tests.support.certificates import Certificate

__all__ = ["ComfyUI", "WebUI", "running_app"]

GRAPH = {
    "3": {"class_type": "KSampler", "inputs": {"steps": 20, "model": ["4", 0]}, "_meta": {"title": "Sample"}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "model.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 640, "height": 480, "batch_size": 1}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "harbour", "images": ["8", 0]}},
}


@asynccontextmanager
async def running_app(app: QuartTrio, port: int = 0, certificate: Certificate | None = None) -> AsyncIterator[str]:
    """Serve an app for the length of the block, with TLS if there is a certificate, and yield its address."""
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.accesslog = config.errorlog = None
    config.graceful_timeout = 0.1
    if certificate is not None:
        config.certfile, config.keyfile = map(str, certificate)
    async with trio.open_nursery() as nursery:
        stop = trio.Event()
        [url] = await nursery.start(partial(serve, app, config, shutdown_trigger=stop.wait))
        yield url
        stop.set()
        nursery.cancel_scope.cancel()


class ComfyUI:
    """A ComfyUI server with one worker, whose queue and messages a test sets."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.pending: list[tuple[int, str]] = []
        self.history: dict[str, Any] = {}
        self.clients: dict[str, trio.MemorySendChannel[dict[str, Any]]] = {}
        self.app = app = QuartTrio("comfyui")
        app.websocket("/ws")(self._websocket)
        app.get("/queue")(self._queue)
        app.get("/history/<prompt_id>")(self._history)

    async def _websocket(self) -> None:
        client = websocket.args["clientId"]
        self.clients[client], receive = trio.open_memory_channel[dict[str, Any]](1000)
        await websocket.send_json(self._status() | {"sid": client})
        async for message in receive:
            await websocket.send_json(message)

    async def _queue(self) -> dict[str, Any]:
        def entry(number: int, prompt_id: str) -> list[Any]:
            return [number, prompt_id, GRAPH, {"client_id": "browser"}, ["9"]]

        return {
            "queue_running": [entry(0, prompt_id) for prompt_id in self.running],
            "queue_pending": [entry(number, prompt_id) for number, prompt_id in self.pending],
        }

    async def _history(self, prompt_id: str) -> dict[str, Any]:
        return {prompt_id: self.history[prompt_id]} if prompt_id in self.history else {}

    def _status(self) -> dict[str, Any]:
        left = len(self.running) + len(self.pending)
        return {"type": "status", "data": {"status": {"exec_info": {"queue_remaining": left}}}}

    async def queue_changed(self) -> None:
        """Notify all clients that the queue has changed."""
        await self.send(self._status())

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message to all clients, as of a prompt whose sender gave no id."""
        for channel in self.clients.values():
            await channel.send(message)

    async def tell(self, kind: str, **data: Any) -> None:
        """Send a message about the first running prompt."""
        await self.send({"type": kind, "data": {"prompt_id": self.running[0], **data}})

    async def end(self, status: str, *messages: list[Any]) -> None:
        """End the first running prompt, and run the next one."""
        prompt_id = self.running.pop(0)
        self.history[prompt_id] = {
            "prompt": [0, prompt_id, GRAPH, {}, ["9"]],
            "outputs": {},
            "status": {"status_str": status, "completed": status == "success", "messages": list(messages)},
        }
        if self.pending:
            first = min(self.pending)
            self.pending.remove(first)
            self.running.append(first[1])
        await self.queue_changed()


class WebUI:
    """A Stable Diffusion web UI whose state a test sets."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.task: str | None = None
        self.state: dict[str, Any] = {}
        self.idle()
        self.app = app = QuartTrio("a1111")
        app.get("/sdapi/v1/progress")(self._progress)
        app.get("/internal/pending-tasks")(self._pending)

    def idle(self) -> None:
        """Run nothing."""
        self.task = None
        self.state = {"job": "", "job_count": 0, "job_no": 0, "sampling_step": 0, "sampling_steps": 0}
        self.state |= {"job_timestamp": "0", "interrupted": False, "skipped": False}

    def run(self, task: str, **state: Any) -> None:
        """Run a generation."""
        self.task = f"task({task})"
        self.state |= {"job": "scripts_txt2img", "job_timestamp": f"20260314{task}", **state}

    async def _progress(self) -> dict[str, Any]:
        known = {"progress": 0.0, "eta_relative": 0.0, "state": self.state, "current_image": None, "textinfo": None}
        return known | {"current_task": self.task}

    async def _pending(self) -> dict[str, Any]:
        return {"size": len(self.waiting), "tasks": self.waiting}
