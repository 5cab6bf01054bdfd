"""The log's clock as engines store it: a text that the next server continues from."""

from typing import Final

import msgspec

from phaseline_server.log.boot import boot_id
from phaseline_server.log.clock import LogClock, Reading

__all__ = ["continued_clock", "encode_reading"]

# Maximum step after a restart of the machine, as a part of the retention, because the wall clock may be wrong then.
_LONGEST_GAP: Final = 1 / 7


class _StoredClock(msgspec.Struct, frozen=True):
    """A reading of the log's clock, and the boot of the machine that it is from."""

    reading: Reading
    boot: str


def encode_reading(reading: Reading) -> str:
    """Return the text to store for a reading of the log's clock."""
    return msgspec.json.encode(_StoredClock(reading, boot_id())).decode()


def continued_clock(stored: str | None, latest_ns: int | None, age_s: float) -> LogClock:
    """Return the log's clock, which continues after the last time in the log.

    Args:
        stored: What `encode_reading` returned last, or None.
        latest_ns: The time of the newest event, by the log's clock; None if there is none.
        age_s: The retention of the log, in seconds.
    """
    longest_gap_ns = round(age_s * _LONGEST_GAP * 1e9)
    if stored is None:
        last = None if latest_ns is None else Reading(latest_ns, latest_ns, 0)
        return LogClock(last, longest_gap_ns=longest_gap_ns)
    found, boot = msgspec.json.decode(stored, type=_StoredClock), boot_id()
    # Commits after the stored reading advanced both clocks alike.
    ahead_ns = max(0, (latest_ns or 0) - found.reading.log_ns)
    last = Reading(*(time_ns + ahead_ns for time_ns in found.reading))
    return LogClock(last, same_boot=bool(boot) and found.boot == boot, longest_gap_ns=longest_gap_ns)
