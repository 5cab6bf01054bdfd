"""Which run of the operating system this is: monotonic times of the same one can be compared."""

from contextlib import suppress
from pathlib import Path

__all__ = ["boot_id"]


def boot_id() -> str:
    """Return an id that changes when the box is restarted, or "" where there is none (other systems than Linux)."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""
