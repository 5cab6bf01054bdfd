"""The parts of job records that became columns, read once from the JSON that older versions wrote.

Versions 1 to 3 had no columns for queries, version 4 and 5 only the state and the time of the latest event.
"""

from functools import lru_cache
from typing import Any, Final

import msgspec

from phaseline.model.naming import job_name

__all__ = ["host_in", "latest_ns_in", "name_in", "series_in", "state_in", "workflow_in"]


class _OldWorkflow(msgspec.Struct, frozen=True):
    name: str = ""


class _OldRecord(msgspec.Struct, frozen=True):
    """As versions 1 to 5 wrote it; `latest` is a moment: wall-clock and monotonic nanoseconds."""

    state: str
    latest: tuple[int, int]
    workflow: _OldWorkflow = _OldWorkflow()
    series: str = ""
    host: str = ""
    photo_id: int | str | None = None
    info: dict[str, Any] = {}


_UNREADABLE: Final = _OldRecord("", (0, 0))
_decoder: Final = msgspec.json.Decoder(_OldRecord)


def state_in(record: bytes) -> str:
    """Return the job's state, or "" if the record can't be read."""
    return _read(record).state


def latest_ns_in(record: bytes) -> int:
    """Return the wall-clock time of the job's latest event, or 0 if the record can't be read."""
    return _read(record).latest[0]


def workflow_in(record: bytes) -> str:
    """Return the name of the job's workflow, or "" if the record can't be read."""
    return _read(record).workflow.name


def series_in(record: bytes) -> str:
    """Return the job's series."""
    return _read(record).series


def host_in(record: bytes) -> str:
    """Return the job's host."""
    return _read(record).host


def name_in(record: bytes, job_id: str) -> str:
    """Return the name that a job of this id would have if it started now."""
    found = _read(record)
    return job_name("", found.info, found.photo_id, job_id)


@lru_cache(maxsize=1)  # as several functions read each record
def _read(record: bytes) -> _OldRecord:
    try:
        return _decoder.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _UNREADABLE
