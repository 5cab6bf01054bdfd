"""The id of the machine's present boot; monotonic times of one boot can be compared."""

from contextlib import suppress
from pathlib import Path

__all__ = ["boot_id"]


def boot_id() -> str:
    """Return an id that changes when the machine is restarted, or "" where there is none (other systems than Linux)."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""
