"""Hooks that every reporter needs at the end of a process and at a `fork`."""

import atexit
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

__all__ = ["ForkAware", "before_end", "finish_in_child", "watch_process"]


class ForkAware(Protocol):
    """A reporter with the methods that this module calls."""

    flush_timeout: float

    def finish(self, timeout: float, *, close: bool) -> None:
        """Deliver the remaining reports within `timeout` seconds; then `close`, or stay open."""
        ...

    def begin_again(self) -> None:
        """Reset the reporter in a forked child."""
        ...


_reporters: "Final[weakref.WeakSet[ForkAware]]" = weakref.WeakSet()
_before_end: Final[list[Callable[[], None]]] = []
_finishing = threading.RLock()


def watch_process(reporter: ForkAware) -> None:
    """Call `reporter` at the end of the interpreter, and after a fork."""
    _reporters.add(reporter)


def before_end(act: Callable[[], None]) -> None:
    """Call `act` at the end of the interpreter, before the reporters close."""
    _before_end.append(act)


def finish_in_child() -> None:
    """Call the reporters at the end of a child of multiprocessing, which does not run atexit."""
    process, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
    if process is not None and util is not None and process.parent_process() is not None:
        util.Finalize(None, _finish, kwargs={"close": False}, exitpriority=100)
        from phaseline.reporting.termination import outlive_sigterm  # noqa: PLC0415 - few processes are children

        outlive_sigterm(partial(_finish, close=False))


def _finish(*, close: bool) -> None:
    """Finish all reporters within the longest of their time-outs."""
    # SIGTERM may arrive while a child exits by itself; the other thread must send its messages first.
    with _finishing:
        began = time.monotonic()
        for act in _before_end:
            act()
        for reporter in list(_reporters):
            reporter.finish(max(0.0, reporter.flush_timeout - (time.monotonic() - began)), close=close)


def _after_fork() -> None:
    global _finishing  # noqa: PLW0603 - the thread that held it does not exist in the child
    _finishing = threading.RLock()
    for reporter in list(_reporters):
        reporter.begin_again()


atexit.register(_finish, close=True)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
