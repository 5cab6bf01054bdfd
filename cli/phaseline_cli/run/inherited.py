"""What `phaseline run` inherits from the queue that starts it."""

import os
from contextlib import suppress
from typing import Final

__all__ = ["LOCK", "keep_lock"]

LOCK: Final = "PHASELINE_QUEUE_LOCK"
"""The variable with the descriptor of the job's lock, which is held while the descriptor is open."""


def keep_lock() -> None:
    """Hold the lock of a queued job for the life of this process; the command gets neither it nor the variable."""
    lock = os.environ.pop(LOCK, "")
    if lock.isdecimal():
        with suppress(OSError):  # it is not open: the variable is not the queue's
            os.set_inheritable(int(lock), False)  # noqa: FBT003
