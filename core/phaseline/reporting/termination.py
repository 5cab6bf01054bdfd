"""SIGTERM in a child of multiprocessing: its reports are delivered before it ends, or logged as lost.

`Pool` sends SIGTERM to its children as soon as it has their results, which kills them at once. A Python handler runs
only in the main thread, after the C code there. So this module uses faulthandler's handler, written in C, which writes
to a pipe. A thread reads the pipe, delivers the reports within the reporters' time-outs, and repeats the signal. It
changes nothing if the program has its own handler of SIGTERM.
"""

import faulthandler
import os
import signal
import threading
from collections.abc import Callable
from typing import Final

__all__ = ["outlive_sigterm"]

_UNUSED: Final = (-1, -1)
_pipe: tuple[int, int] = _UNUSED


def outlive_sigterm(finish: Callable[[], None]) -> None:
    """Call `finish` in a separate thread before SIGTERM ends this process; has an effect once per process."""
    global _pipe  # noqa: PLW0603 - a process has one handler per signal
    if _pipe != _UNUSED or not hasattr(faulthandler, "register") or not _is_default():
        return
    _pipe = os.pipe()
    os.set_blocking(_pipe[1], False)
    _register()
    threading.Thread(target=_wait, args=(_pipe[0], finish), name="phaseline-sigterm", daemon=True).start()


def _register() -> None:
    faulthandler.register(signal.SIGTERM, file=_pipe[1], all_threads=False)


def _is_default() -> bool:
    return signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def _wait(pipe: int, finish: Callable[[], None]) -> None:
    os.read(pipe, 1)
    try:
        finish()
    finally:
        if _is_default():
            faulthandler.unregister(signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)


def _before_fork() -> None:
    """Remove the handler; otherwise a signal to the child would write to its parent's pipe."""
    if _pipe != _UNUSED and _is_default():
        faulthandler.unregister(signal.SIGTERM)


def _after_fork() -> None:
    if _pipe != _UNUSED and _is_default():
        _register()


def _after_fork_in_child() -> None:
    """Close the parent's pipe; this process creates its own when it reports."""
    global _pipe  # noqa: PLW0603 - as above
    for fd in _pipe if _pipe != _UNUSED else ():
        os.close(fd)
    _pipe = _UNUSED


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
