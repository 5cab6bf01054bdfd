"""Wait for the command; pass signals on, stop and continue with it."""

import os
import signal
import struct
import time
from dataclasses import dataclass, replace
from typing import Final

from phaseline_cli.run.orders import ARRIVED, Family, Given, Orders
from phaseline_cli.run.spawn import Child
from phaseline_cli.run.terminal import Terminal

PASSED_ON: Final = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
)
WATCHED: Final = (*PASSED_ON, signal.SIGCHLD, signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT, ARRIVED)
"""Signals that are blocked and waited for."""
_FROM_KERNEL: Final = 0x80
"""`si_code` of a signal that a terminal sent: it went to the command too."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command ended."""

    code: int
    """Its exit code, or the negative number of the signal that ended it."""
    timed_out: bool = False
    interrupted: bool = False
    """Whether the user pressed Ctrl+C."""
    cancelled: str | None = None
    """The reason given with a user's order to cancel, or ""; None if there was no such order."""
    unwritten: str = ""
    """Why its output could not be written, in words."""

    def without_output(self, reason: str) -> "Ended":
        """Return this end with the output lost: a command that ended well, or by SIGPIPE, then fails with 1."""
        code = 1 if self.code in (0, -signal.SIGPIPE, 128 + signal.SIGPIPE) else self.code
        return replace(self, code=code, unwritten=reason)


def block() -> None:
    """Block the watched signals in this thread and in those that it starts. The command is not affected."""
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)


def wait(
    child: Child,
    terminal: Terminal | None,
    timeout: float | None = None,
    kill_after: float = 10.0,
    orders: Orders | None = None,
) -> Ended:
    """Return when the command has ended.

    Args:
        child: the command.
        terminal: ours, if it is passed through to the command.
        timeout: seconds after which it gets SIGTERM; None: never.
        kill_after: seconds after SIGTERM until SIGKILL.
        orders: orders of users; a cancelled command gets SIGTERM.
    """
    return _Wait(child, terminal, timeout, kill_after, orders or Orders()).run()


class _Wait:
    def __init__(
        self, child: Child, terminal: Terminal | None, timeout: float | None, kill_after: float, orders: Orders
    ) -> None:
        self._child = child
        self._terminal = terminal
        self._until = None if timeout is None else time.monotonic() + timeout
        self._kill_after = kill_after
        self._orders = orders
        self._family = Family(child)
        self._ending = False
        self._timed_out = False
        self._interrupted = False
        self._paused = False
        self._cancelled: str | None = None

    def run(self) -> Ended:  # noqa: C901 - one branch per signal
        while True:
            info = self._next()
            if info is None:
                self._timed_out = self._timed_out or self._cancelled is None
                self._end()
            elif info.si_signo == ARRIVED:
                while (given := self._orders.take()) is not None:
                    self._carry_out(given)
            elif info.si_signo == signal.SIGCHLD:
                if (status := self._reap()) is not None:
                    return self._ended(status)
            elif info.si_signo == signal.SIGWINCH:
                if self._terminal is not None:
                    self._terminal.resized()
            elif info.si_signo == signal.SIGTSTP:
                self._stop()
            elif info.si_signo == signal.SIGCONT:
                self._continue()
            else:
                self._pass_on(info)

    def _ended(self, status: int) -> Ended:
        if self._ending and self._until is not None:
            self._family.kill_others(self._until - time.monotonic())
        return Ended(os.waitstatus_to_exitcode(status), self._timed_out, self._interrupted, self._cancelled)

    def _end(self) -> None:
        """End the command: first by SIGTERM, later by SIGKILL."""
        self._family.send(signal.SIGKILL if self._ending else signal.SIGTERM)
        self._ending = True
        self._until = time.monotonic() + self._kill_after
        self._wake()

    def _carry_out(self, given: Given) -> None:
        if given.order == "cancel":
            if self._cancelled is None and not self._timed_out:
                self._cancelled = given.reason
                self._end()
        elif given.order == "pause":
            self._paused = True
            self._family.send(signal.SIGSTOP)
        else:
            self._wake()

    def _wake(self) -> None:
        """Continue a paused command; a stopped process does not handle other signals."""
        if self._paused:
            self._paused = False
            if self._child.own_session:
                os.kill(self._child.pid, signal.SIGCONT)
            self._family.send(signal.SIGCONT)

    def _next(self) -> signal.struct_siginfo | None:
        if self._until is None:
            return signal.sigwaitinfo(WATCHED)
        return signal.sigtimedwait(WATCHED, max(0.0, self._until - time.monotonic()))

    def _pass_on(self, info: signal.struct_siginfo) -> None:
        typed = info.si_code == _FROM_KERNEL
        self._interrupted = self._interrupted or info.si_signo == signal.SIGINT
        if not typed or self._child.own_session:
            self._child.send(info.si_signo)
        self._wake()

    def _reap(self) -> int | None:
        """Return the command's wait status once it has ended; stop with it if it stopped."""
        pid, status = os.waitpid(self._child.pid, os.WNOHANG | os.WUNTRACED)
        if pid == 0:
            return None
        if os.WIFSTOPPED(status):
            if self._child.own_session and not self._paused:
                self._stop()
            return None
        if self._child.status is not None:
            own = os.read(self._child.status, 4)
            return int(struct.unpack("i", own)[0]) if own else status
        return status

    def _stop(self) -> None:
        """Stop ourselves and our process group, as Ctrl+Z would have."""
        if self._terminal is not None:
            self._terminal.give_back()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTSTP])
        if self._child.own_session:
            os.killpg(0, signal.SIGTSTP)
        else:
            os.kill(os.getpid(), signal.SIGTSTP)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTSTP])
        self._continue()

    def _continue(self) -> None:
        if self._terminal is not None:
            self._terminal.pass_through()
        if self._child.own_session:
            os.kill(self._child.pid, signal.SIGCONT)
        self._child.send(signal.SIGCONT)
