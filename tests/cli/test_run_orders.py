"""`phaseline run` takes orders: the command is cancelled, paused and resumed over the server."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from tests.support.servers import ServerProcess, server_process

SLEEPS = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: print('no', flush=True))
print('up', flush=True)
while True: time.sleep(600)
"""


@asynccontextmanager
async def serving(env: dict[str, str], tmp_path: Path) -> AsyncIterator[ServerProcess]:
    (tmp_path / "data").mkdir()
    async with server_process(tmp_path / "data", bind=env["PROGRESS_URL"].removeprefix("http://")) as server:
        yield server


@asynccontextmanager
async def running(phaseline: str, env: dict[str, str], *arguments: str) -> AsyncIterator[trio.Process]:
    """Run a command as the job `a`, which prints `up`, until the server knows the job."""
    process = await trio.lowlevel.open_process(
        [phaseline, "run", "--id", "a", *arguments], env=env, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    try:
        with trio.fail_after(100):
            assert process.stdout is not None
            assert (await process.stdout.receive_some()).decode().startswith("up")
            await until(env, "orders" if "--no-remote" not in arguments else "job_id")
            yield process
    finally:
        process.kill()
        await process.wait()


async def status_of(env: dict[str, str]) -> dict[str, Any]:
    async with httpx.AsyncClient(verify=False) as client:
        answer = (await client.get(f"{env['PROGRESS_URL']}/progress/job/a")).json()
    status: dict[str, Any] = answer.get("job_status", {})
    return status


async def until(env: dict[str, str], field: str, value: object = None) -> dict[str, Any]:
    """Wait until the job has a value, or any, in a field."""
    while True:
        status = await status_of(env)
        if status.get(field) == value if value is not None else status.get(field):
            return status
        await trio.sleep(0.05)


async def order(env: dict[str, str], kind: str, reason: str = "") -> httpx.Response:
    async with httpx.AsyncClient(verify=False) as client:
        url = f"{env['PROGRESS_URL']}/progress/job/a/orders"
        return await client.post(url, json={"order": kind, "reason": reason})


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and state_of(pid) != "Z"


async def test_a_cancelled_command_ends_by_sigterm_with_the_users_reason(
    phaseline: str, env: dict[str, str], tmp_path: Path
) -> None:
    async with serving(env, tmp_path), running(phaseline, env, "--", *SLEEPS) as process:
        assert (await order(env, "cancel", "wrong file")).status_code == 200
        assert await process.wait() == -signal.SIGTERM
        status = await until(env, "state", "cancelled")
        assert status["result"] == {"error": "wrong file"}
        async with httpx.AsyncClient(verify=False) as client:
            events = (await client.get(f"{env['PROGRESS_URL']}/progress/events")).json()["messages"]
        kinds = [event["type"] for event in events if event["type"] != "job_progress"]
        assert [kind for kind in kinds if kind.startswith(("order", "job_f"))] == [
            "order_given",
            "order_taken",
            "job_failed",
        ]
        assert (await order(env, "cancel")).json()["code"] == "ILLEGAL_EVENT"


@pytest.mark.slow
async def test_a_command_that_does_not_end_is_killed_with_all_that_it_has_started(
    phaseline: str, env: dict[str, str], tmp_path: Path
) -> None:
    child = f"{sys.executable} -c '{STUBBORN.replace(chr(39), chr(34))}' & echo up $!; wait; wait"
    async with serving(env, tmp_path):
        process = await trio.lowlevel.open_process(
            [phaseline, "run", "--id", "a", "--kill-after", "0.5", "--", "sh", "-c", child],
            env=env,
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        try:
            with trio.fail_after(60):
                assert process.stdout is not None
                text = ""
                while "up" not in text.split("\n", 1)[0] or text.count("up") < 2:
                    text += (await process.stdout.receive_some()).decode()
                pid = next(int(line.split()[1]) for line in text.splitlines() if line.startswith("up "))
                await until(env, "orders")
                assert alive(pid)
                assert (await order(env, "cancel")).status_code == 200
                assert await process.wait() == -signal.SIGTERM
                assert not alive(pid)
                assert (await until(env, "state", "cancelled"))["result"] == {"error": "cancelled"}
        finally:
            process.kill()


async def becomes(pid: int, *, stopped: bool) -> None:
    """Wait until a process is stopped, or continues."""
    while (state_of(pid) == "T") is not stopped:  # noqa: ASYNC110 - of another process
        await trio.sleep(0.05)


@pytest.mark.slow
async def test_a_command_is_paused_and_resumed(phaseline: str, env: dict[str, str], tmp_path: Path) -> None:
    code = "import os, time; open(os.environ['PIDS'], 'w').write(str(os.getpid())); print('up', flush=True)"
    code += "; time.sleep(600)"
    env = {**env, "PIDS": str(tmp_path / "pid")}
    async with serving(env, tmp_path), running(phaseline, env, "--", sys.executable, "-c", code) as process:
        pid = int((tmp_path / "pid").read_text())
        assert (await order(env, "resume")).json()["code"] == "ILLEGAL_EVENT"
        assert (await order(env, "pause", "the other job first")).status_code == 200
        await until(env, "paused")
        await becomes(pid, stopped=True)
        listed = await trio.run_process([phaseline, "list"], env=env, capture_stdout=True)
        assert listed.stdout.splitlines()[1].split()[1] == b"paused"
        assert (await order(env, "pause")).json()["code"] == "ILLEGAL_EVENT"
        assert (await order(env, "resume")).status_code == 200
        await becomes(pid, stopped=False)
        assert (await order(env, "pause")).status_code == 200
        await becomes(pid, stopped=True)
        assert (await order(env, "cancel")).status_code == 200  # a stopped command ends too
        assert await process.wait() == -signal.SIGTERM


@pytest.mark.slow
async def test_no_remote_disables_orders(phaseline: str, env: dict[str, str], tmp_path: Path) -> None:
    async with serving(env, tmp_path), running(phaseline, env, "--no-remote", "--", *SLEEPS):
        answer = await order(env, "cancel")
        assert (answer.status_code, answer.json()["code"]) == (409, "TAKES_NO_ORDERS")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.slow
async def test_a_paused_command_still_gets_signals(
    phaseline: str, env: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    async with serving(env, tmp_path), running(phaseline, env, "--", *SLEEPS) as process:
        assert (await order(env, "pause")).status_code == 200
        await until(env, "paused")
        os.kill(process.pid, number)
        assert await process.wait() == -number
