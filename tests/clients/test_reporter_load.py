"""The load of the machine, which a reporter sends while its jobs run."""

import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trio_websocket

from phaseline.reporting import Reporter
from phaseline.reporting.delivery import load
from tests.clients.test_reporter_hostile_server import fake_server
from tests.support.proxies import plain_proxy
from tests.support.reporting import ws_url
from tests.support.servers import ServerProcess, server_process

ANSWER = "NVIDIA GeForce RTX 4090, 91, 16384, 24564"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_FIRST_S", 0.0)
    monkeypatch.setattr(load, "_PACE_S", 0.1)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    async with server_process(tmp_path) as running:
        yield running


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> Path:
    """Install a program as `nvidia-smi`; return the file to which it adds a line at each start."""
    calls = folder / "calls"
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho $$ >> {calls}\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return calls


async def load_of(server: ServerProcess, host: str) -> dict[str, Any]:
    """Wait until the load of a host has arrived."""
    async with httpx.AsyncClient(verify=False) as client:
        with trio.fail_after(60):
            while True:
                hosts = (await client.get(f"{server.url}/progress/hosts")).json()["hosts"]
                for each in hosts:
                    if each["host"] == host and each["load"] is not None:
                        found: dict[str, Any] = each["load"]
                        return found
                await trio.sleep(0.05)


async def test_the_load_arrives_while_a_job_runs(server: ServerProcess) -> None:
    async with Reporter(ws_url(server.url), flush_timeout=60, host="box") as reporter:
        with reporter.job("a"):
            found = await load_of(server, "box")
    assert found["processors"] == len(os.sched_getaffinity(0))
    assert found["load"] >= 0
    assert 0 < found["memory_used"] < found["memory_total"]


async def test_gpus_are_sent_where_nvidia_smi_answers(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(monkeypatch, tmp_path, f"echo '{ANSWER}'")
    async with Reporter(ws_url(server.url), flush_timeout=60, host="box") as reporter:
        with reporter.job("a"):
            [gpu] = (await load_of(server, "box"))["gpus"]
    assert (gpu["name"], gpu["use"]) == ("NVIDIA GeForce RTX 4090", 91.0)


async def test_a_hanging_nvidia_smi_is_killed_and_never_asked_again(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(load, "_LONGEST_QUERY_S", 0.2)
    calls = install(monkeypatch, tmp_path, "exec sleep 600")
    async with Reporter(ws_url(server.url), flush_timeout=60, host="box") as reporter:
        with reporter.job("a") as job:
            began = time.perf_counter()
            job.progress(50)
            assert time.perf_counter() - began < 0.1
            assert (await load_of(server, "box"))["gpus"] == []
            age = (await load_of(server, "box"))["age_seconds"]
            with trio.fail_after(60):
                while (later := await load_of(server, "box"))["age_seconds"] >= age:
                    age = later["age_seconds"]
                    await trio.sleep(0.02)
    [pid] = calls.read_text().split()
    assert not await trio.Path(f"/proc/{pid}").exists(), "it was killed"


async def test_no_load_is_sent_to_an_older_server_or_if_the_user_disables_it(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[str] = []

    async def handle(websocket: trio_websocket.WebSocketConnection) -> None:
        while True:
            message = json.loads(await websocket.get_message())
            received.append(message["type"])
            if "job_id" in message:
                await websocket.send_message(json.dumps({"type": "ack", "producer_seq": message["producer_seq"]}))

    async def run(url: str, **options: Any) -> None:
        async with Reporter(url, flush_timeout=60, **options) as reporter:
            with reporter.job("a") as job:
                for percent in range(10):
                    job.progress(percent)
                    assert await reporter.aflush()
                    await trio.sleep(0.03)

    async with fake_server(handle) as url:
        await run(url)
        assert "host_status" not in received
    monkeypatch.setattr("tests.clients.test_reporter_hostile_server.GREETING", {
        "type": "connection_established", "epoch": "e", "client_id": "c", "features": ["host_status"],
    })  # fmt: skip
    async with fake_server(handle) as url:
        await run(url, worker_facts=False)
        monkeypatch.setenv("PROGRESS_FACTS", "none")
        await run(url)
        assert "host_status" not in received
        monkeypatch.setenv("PROGRESS_FACTS", "all")
        await run(url)
        assert "host_status" in received


async def test_the_load_arrives_through_a_proxy_without_websockets(server: ServerProcess) -> None:
    async with plain_proxy(server.url) as url, Reporter(url, flush_timeout=60, host="box") as reporter:
        with reporter.job("a"):
            assert (await load_of(server, "box"))["load"] >= 0
