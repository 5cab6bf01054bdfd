"""The ends that come by no key: the terminal is gone, or somebody ends the program by a signal.

Mostly the kernel tells with SIGHUP that nobody sits at the terminal any more. Not to a program that the terminal was
not in charge of, such as one in a session of its own: there, reading returns at once with nothing, for ever, and
writing fails.
"""

import asyncio
import contextlib
import os
import select
import signal
import threading
from collections.abc import Callable
from typing import Final

__all__ = ["HUNG_UP", "TERMINATED", "heed_ends"]

HUNG_UP: Final = 128 + signal.SIGHUP
"""The exit code when the terminal is gone, as shells tell it."""
TERMINATED: Final = 128 + signal.SIGTERM
_TERMINAL: Final = (0, 2)
"""Where Textual reads keys, and where it draws."""
_PATIENCE_S: Final = 2.0


def heed_ends(loop: asyncio.AbstractEventLoop, keep: Callable[[], object], leave: Callable[[int], object]) -> None:
    """From now on, end as is right for each of these ends.

    Args:
        loop: runs; in it the others are called.
        keep: keeps what the next start is to know.
        leave: ends the program, given its exit code, and leaves the terminal as it was.
    """

    def gone() -> None:
        # No restoring of the terminal, and no waiting for threads that write to it: there is none.
        keep()
        os._exit(HUNG_UP)

    def terminated() -> None:
        keep()
        leave(TERMINATED)

    loop.add_signal_handler(signal.SIGHUP, gone)
    loop.add_signal_handler(signal.SIGTERM, terminated)
    threading.Thread(target=_wait_gone, args=(loop, gone), name="hangup", daemon=True).start()


def _wait_gone(loop: asyncio.AbstractEventLoop, gone: Callable[[], object]) -> None:
    """Wait until the other side of the terminal is gone, then end the process."""
    poll = select.poll()
    for file in _TERMINAL:
        poll.register(file, 0)  # Asks for nothing, so that nothing but its end is told.
    poll.poll()
    with contextlib.suppress(RuntimeError):  # The loop has closed: the program is ending.
        loop.call_soon_threadsafe(gone)
    # The loop may hang on the terminal itself.
    threading.Event().wait(_PATIENCE_S)
    os._exit(HUNG_UP)
