"""The quick start's JavaScript in Node.js."""

import os
import subprocess
from pathlib import Path

import pytest
import trio

from tests.support.ports import free_port
from tests.support.reporting import network
from tests.support.servers import ROOT, client_of, environment, server_process

pytestmark = pytest.mark.needs("node")

EXAMPLE = ROOT / "clients" / "browser" / "quick_start.js"
SEVERAL = ROOT / "clients" / "browser" / "several_servers.js"


@pytest.mark.slow
async def test_the_quick_start_follows_a_job_in_node(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server, client_of(server.url) as client:
        script = tmp_path / "quick_start.js"
        # The example uses localhost:5100, where another server may listen.
        script.write_text(EXAMPLE.read_text().replace("localhost:5100", server.url.removeprefix("http://")))
        command = ["node", "--experimental-websocket", "--no-warnings", str(script)]
        process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, env=environment())
        assert process.stdout is not None
        try:
            with trio.fail_after(60):
                while "jobs" not in (await client.get("/ws/status")).json()["channels"]:  # noqa: ASYNC110 - as a person looks
                    await trio.sleep(0.05)
                for kind, body in (
                    ("start", {"phases": ["render"], "workflow": "render"}),
                    ("report", {"stage": "render", "progress": 25, "message": "frame 6"}),
                    ("complete", {"success": True, "duration": 15.5}),
                ):
                    (await client.post(f"/progress/{kind}", json={"job_id": "a", **body})).raise_for_status()
                printed = b""
                while b"completed" not in printed:
                    printed += await process.stdout.receive_some()
        finally:
            process.kill()
            await process.wait()
        lines = printed.decode().splitlines()
    assert lines == ["Job a started", "Job a: 25 %", "frame 6", "Job a completed in 15.5s"]


def test_a_node_without_a_websocket_names_what_it_needs(tmp_path: Path) -> None:
    script = tmp_path / "quick_start.js"
    script.write_text("delete globalThis.WebSocket;\n" + EXAMPLE.read_text())
    env = {name: value for name, value in os.environ.items() if name != "NODE_PATH"}
    ended = subprocess.run(["node", str(script)], capture_output=True, text=True, env=env, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr == ("quick_start.js needs a browser, Node.js 22 or later, or the package ws (npm install ws)\n")


@pytest.mark.slow
async def test_the_next_server_continues_without_a_gap(tmp_path: Path) -> None:
    async with (
        server_process(tmp_path) as server,
        client_of(server.url) as client,
        network(server.url) as first,
        network(server.url) as second,
    ):
        urls = [f"ws://127.0.0.1:{free_port()}/ws", first.url, second.url]
        command = ["node", "--experimental-websocket", "--no-warnings", str(SEVERAL), *urls]
        process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, env=environment())
        stdout = process.stdout
        assert stdout is not None
        printed = b""

        async def report(kind: str, **body: object) -> None:
            (await client.post(f"/progress/{kind}", json={"job_id": "a", **body})).raise_for_status()

        async def printed_until(text: bytes) -> None:
            nonlocal printed
            while text not in printed:
                printed += await stdout.receive_some()

        try:
            with trio.fail_after(60):
                while "jobs" not in (await client.get("/ws/status")).json()["channels"]:  # noqa: ASYNC110
                    await trio.sleep(0.05)
                await report("start", phases=["render"], workflow="render")
                await printed_until(b"job_started")
                first.close()
                for number in range(5):
                    await report("report", stage="render", progress=number)
                await report("complete", success=True)
                await printed_until(b"job_completed")
        finally:
            process.kill()
            await process.wait()
    expected = ["job_started a ", *(f"job_progress a {number}" for number in range(5)), "job_completed a "]
    assert printed.decode().splitlines() == expected
    assert second.connections == 1
