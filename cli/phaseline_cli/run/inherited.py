"""What `phaseline run` inherits: the lock of the queue that starts it, and the environment of its command."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["LOCK", "inherited_environment", "keep_lock"]

LOCK: Final = "PHASELINE_QUEUE_LOCK"
"""The variable with the descriptor of the job's lock, which is held while the descriptor is open."""


def keep_lock() -> None:
    """Hold a queued job's lock while this process lives; the command inherits neither the lock nor the variable."""
    lock = os.environ.pop(LOCK, "")
    if lock.isdecimal():
        with suppress(OSError):  # not open, so the variable was not set by the queue
            os.set_inheritable(int(lock), False)  # noqa: FBT003


_COERCED: Final = frozenset({"C.UTF-8", "C.utf8", "UTF-8"})
"""The value to which Python sets LC_CTYPE in the C locale, for example under cron; see PEP 538."""


def inherited_environment() -> dict[str, str]:
    """Return the environment without the locale that this Python added, which would change the command's output."""
    env = dict(os.environ)
    if env.get("LC_CTYPE") in _COERCED:
        with suppress(OSError):  # only Linux shows what the process began with
            first = Path("/proc/self/environ").read_bytes().split(b"\0")
            if not any(entry.startswith(b"LC_CTYPE=") for entry in first):
                del env["LC_CTYPE"]
    return env
