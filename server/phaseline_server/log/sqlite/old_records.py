"""The parts of job records that became columns in version 4, read once from the JSON that older versions wrote."""

from typing import Final

import msgspec

__all__ = ["latest_ns_in", "state_in"]


class _OldRecord(msgspec.Struct, frozen=True):
    """As versions 1 to 3 wrote it; `latest` is a moment: wall-clock and monotonic nanoseconds."""

    state: str
    latest: tuple[int, int]


_UNREADABLE: Final = _OldRecord("", (0, 0))
_decoder: Final = msgspec.json.Decoder(_OldRecord)


def state_in(record: bytes) -> str:
    """Return the job's state, or "" if the record can't be read."""
    return _read(record).state


def latest_ns_in(record: bytes) -> int:
    """Return the wall-clock time of the job's latest event, or 0 if the record can't be read."""
    return _read(record).latest[0]


def _read(record: bytes) -> _OldRecord:
    try:
        return _decoder.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _UNREADABLE
