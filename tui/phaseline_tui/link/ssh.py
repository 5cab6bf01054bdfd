"""SSH forwards: the system's ssh forwards a local Unix socket to a server on another machine.

A guard shell runs between this program and ssh. It holds the other end of a pipe and kills ssh when the pipe closes,
so ssh never outlives this program. A Unix socket in a private directory can't be taken or used by other users, as a
local port could.
"""

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import trio

from phaseline.text import one_line
from phaseline_tui.link.ssh_failures import ssh_failed, ssh_refused
from phaseline_tui.model.address import ServerAddress, SshTarget
from phaseline_tui.model.connection import Timing
from phaseline_tui.model.failures import LinkError

__all__ = ["Forward", "open_forward"]

_GUARD: Final = """
folder=$1; shift
exec 3<&0 </dev/null
"$@" 3<&- &
ssh=$!
trap 'kill "$ssh" 2>/dev/null' HUP INT TERM
{ read -r _ <&3; kill "$ssh"; } >/dev/null 2>&1 &
watch=$!
wait "$ssh"; code=$?
[ "$code" -gt 128 ] && { wait "$ssh"; code=$?; }
kill "$watch" 2>/dev/null
rm -rf -- "$folder"
exit "$code"
"""
_READY: Final = b"phaseline-ready"
_OPTIONS: Final = (
    "BatchMode=yes",  # no prompts: the view uses the terminal
    "ExitOnForwardFailure=yes",
    "ServerAliveInterval=5",  # three unanswered ones reveal a connection lost by suspend or a change of network
    "ServerAliveCountMax=3",
    "TCPKeepAlive=yes",
    "ControlMaster=no",  # a master would outlive this program, and keep the forward open
    "ControlPath=none",
    "ForwardAgent=no",
    "ForwardX11=no",
    "RequestTTY=no",
    "LogLevel=INFO",  # the lowest level that reports failed connections
    "PermitLocalCommand=yes",
    f"LocalCommand=echo {_READY.decode()}",  # runs when the forward is open
)
_KEPT_LINES: Final = 8
_REFUSAL_WORDS: Final = ("open failed", "prohibited")
_MAX_LINE: Final = 500
_STOP_S: Final = 2.0
_MAX_BASE: Final = 60
"""Characters. The path of a Unix socket has at most about 100, and ssh appends some while it creates the socket."""


class Forward:
    """An SSH forward to one server. Opened on first use, and again after it was lost."""

    def __init__(self, server: ServerAddress, target: SshTarget, timing: Timing, nursery: trio.Nursery) -> None:
        """Prepare the forward; use `open_forward` to create one."""
        self._server = server
        self._target = target
        self._timing = timing
        self._nursery = nursery
        self._scope: trio.CancelScope | None = None
        self._socket = ""
        self._output: deque[str] = deque(maxlen=_KEPT_LINES)
        self._output_changed = trio.Event()

    @property
    def socket(self) -> str | None:
        """Path of the forward's local end; None while it is not open."""
        return self._socket or None

    async def open(self) -> str:
        """Open the forward if necessary and return the path of its local end.

        Raises:
            LinkError: The command failed; the text gives the reason and the remedy.
        """
        self._output.clear()
        if not self._socket:
            self._socket = await self._nursery.start(self._run)
        return self._socket

    def close(self) -> None:
        """Stop ssh; the next `open` starts it again."""
        self._socket = ""
        if self._scope is not None:
            self._scope.cancel()

    async def wait_refusal(self) -> LinkError:
        """Wait until ssh reports that a connection through the forward was refused, and return the error."""
        while True:
            if any(word in line for line in self._output for word in _REFUSAL_WORDS):
                return ssh_refused(self._server, self._target, list(self._output))
            self._output_changed = trio.Event()
            await self._output_changed.wait()

    async def _run(self, task_status: trio.TaskStatus[str]) -> None:
        """Run ssh until it exits or `close` stops it; report the local end's path when the forward is open.

        Raises:
            LinkError: The forward could not be opened.
        """
        folder = tempfile.mkdtemp(prefix="phaseline-", dir=_runtime_folder())
        socket = f"{folder}/s"
        opened = in_time = False
        try:
            with trio.CancelScope() as self._scope:
                process = await self._start(folder, socket)
                try:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._read_output, process)
                        with trio.move_on_after(self._timing.login):
                            opened = await _wait_for(process, _READY)
                            in_time = True
                        if opened:
                            self._output.clear()
                            task_status.started(socket)
                            await process.wait()
                        await _stop(process)
                finally:
                    await _stop(process)
        finally:
            self._socket = ""
            shutil.rmtree(folder, ignore_errors=True)
        if not opened:
            raise ssh_failed(self._server, self._target, list(self._output), in_time=in_time)

    async def _start(self, folder: str, socket: str) -> trio.Process:
        target = self._target
        program, *more = shlex.split(os.environ.get("PROGRESS_SSH", "")) or ["ssh"]
        if shutil.which(program) is None:
            problem = f"{program} is not installed; install it, or set PROGRESS_SSH"
            raise LinkError(f"{self._server.url}: {problem}", final=True)
        options = [part for option in _OPTIONS for part in ("-o", option)]
        options += ["-o", f"ConnectTimeout={max(1, round(self._timing.login / 2))}"]
        port = [] if target.port is None else ["-p", str(target.port)]
        user = [] if target.user is None else ["-l", target.user]
        command = [
            program,
            "-N",
            "-T",
            *options,
            *more,
            "-L",
            f"{socket}:{target.far}",
            *port,
            *user,
            "--",
            target.host,
        ]
        return await trio.lowlevel.open_process(
            ["/bin/sh", "-c", _GUARD, "sh", folder, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # without a terminal, neither ssh nor its children can prompt
            env=os.environ | {"LC_ALL": "C", "SSH_ASKPASS_REQUIRE": "never"},
        )

    async def _read_output(self, process: trio.Process) -> None:
        """Keep the last lines that ssh writes, until it exits."""
        if process.stderr is None:
            return
        pending = b""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for chunk in process.stderr:
                *lines, pending = (pending + chunk).split(b"\n")
                pending = pending[-_MAX_LINE:]
                self._output.extend(one_line(line.decode(errors="replace")) for line in lines if line.strip())
                if lines:
                    self._output_changed.set()


@asynccontextmanager
async def open_forward(server: ServerAddress, timing: Timing) -> AsyncIterator[Forward | None]:
    """Yield the SSH forward to `server`, or None if it needs none. ssh has exited when the block ends."""
    if server.ssh is None:
        yield None
        return
    async with trio.open_nursery() as nursery:
        try:
            yield Forward(server, server.ssh, timing, nursery)
        finally:
            nursery.cancel_scope.cancel()


def _runtime_folder() -> str | None:
    """Return the directory for our socket's folder: the login's runtime directory; None for the default."""
    own = os.environ.get("XDG_RUNTIME_DIR", "")
    return own if own and len(own) < _MAX_BASE and Path(own).is_dir() else None


async def _wait_for(process: trio.Process, word: bytes) -> bool:
    """Return True when `process` writes `word`, False when it closes its standard output."""
    if process.stdout is None:
        return False
    received = b""
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        async for chunk in process.stdout:
            received = received[-len(word) :] + chunk
            if word in received:
                return True
    return False


async def _stop(process: trio.Process) -> None:
    """Stop ssh through its guard shell, and wait for both to exit."""
    with trio.CancelScope(shield=True):
        if process.stdin is not None:
            await process.stdin.aclose()
        with trio.move_on_after(_STOP_S):
            await process.wait()
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                await pipe.aclose()
