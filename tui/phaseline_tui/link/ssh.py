"""The system's ssh, and the forward that it keeps open: a Unix socket here that leads to a server over there.

A shell stands between this program and ssh, as a guard: it holds the other end of a pipe, and ends ssh when that
closes. So none stays behind, however this program ends. A Unix socket in a directory of ours has no port that
somebody else could take first, and nobody else may use it.
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
from phaseline_tui.model.connection import Pace
from phaseline_tui.model.failures import Ended

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
    "BatchMode=yes",  # ask nothing: the terminal belongs to the view
    "ExitOnForwardFailure=yes",
    "ServerAliveInterval=5",  # a connection that sleep or another network has cut is noticed after three of them
    "ServerAliveCountMax=3",
    "TCPKeepAlive=yes",
    "ControlMaster=no",  # a master would live longer than this program, and take the forward with it
    "ControlPath=none",
    "ForwardAgent=no",
    "ForwardX11=no",
    "RequestTTY=no",
    "LogLevel=INFO",  # what becomes of each connection is told from there on
    "PermitLocalCommand=yes",
    f"LocalCommand=echo {_READY.decode()}",  # runs when the forward is there
)
_LAST_WORDS: Final = 8
_COMPLAINTS: Final = ("open failed", "prohibited")
_MOST_LINE: Final = 500
_PATIENCE_S: Final = 2.0
_MOST_BASE: Final = 60
"""Characters; the path of a socket has at most a hundred or so, and ssh adds some while it makes it."""


class Forward:
    """The way to one server through ssh; begun when it is first needed, and again when it was lost."""

    def __init__(self, server: ServerAddress, target: SshTarget, pace: Pace, nursery: trio.Nursery) -> None:
        """Prepare; `open_forward` makes one."""
        self._server = server
        self._target = target
        self._pace = pace
        self._nursery = nursery
        self._scope: trio.CancelScope | None = None
        self._socket = ""
        self._said: deque[str] = deque(maxlen=_LAST_WORDS)
        self._news = trio.Event()

    @property
    def socket(self) -> str | None:
        """The local end; None while there is no forward."""
        return self._socket or None

    async def open(self) -> str:
        """Return the path of the local end, after logging in if need be.

        Raises:
            Ended: ssh could not do it; the text says why, and what to do.
        """
        self._said.clear()
        if not self._socket:
            self._socket = await self._nursery.start(self._run)
        return self._socket

    def close(self) -> None:
        """End ssh, so that the next `open` begins anew."""
        self._socket = ""
        if self._scope is not None:
            self._scope.cancel()

    async def wait_complaint(self) -> Ended:
        """Wait until ssh says that a connection through the forward came to nothing, and return its words."""
        while True:
            if any(word in line for line in self._said for word in _COMPLAINTS):
                return ssh_refused(self._server, self._target, list(self._said))
            self._news = trio.Event()
            await self._news.wait()

    async def _run(self, task_status: trio.TaskStatus[str]) -> None:
        """Run ssh until it ends, or until told to end it; tell the local end when it is there.

        Raises:
            Ended: there was never a forward.
        """
        folder = tempfile.mkdtemp(prefix="phaseline-", dir=_base())
        socket = f"{folder}/s"
        opened = in_time = False
        try:
            with trio.CancelScope() as self._scope:
                process = await self._start(folder, socket)
                try:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._listen, process)
                        with trio.move_on_after(self._pace.login):
                            opened = await _hear(process, _READY)
                            in_time = True
                        if opened:
                            self._said.clear()
                            task_status.started(socket)
                            await process.wait()
                        await _end(process)
                finally:
                    await _end(process)
        finally:
            self._socket = ""
            shutil.rmtree(folder, ignore_errors=True)
        if not opened:
            raise ssh_failed(self._server, self._target, list(self._said), in_time=in_time)

    async def _start(self, folder: str, socket: str) -> trio.Process:
        target = self._target
        program, *more = shlex.split(os.environ.get("PROGRESS_SSH", "")) or ["ssh"]
        if shutil.which(program) is None:
            raise Ended(f"{self._server.url} needs the program {program}, which is not installed", final=True)
        options = [part for option in _OPTIONS for part in ("-o", option)]
        options += ["-o", f"ConnectTimeout={max(1, round(self._pace.login / 2))}"]
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
            start_new_session=True,  # without a terminal, neither ssh nor what it starts can ask there
            env=os.environ | {"LC_ALL": "C", "SSH_ASKPASS_REQUIRE": "never"},
        )

    async def _listen(self, process: trio.Process) -> None:
        """Keep the latest lines that ssh writes, until it ends."""
        if process.stderr is None:
            return
        pending = b""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for chunk in process.stderr:
                *lines, pending = (pending + chunk).split(b"\n")
                pending = pending[-_MOST_LINE:]
                self._said.extend(one_line(line.decode(errors="replace")) for line in lines if line.strip())
                if lines:
                    self._news.set()


@asynccontextmanager
async def open_forward(server: ServerAddress, pace: Pace) -> AsyncIterator[Forward | None]:
    """Yield the way to `server` through ssh, None if it needs none; ssh has ended when the block is left."""
    if server.ssh is None:
        yield None
        return
    async with trio.open_nursery() as nursery:
        try:
            yield Forward(server, server.ssh, pace, nursery)
        finally:
            nursery.cancel_scope.cancel()


def _base() -> str | None:
    """Return where a folder of ours belongs: this login's own place, if there is one."""
    own = os.environ.get("XDG_RUNTIME_DIR", "")
    return own if own and len(own) < _MOST_BASE and Path(own).is_dir() else None


async def _hear(process: trio.Process, word: bytes) -> bool:
    """Return True when `process` writes `word`, False when it closes its output."""
    if process.stdout is None:
        return False
    heard = b""
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        async for chunk in process.stdout:
            heard = heard[-len(word) :] + chunk
            if word in heard:
                return True
    return False


async def _end(process: trio.Process) -> None:
    """End ssh by way of its guard, and see that both are gone."""
    with trio.CancelScope(shield=True):
        if process.stdin is not None:
            await process.stdin.aclose()
        with trio.move_on_after(_PATIENCE_S):
            await process.wait()
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                await pipe.aclose()
