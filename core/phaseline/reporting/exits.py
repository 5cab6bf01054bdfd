"""Find the reason why a program ends. A loop's generator can't see it, because it is closed without the exception.

An uncaught exception is in `sys.last_exc` (`sys.last_value` before Python 3.12) when atexit runs. Python does not store
a SystemExit, so `watch_exits` replaces `sys.exit` with a function that records it and otherwise does the same.
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

_BREAKS: Final = frozenset({"POP_TOP", "POP_ITER"})  # for dropping a loop's iterator in Python 3.11 to 3.13, and later
_LONGEST_S: Final = 1.0

_noted: "dict[int, tuple[SystemExit, float]]" = {}  # by thread


def watch_exits() -> None:
    """Make `sys.exit` record its calls."""
    if getattr(sys.exit, "__module__", "") == __name__:
        return
    plain: Callable[..., NoReturn] = sys.exit

    def exit(status: object = None, /) -> NoReturn:  # noqa: A001 - replaces the function of this name
        try:
            plain(status)
        except SystemExit as error:
            _noted.clear()
            # A copy, because the traceback of the original would keep its frames' objects alive.
            _noted[threading.get_ident()] = (SystemExit(error.code), time.monotonic())
            raise

    exit.__doc__ = plain.__doc__
    sys.exit = exit


def exiting() -> SystemExit | None:
    """Return this thread's call of `sys.exit` within the last second, or None."""
    error, at = _noted.get(threading.get_ident(), (None, 0.0))
    return error if time.monotonic() - at < _LONGEST_S else None


def reason_of_end() -> BaseException | None:
    """Return the reason why the program ends: an uncaught exception, an exit, or None. Call it at the end."""
    # In a child of multiprocessing, the exception is still being handled.
    uncaught: BaseException | None = sys.exc_info()[1] or getattr(sys, "last_exc", None)
    uncaught = uncaught or getattr(sys, "last_value", None)
    while isinstance(uncaught, BaseExceptionGroup) and len(uncaught.exceptions) == 1:
        uncaught = uncaught.exceptions[0]
    if uncaught is not None:
        return uncaught
    return _noted.get(threading.main_thread().ident or 0, (None, 0.0))[0]


def is_break() -> bool:
    """Return whether `break` or `return` left the loop; to be called by the method that closes the loop's generator."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - there is no public way
    while frame is not None and frame.f_code.co_flags & inspect.CO_GENERATOR:
        frame = frame.f_back
    if frame is None or not 0 <= frame.f_lasti < len(frame.f_code.co_code):
        return False
    return dis.opname[frame.f_code.co_code[frame.f_lasti]] in _BREAKS
