"""The server under systemd: notifications, inherited sockets, and checks of the unit files."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio

from phaseline.errors import ConfigError
from phaseline_server.door.inherited import inherited_listeners
from tests.support.servers import ROOT, SERVER, environment

DEPLOY = ROOT / "deploy"
REQUEST = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
GIVE = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); "
    "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); os.execv(sys.argv[2], sys.argv[2:])"
)


class Systemd:
    """A substitute for systemd: it has a socket for notifications, and one for the server to listen on."""

    def __init__(self, directory: Path) -> None:
        self._path = str(directory / "notify")
        self._directory = directory
        self._notifications = trio.socket.from_stdlib_socket(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self.listening = socket.create_server(("127.0.0.1", 0))

    async def open(self) -> None:
        await self._notifications.bind(self._path)

    def close(self) -> None:
        self._notifications.close()
        self.listening.close()

    def clutter(self) -> None:
        """Fill the notification socket, as other services do when a machine starts."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as others, suppress(BlockingIOError):
            others.setblocking(False)
            while True:
                others.sendto(b"STATUS=others", self._path)

    async def receive_until(self, last: str) -> list[str]:
        """Return all notifications up to and including `last`."""
        with trio.fail_after(60):
            received = [await self.receive()]
            while received[-1] != last:
                received.append(await self.receive())
        return received

    async def receive(self) -> str:
        with trio.fail_after(60):
            return (await self._notifications.recv(1000)).decode()

    @asynccontextmanager
    async def started(self) -> AsyncIterator[trio.Process]:
        """Run a server that is given the socket as its descriptor 3."""
        fd = self.listening.fileno()
        command = [sys.executable, "-c", GIVE, str(fd), *SERVER, "--data-dir", str(self._directory)]
        output = environment(NOTIFY_SOCKET=self._path, WATCHDOG_USEC="200000")
        process = await trio.lowlevel.open_process(command, stderr=subprocess.DEVNULL, env=output, pass_fds=(fd,))
        try:
            yield process
        finally:
            with trio.CancelScope(shield=True):
                process.kill()
                await process.wait()

    async def ask(self) -> bytes:
        async with await trio.open_tcp_stream(*self.listening.getsockname()) as stream:
            await stream.send_all(REQUEST)
            return b"".join([data async for data in stream])


@pytest.fixture
async def systemd(tmp_path: Path) -> AsyncIterator[Systemd]:
    made = Systemd(tmp_path)
    await made.open()
    yield made
    made.close()


async def test_systemd_is_notified_of_readiness_life_and_end(systemd: Systemd) -> None:
    async with systemd.started() as process:
        assert await systemd.receive() == "READY=1"
        assert (await systemd.ask()).startswith(b"HTTP/1.1 200 ")
        assert [await systemd.receive() for _ in range(2)] == ["WATCHDOG=1"] * 2
        process.send_signal(signal.SIGTERM)
        assert set((await systemd.receive_until("STOPPING=1"))[:-1]) <= {"WATCHDOG=1"}
        with trio.fail_after(60):
            assert await process.wait() == 0


async def test_a_notification_is_sent_again_when_the_socket_of_systemd_was_full(systemd: Systemd) -> None:
    systemd.clutter()
    async with systemd.started() as process:
        assert (await systemd.ask()).startswith(b"HTTP/1.1 200 ")
        assert set((await systemd.receive_until("READY=1"))[:-1]) == {"STATUS=others"}
        systemd.clutter()
        process.send_signal(signal.SIGTERM)
        await systemd.receive_until("STOPPING=1")
        with trio.fail_after(60):
            assert await process.wait() == 0


@pytest.mark.slow
async def test_a_restart_loses_no_attempt_to_connect(systemd: Systemd) -> None:
    async with systemd.started() as process:
        assert await systemd.receive() == "READY=1"
        process.send_signal(signal.SIGTERM)
        with trio.fail_after(60):
            await process.wait()
    answers: list[bytes] = []

    async def ask() -> None:
        answers.append(await systemd.ask())

    async with trio.open_nursery() as nursery:
        for _ in range(20):  # while no server runs
            nursery.start_soon(ask)
        async with systemd.started():
            with trio.fail_after(60):
                while len(answers) < 20:
                    await systemd.receive()
            nursery.cancel_scope.cancel()
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)


@pytest.mark.parametrize(("pid", "fds"), [("1", "1"), ("", ""), ("{own}", "x"), ("{own}", "-1"), ("{own}", "")])
def test_sockets_for_another_process_are_ignored(monkeypatch: pytest.MonkeyPatch, pid: str, fds: str) -> None:
    monkeypatch.setenv("LISTEN_PID", pid.format(own=os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", fds)
    assert inherited_listeners() == []
    assert "LISTEN_FDS" not in os.environ


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_socket_that_does_not_listen_is_an_error(monkeypatch: pytest.MonkeyPatch, kind: socket.SocketKind) -> None:
    given = socket.socket(socket.AF_INET, kind)
    monkeypatch.setattr("phaseline_server.door.inherited._FIRST", given.detach())
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "1")
    with pytest.raises(ConfigError, match="allowed: listening TCP sockets"):
        inherited_listeners()


@pytest.mark.needs("systemd-analyze")
def test_the_units_are_sound_and_expose_little(tmp_path: Path) -> None:
    for name in ("phaseline.service", "phaseline.socket"):
        # The program is not installed there on this machine.
        text = (DEPLOY / name).read_text().replace("/opt/phaseline/bin/progress-server", shutil.which("true") or "")
        (tmp_path / name).write_text(text)
    units = [str(tmp_path / name) for name in ("phaseline.service", "phaseline.socket")]
    checked = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    # Warnings about other units of this machine are ignored.
    assert "phaseline" not in checked.stderr
    assert checked.returncode == 0
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", units[0]]
    security = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", security)
    assert found
    assert float(found[1]) <= 2.0


def test_the_units_contain_the_hardening_and_socket_settings() -> None:
    unit = (DEPLOY / "phaseline.service").read_text().splitlines()
    promised = {"DynamicUser=yes", "ProtectSystem=strict", "StateDirectory=phaseline", "Type=notify", "WatchdogSec=10"}
    assert promised <= set(unit)
    assert any(line.startswith("MemoryMax=") for line in unit)
    assert {"ListenStream=127.0.0.1:8080", "ListenStream=127.0.0.1:5100"} <= set(
        (DEPLOY / "phaseline.socket").read_text().splitlines()
    )
