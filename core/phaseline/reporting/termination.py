"""SIGTERM in a child of multiprocessing: what it reported is delivered before it ends, or said to be lost.

`Pool` ends its children by SIGTERM as soon as it has their results, and a child dies of that at once. A handler in
Python would run in the main thread alone, after whatever C code it is in. So the handler is faulthandler's, in C: it
writes to a pipe that a thread of ours reads. The thread delivers, within the reporters' time, and then lets the signal
have its way. What a program does with SIGTERM itself is left alone.
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
    """Have `finish` called, in a thread of its own, before this process dies of SIGTERM; once for a process."""
    global _pipe  # noqa: PLW0603 - a process has one handler of a signal
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
    """Take the handler away, lest a signal to the child is written to its parent's pipe."""
    if _pipe != _UNUSED and _is_default():
        faulthandler.unregister(signal.SIGTERM)


def _after_fork() -> None:
    if _pipe != _UNUSED and _is_default():
        _register()


def _after_fork_in_child() -> None:
    """Leave the pipe to the parent: this process has one of its own once it reports."""
    global _pipe  # noqa: PLW0603 - as above
    for fd in _pipe if _pipe != _UNUSED else ():
        os.close(fd)
    _pipe = _UNUSED


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
