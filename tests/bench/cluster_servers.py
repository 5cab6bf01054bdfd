"""Servers that share a log, each a process with its own address, that are killed, suspended and restarted."""

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import trio

from tests.support.forked import ForkedProcess, forked_server
from tests.support.ports import free_port
from tests.support.servers import environment

__all__ = ["Member", "find_leader"]

_ASK_S = 1.0


class Member:
    """One of the servers.

    Attributes:
        url: Its address, which it has again after a restart.
        stopped: Whether it is suspended.
    """

    def __init__(self, folder: Path, log: str, *flags: str) -> None:
        """Start it with its data in `folder`, and the log at the address `log`."""
        folder.mkdir()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.stopped = False
        self._flags = ("--bind", f"127.0.0.1:{port}", "--data-dir", str(folder), "--log", log, *flags)
        self._stderr = folder / "stderr"
        self._process: ForkedProcess | None = None
        self.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it; it may not accept clients yet."""
        stderr = os.open(self._stderr, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._process = forked_server(self._flags, environment(), stderr)

    async def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        assert self._process is not None
        await self._process.wait()
        self.stopped = False

    def stop(self) -> None:
        """Suspend it."""
        os.kill(self.pid, signal.SIGSTOP)
        self.stopped = True

    def go_on(self) -> None:
        """Continue it after `stop`."""
        os.kill(self.pid, signal.SIGCONT)
        self.stopped = False

    async def get(self, path: str) -> Any:
        """Return its answer; None if there is none at present."""
        with suppress(httpx.TransportError):
            async with httpx.AsyncClient(timeout=_ASK_S, trust_env=False, verify=False) as client:
                answer = await client.get(self.url + path)
                return answer.json() if answer.status_code == 200 else None
        return None


async def find_leader(members: Sequence[Member]) -> Member:
    """Return the server that leads, once one does."""
    while True:
        for member in members:
            if not member.stopped and (health := await member.get("/health")) and health.get("role") == "leader":
                return member
        await trio.sleep(0.1)
