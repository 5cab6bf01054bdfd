"""The current phase of each job, as last reported by a command, so that `report 42` need not repeat it."""

import os
import re
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Final

from phaseline.client.state import state_folder

__all__ = ["forget", "forget_old", "phase_of", "remember"]

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")
_MOST: Final = 1000
_LONGEST_S: Final = 30 * 24 * 3600.0


def _folder() -> Path:
    return state_folder() / "jobs"


def _file(job_id: str) -> Path:
    return _folder() / f"{_UNSAFE.sub('_', job_id)[:100]}.{zlib.crc32(job_id.encode()):08x}"


def remember(job_id: str, phase: str) -> None:
    """Store the current phase. A failure is ignored: the server is asked instead."""
    path = _file(job_id)
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.{os.getpid()}.new")
        new.write_text(f"{job_id}\n{phase}\n", "utf-8")
        new.replace(path)


def phase_of(job_id: str) -> str | None:
    """Return the current phase; None if it is not known here."""
    try:
        stored, phase, _ = _file(job_id).read_text("utf-8").split("\n", 2)
    except (OSError, ValueError):
        return None
    return phase if stored == job_id else None  # two ids may map to the same file name


def forget(job_id: str) -> None:
    """Forget a job that has ended."""
    with suppress(OSError):
        _file(job_id).unlink()


def forget_old() -> None:
    """Forget jobs without a report in a month, and the oldest ones beyond a thousand."""
    with suppress(OSError):
        files = sorted(((entry.stat().st_mtime, entry.path) for entry in os.scandir(_folder())), reverse=True)
        oldest = time.time() - _LONGEST_S
        for place, (at, path) in enumerate(files):
            if place >= _MOST or at < oldest:
                os.unlink(path)  # noqa: PTH108
