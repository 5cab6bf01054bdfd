"""Why a program ends. A loop that is left by an exception can't see it: its generator is closed without a word.

An exception that nobody catches is `sys.last_exc` (`sys.last_value` before Python 3.12) by the time atexit is called.
SystemExit is kept nowhere: so, while this module is in use, `sys.exit` is one that notes it, and is otherwise the same.
"""

import dis
import inspect
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Final, NoReturn

__all__ = ["exiting", "is_break", "reason_of_end", "watch_exits"]

_BREAKS: Final = frozenset({"POP_TOP", "POP_ITER"})  # how Python 3.11 to 3.13, and later, drop a loop's iterator
_LONGEST_S: Final = 1.0

_noted: "dict[int, tuple[SystemExit, float]]" = {}  # by thread


def watch_exits() -> None:
    """Have `sys.exit` note the exits, from now on."""
    if getattr(sys.exit, "__module__", "") == __name__:
        return
    plain: Callable[..., NoReturn] = sys.exit

    def exit(status: object = None, /) -> NoReturn:  # noqa: A001 - it stands in for that one
        try:
            plain(status)
        except SystemExit as error:
            _noted.clear()
            # Another one, as the traceback of this one holds whatever its frames do.
            _noted[threading.get_ident()] = (SystemExit(error.code), time.monotonic())
            raise

    exit.__doc__ = plain.__doc__
    sys.exit = exit


def exiting() -> SystemExit | None:
    """Return the exit that this thread has just asked for, if it has."""
    error, at = _noted.get(threading.get_ident(), (None, 0.0))
    return error if time.monotonic() - at < _LONGEST_S else None


def reason_of_end() -> BaseException | None:
    """Return what ends the program, at its end: an exception that nobody caught, an exit, or nothing."""
    # In a child of multiprocessing it is under way still.
    uncaught: BaseException | None = sys.exc_info()[1] or getattr(sys, "last_exc", None)
    uncaught = uncaught or getattr(sys, "last_value", None)
    while isinstance(uncaught, BaseExceptionGroup) and len(uncaught.exceptions) == 1:
        uncaught = uncaught.exceptions[0]
    if uncaught is not None:
        return uncaught
    return _noted.get(threading.main_thread().ident or 0, (None, 0.0))[0]


def is_break() -> bool:
    """Say, for a method that a loop's generator calls as it is closed, whether the loop is left by break or return."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - there is no other way to see it
    while frame is not None and frame.f_code.co_flags & inspect.CO_GENERATOR:
        frame = frame.f_back
    if frame is None or not 0 <= frame.f_lasti < len(frame.f_code.co_code):
        return False
    return dis.opname[frame.f_code.co_code[frame.f_lasti]] in _BREAKS
