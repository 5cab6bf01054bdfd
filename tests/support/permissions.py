"""Callers with each scope, and their requests to a server with tokens."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

from tests.support.servers import serving
from tests.support.tokens import CALLERS, make_tokens, shown

__all__ = [
    "ABOUT_JOB",
    "CONFINED",
    "EVERYBODY",
    "KNOWN",
    "OTHERS",
    "PROGRESS",
    "READERS",
    "REPORTERS",
    "guarded",
    "receive",
    "send",
    "status_of",
    "verdict",
    "websocket",
]

EVERYBODY = set(CALLERS)
KNOWN = EVERYBODY - {"nobody"}
READERS = {caller for caller in KNOWN if not caller.startswith("report")}
REPORTERS = {caller for caller in KNOWN if not caller.startswith("read")}
OTHERS = {caller for caller in KNOWN if caller.endswith(":other-")}
CONFINED = {caller for caller in KNOWN if ":" in caller}
ABOUT_JOB = {"job_id": "shot-1"}
PROGRESS = ABOUT_JOB | {"stage": "importing", "progress": 1}


@asynccontextmanager
async def guarded(data_dir: Path, **settings: Any) -> AsyncIterator[tuple[httpx.AsyncClient, dict[str, str]]]:
    """Serve with tokens, after two jobs were reported."""
    tokens = make_tokens(data_dir)
    async with serving(data_dir, **settings) as client:
        for job_id in ("shot-1", "other-1"):
            body = {"job_id": job_id}
            answer = await client.post("/progress/start", json=body, headers=shown(tokens, "admin"))
            assert answer.status_code == 200
        yield client, tokens


async def status_of(client: httpx.AsyncClient, method: str, target: str, body: Any, headers: dict[str, str]) -> int:
    async with client.stream(method, target, json=body, headers=headers) as answer:
        return answer.status_code


@asynccontextmanager
async def websocket(client: httpx.AsyncClient, path: str = "/ws", **headers: str) -> AsyncIterator[WebSocketConnection]:
    url = str(client.base_url).replace("http", "ws", 1) + path
    extra = [(name.encode(), value.encode()) for name, value in headers.items()]
    with trio.fail_after(30):
        async with open_websocket_url(url, extra_headers=extra) as socket:
            assert (await receive(socket))["type"] == "connection_established"
            try:
                yield socket
            finally:
                # trio-websocket leaves it open when the server has closed first.
                await trio.aclose_forcefully(socket._stream)


async def receive(socket: WebSocketConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await socket.get_message())
    return message


async def send(socket: WebSocketConnection, kind: str, **fields: Any) -> dict[str, Any]:
    """Send a message, and return the answer or the close of the connection."""
    try:
        await socket.send_message(json.dumps({"type": kind, **fields}))
        if kind == "host_status":  # it is not answered
            await socket.send_message(json.dumps({"type": "ping"}))
        return await receive(socket)
    except ConnectionClosed as closed:
        return {"type": "closed", "code": closed.reason.code if closed.reason else 1006}


def verdict(answer: dict[str, Any]) -> str:
    return str(answer["code"]) if answer["type"] in {"error", "closed"} else "fine"
