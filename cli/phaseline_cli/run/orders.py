"""Orders of users to a running command, from the thread that receives them to the one that waits for the command."""

import os
import select
import signal
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, NamedTuple

from phaseline_cli.run.spawn import Child

__all__ = ["ARRIVED", "Family", "Given", "Orders"]

Order = Literal["cancel", "pause", "resume"]
ARRIVED: Final = signal.SIGURG
"""The signal that wakes the waiting thread. It is ignored by default, and no other program sends it."""
_MOST: Final = 500


class Given(NamedTuple):
    """An order, and the user's reason for it or ""."""

    order: Order
    reason: str


class Orders:
    """The orders that were given and not carried out yet. Any thread may add one."""

    def __init__(self) -> None:
        self._given: deque[Given] = deque()

    def give(self, order: Order, reason: str) -> None:
        """Add an order, and wake the waiting thread."""
        self._given.append(Given(order, reason))
        os.kill(os.getpid(), ARRIVED)

    def take(self) -> Given | None:
        """Return and remove the oldest order, or None."""
        return self._given.popleft() if self._given else None


class Family:
    """The command, and the processes of its group that it has started.

    A command in a session of its own leads a process group. Another one shares ours, with the programs around us, so a
    signal to the group would reach too many.
    """

    def __init__(self, child: Child) -> None:
        """Begin with the command alone."""
        self._child = child
        self._others: dict[int, int] = {}  # pidfds by process id; unlike an id, a pidfd never refers to a later process

    def send(self, number: int) -> None:
        """Send a signal to all of them."""
        self._look()
        self._child.send(number)
        for fd in self._others.values():
            with suppress(OSError):
                signal.pidfd_send_signal(fd, number)

    def kill_others(self, patience_s: float) -> None:
        """After the command's end, wait at most `patience_s` seconds for the other processes, then kill the rest."""
        until = time.monotonic() + patience_s
        for fd in self._others.values():
            ended, _, _ = select.select([fd], [], [], max(0.0, until - time.monotonic()))
            if not ended:
                with suppress(OSError):
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
            os.close(fd)
        self._others.clear()

    def _look(self) -> None:
        """Find those that the command has started by now; none where there is no /proc."""
        with suppress(OSError):
            group = os.getpgid(self._child.command)
            for pid in _below(self._child.command):
                if pid not in self._others and os.getpgid(pid) == group:
                    self._others[pid] = os.pidfd_open(pid)


def _below(root: int) -> list[int]:
    """Return a process's descendants."""
    found, waiting = list[int](), [root]
    while waiting and len(found) < _MOST:
        pid = waiting.pop()
        with suppress(OSError, ValueError):
            for task in Path("/proc", str(pid), "task").iterdir():
                children = [int(word) for word in (task / "children").read_text().split()]
                found += children
                waiting += children
    return found
