"""Programs forked from a process that has imported their code, which starts each separate process sooner."""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import trio

__all__ = ["ForkedProcess", "forked_command", "forked_server", "forked_view"]

_ROOT = Path(__file__).resolve().parents[2]


class ForkedProcess:
    """A process that the fork server made, used as a `trio.Process` is.

    Attributes:
        pid: Its process id.
    """

    def __init__(self, pid: int, pidfd: int, exit_code: int) -> None:
        """Take over the two descriptors; `exit_code` is a pipe that receives it as text."""
        self.pid = pid
        self._pidfd = pidfd
        self._exit_code = exit_code
        self._returncode: int | None = None

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self.poll()

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        if self._returncode is None and select.select([self._exit_code], [], [], 0)[0]:
            text = os.read(self._exit_code, 16)
            assert text, "the fork server has ended"
            self._returncode = int(text)
            os.close(self._exit_code)
            os.close(self._pidfd)
        return self._returncode

    async def wait(self) -> int:
        """Return the exit code once it has ended."""
        while (code := self.poll()) is None:
            await trio.lowlevel.wait_readable(self._exit_code)
        return code

    def join(self, seconds: float) -> None:
        """Wait for its end; kill it if it takes longer."""
        if self.poll() is None and not select.select([self._exit_code], [], [], seconds)[0]:
            self.kill()
        if self.poll() is None:
            select.select([self._exit_code], [], [])
            self.poll()

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # its exit code is on its way
                signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


@cache
def _fork_server(module: str, _pid: int) -> socket.socket:
    """Start a fork server of the process with this id, and return the socket for requests."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    roots = os.pathsep.join(str(_ROOT / root) for root in ("core", "cli", "server", "tui"))
    with its:
        process = subprocess.Popen(
            [sys.executable, "-m", f"tests.support.{module}", str(its.fileno())],
            cwd=_ROOT,
            env=os.environ | {"PYTHONPATH": roots, "OPENBLAS_NUM_THREADS": "1"},  # forks with threads are unsafe
            pass_fds=[its.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    atexit.register(process.wait)
    atexit.register(ours.close)  # before the wait: this is what ends it
    return ours


def forked_server(arguments: Sequence[str], environment: Mapping[str, str], stderr: int) -> ForkedProcess:
    """Start a `progress-server` with these arguments and this stderr, which is closed here."""
    streams = (os.open(os.devnull, os.O_RDONLY), os.open(os.devnull, os.O_WRONLY), stderr)
    return _forked("progress-server", arguments, environment, Path.cwd(), streams)


def forked_command(
    arguments: Sequence[str], environment: Mapping[str, str], directory: Path, stdout: int, stderr: int
) -> ForkedProcess:
    """Start a `phaseline` with these arguments and these streams, which are closed here."""
    streams = (os.open(os.devnull, os.O_RDONLY), stdout, stderr)
    return _forked("phaseline", arguments, environment, directory, streams)


def forked_view(arguments: Sequence[str], environment: Mapping[str, str], terminal: int) -> ForkedProcess:
    """Start a `progress-tui` with these arguments in a terminal, which is closed here."""
    streams = (terminal, os.dup(terminal), os.dup(terminal))
    return _forked("progress-tui", arguments, environment, Path.cwd(), streams)


def _forked(
    program: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    directory: Path,
    streams: tuple[int, int, int],
) -> ForkedProcess:
    """Start a program with these standard streams, which are closed here."""
    control = _fork_server("fork_views" if program == "progress-tui" else "fork_server", os.getpid())
    request = {
        "program": program,
        "arguments": arguments,
        "environment": dict(environment),
        "directory": str(directory),
    }
    ours, its = os.pipe()
    theirs = [*streams, its]
    try:
        socket.send_fds(control, [json.dumps(request).encode()], theirs)
    finally:
        for file in theirs:
            os.close(file)
    answer, [pidfd], *_ = socket.recv_fds(control, 16, 1)
    return ForkedProcess(int(answer), pidfd, ours)
