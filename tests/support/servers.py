"""Real servers for tests: in separate processes, or in the test's own Trio run."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import trio

from phaseline_server.config.settings import Settings
from phaseline_server.runtime.server import serve
from tests.support.forked import ForkedProcess, forked_server

ROOT = Path(__file__).resolve().parents[2]
SERVER = [sys.executable, "-c", "from phaseline_server.cli.program import main; main()"]
# Deadlines that would pass if the machine stalled for some seconds; tests of one of them set it.
PATIENT = dict.fromkeys(("head_timeout", "write_timeout", "pong_timeout", "auth_timeout", "stall_after"), 600.0)
_PATIENT_FLAGS = [word for name, value in PATIENT.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment without user settings, with the source roots on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PHASELINE_", "PROGRESS_"))}
    roots = os.pathsep.join(str(ROOT / root) for root in ("core", "cli", "server", "tui"))
    return kept | {"PYTHONPATH": roots} | changes


@dataclass
class ServerProcess:
    """A `progress-server` in a separate process.

    Attributes:
        process: The process.
        url: The first address that it listens on.
        log: The lines that it has written to stderr so far.
    """

    process: trio.Process | ForkedProcess
    url: str
    log: list[str]


def _listening(line: str) -> str:
    """Return the address in a line of the log, in either format; "" if it has none."""
    if line.startswith("{") and (entry := json.loads(line))["event"] == "listening":
        return str(entry["url"])
    return line.removeprefix("listening on ") if line.startswith("listening on ") else ""


async def _started(
    arguments: list[str], env: Mapping[str, str] | None
) -> tuple[trio.Process | ForkedProcess, trio.abc.ReceiveStream]:
    """Start a server, and return it with its stderr."""
    if env is None:
        reading, writing = os.pipe()
        return forked_server(arguments, environment(), writing), trio.lowlevel.FdStream(reading)
    process = await trio.lowlevel.open_process([*SERVER, *arguments], stderr=subprocess.PIPE, env=environment(**env))
    assert process.stderr is not None
    return process, process.stderr


@asynccontextmanager
async def server_process(
    data_dir: Path, *flags: str, bind: str = "127.0.0.1:0", env: Mapping[str, str] | None = None
) -> AsyncIterator[ServerProcess]:
    """Run a server for the length of the block; it is killed afterwards if it has not ended by itself.

    With its own variables, even none, a new interpreter starts and reads them; otherwise it is forked.
    """
    process, stderr = await _started(["--bind", bind, "--data-dir", str(data_dir), *_PATIENT_FLAGS, *flags], env)
    log: list[str] = []

    async def read(task_status: trio.TaskStatus[str]) -> None:
        pending = b""
        async for chunk in stderr:
            *lines, pending = (pending + chunk).split(b"\n")
            for line in (line.decode() for line in lines):
                log.append(line)
                if (url := _listening(line)) and len([entry for entry in log if "listening" in entry]) == 1:
                    task_status.started(url)
        if not any("listening" in line for line in log):
            raise AssertionError("\n".join(["the server did not start:", *log]))

    try:
        async with stderr, trio.open_nursery() as nursery:
            url = await nursery.start(read)
            yield ServerProcess(process, url, log)
            process.kill()
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()


@contextmanager
def progress_server(data_dir: Path, *flags: str, bind: str = "127.0.0.1:0") -> Iterator[str]:
    """Run a server for the length of the block, for tests without Trio, and yield its address."""
    data_dir.mkdir(exist_ok=True)
    arguments = ["--bind", bind, "--data-dir", str(data_dir), *_PATIENT_FLAGS, "--picture-size", "256x256", *flags]
    reading, writing = os.pipe()
    with os.fdopen(reading) as log:
        process = forked_server(arguments, environment(), writing)
        try:
            yield next(line for line in log if line.startswith("listening on")).split()[-1]
        finally:
            process.terminate()
            process.join(60)


def client_of(url: str = "", **options: Any) -> httpx.AsyncClient:
    """Return a client with time-outs for the slowest machine, which keeps its connection.

    Without certificates, because loading them takes longer than most tests.
    """
    usual: dict[str, Any] = {"timeout": 60, "trust_env": False, "verify": False}
    usual["limits"] = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=None)
    return httpx.AsyncClient(base_url=url, **(usual | options))


@asynccontextmanager
async def serving(data_dir: Path, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Serve in this process for the length of the block, and yield a client of it."""
    chosen = Settings(bind=("127.0.0.1:0",), data_dir=str(data_dir), **(PATIENT | settings))
    async with trio.open_nursery() as nursery:
        [url] = await nursery.start(lambda task_status: serve(chosen, task_status=task_status))
        async with client_of(url) as client:
            yield client
        nursery.cancel_scope.cancel()
