"""Termination without a key press: the terminal is closed, or the program receives SIGHUP or SIGTERM.

The kernel sends SIGHUP when the controlling terminal is closed. A program in a separate session does not receive it:
there, every read returns no data and every write fails.
"""

import asyncio
import contextlib
import os
import select
import signal
import threading
from collections.abc import Callable
from typing import Final

__all__ = ["HUNG_UP", "TERMINATED", "handle_termination"]

HUNG_UP: Final = 128 + signal.SIGHUP
"""The exit code when the terminal is closed, as shells report it."""
TERMINATED: Final = 128 + signal.SIGTERM
_TERMINAL: Final = (0, 2)
"""File descriptors: Textual reads keys from standard input and draws on standard error."""
_LOOP_TIMEOUT_S: Final = 2.0


def handle_termination(
    loop: asyncio.AbstractEventLoop, save: Callable[[], object], leave: Callable[[int], object]
) -> None:
    """Install handlers for a closed terminal, SIGHUP and SIGTERM.

    Args:
        loop: Running loop, which calls the functions below.
        save: Saves the state for the next session.
        leave: Ends the program with an exit code and restores the terminal.
    """

    def hung_up() -> None:
        # There is no terminal to restore, and waiting for threads that write to it would never end.
        save()
        os._exit(HUNG_UP)

    def terminated() -> None:
        save()
        leave(TERMINATED)

    loop.add_signal_handler(signal.SIGHUP, hung_up)
    loop.add_signal_handler(signal.SIGTERM, terminated)
    threading.Thread(target=_wait_hung_up, args=(loop, hung_up), name="hangup", daemon=True).start()


def _wait_hung_up(loop: asyncio.AbstractEventLoop, hung_up: Callable[[], object]) -> None:
    """Wait until the other side of the terminal is closed, then end the process."""
    poll = select.poll()
    for file in _TERMINAL:
        poll.register(file, 0)  # no events, so that poll reports only a hang-up
    poll.poll()
    with contextlib.suppress(RuntimeError):  # the loop is closed, because the program is ending
        loop.call_soon_threadsafe(hung_up)
    # The loop may be blocked by the terminal.
    threading.Event().wait(_LOOP_TIMEOUT_S)
    os._exit(HUNG_UP)
