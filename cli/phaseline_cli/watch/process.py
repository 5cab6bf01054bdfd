"""A process started by another program: its command, its end and, if the system provides it, its exit code.

Only a parent may wait for a process. Other processes get the exit code from a pidfd (Linux 6.15 or later), or from
/proc before the parent reaps it.
"""

import errno
import fcntl
import os
import struct
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import trio

from phaseline.reporting.worker_facts import Process as Facts
from phaseline_cli.client.failures import Failure
from phaseline_cli.run.tree import Process, Tree

__all__ = ["RunningProcess"]

_PROC: Final = Path("/proc")
_PACE_S: Final = 0.5
# From linux/pidfd.h: struct pidfd_info (version 0, 64 bytes), its mask's bit, and _IOWR(0xFF, 11, struct pidfd_info).
_INFO: Final = struct.Struct("=QQ11Ii")
_INFO_EXIT: Final = 1 << 3
_GET_INFO: Final = 0xC000_FF0B | _INFO.size << 16
_STARTED: Final = 19
_EXIT_CODE: Final = 49
"""Fields of /proc/PID/stat behind the name, counted from the state, which is 0."""


class RunningProcess:
    """A process of any user's; as a context manager it holds the process's descriptor."""

    def __init__(self, pid: int) -> None:
        """Find the process.

        Raises:
            Failure: There is none, or it is a kernel thread.
        """
        self.pid = pid
        self._folder = _PROC / str(pid)
        self._fd: int | None = None
        try:
            self._fd = os.pidfd_open(pid)
        except ProcessLookupError:
            raise Failure(f"no process has the id {pid}; ps -e lists the processes") from None
        except OSError as error:
            if error.errno == errno.EINVAL:
                raise Failure(f"{pid} is the id of a thread, not of a process") from None
            # With a kernel before 5.3, or in a sandbox that forbids the call, /proc is polled instead.
        self._started = self._field(_STARTED)
        seen = Tree(pid).root()
        if seen is None or not self._is_program():
            self.close()
            words = (
                f"process {pid} has ended" if seen is None else f"{pid} is a kernel thread; choose a program's process"
            )
            raise Failure(words)
        self.seen: Process = seen
        """Its command and its age."""

    def _is_program(self) -> bool:
        try:
            return bool((self._folder / "cmdline").read_bytes())
        except OSError:
            return False

    def close(self) -> None:
        """Close the descriptor."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the descriptor."""
        self.close()

    def facts(self) -> Facts:
        """Return what a job says about its process."""
        folder = user = ""
        try:
            import pwd  # noqa: PLC0415 - not everywhere

            user = pwd.getpwuid(self._folder.stat().st_uid).pw_name
            folder = str((self._folder / "cwd").readlink())
        except (ImportError, KeyError, OSError):
            pass  # the process of another user
        return Facts(argv=self.seen.argv, user=user, pid=self.pid, folder=folder, program=self.seen.program)

    async def wait(self) -> int | None:
        """Wait until it has ended; return its exit code, the negative number of its signal, or None if unknown."""
        if self._fd is None:
            while self._runs():  # noqa: ASYNC110 - nothing else can be waited for
                await trio.sleep(_PACE_S)
        else:
            await trio.lowlevel.wait_readable(self._fd)
        status = self._status()
        return None if status is None else os.waitstatus_to_exitcode(status)

    def _runs(self) -> bool:
        return self._field(_STARTED) == self._started and self._field(0) not in ("Z", "X")

    def _status(self) -> int | None:
        for ask in (self._status_by_parent, self._status_by_descriptor, self._status_by_zombie):
            if (status := ask()) is not None:
                return status
        return self._status_by_descriptor()  # the parent may have reaped it meanwhile

    def _status_by_parent(self) -> int | None:
        """Return the wait status if we are the parent: a shell started the process and then became us."""
        if self._fd is None:
            return None
        try:
            ended = os.waitid(os.P_PIDFD, self._fd, os.WEXITED | os.WNOWAIT)
        except OSError:
            return None
        if ended is None:
            return None
        return ended.si_status << 8 if ended.si_code == os.CLD_EXITED else ended.si_status

    def _status_by_descriptor(self) -> int | None:
        if self._fd is None:
            return None
        asked = _INFO.pack(_INFO_EXIT, *[0] * 13)
        try:
            mask, *_, status = _INFO.unpack(fcntl.ioctl(self._fd, _GET_INFO, asked))
        except OSError:
            return None
        return int(status) if mask & _INFO_EXIT else None

    def _status_by_zombie(self) -> int | None:
        try:
            owner = self._folder.stat().st_uid
        except OSError:
            return None
        if os.geteuid() not in (0, owner) or self._field(_STARTED) != self._started or self._field(0) != "Z":
            return None  # other processes always read 0
        status = self._field(_EXIT_CODE)
        return int(status) if status.isdecimal() else None

    def _field(self, number: int) -> str:
        try:
            return (self._folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[number]
        except (OSError, IndexError):
            return ""
