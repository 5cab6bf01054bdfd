"""Choose the reports to drop if there are too many."""

from collections.abc import Sequence
from typing import Final

from phaseline.reporting.record import Record

__all__ = ["thinned"]

_LEFT: Final = 0.75  # target, as a fraction of the size, so that the next report does not cause another thinning


def thinned(records: Sequence[Record], size: int) -> list[Record]:
    """Return the records to keep, in order.

    Superseded progress is dropped first, without loss of information. If the weight still exceeds three quarters of
    `size`, more records are dropped in this order: the first progress of phases that have later progress, which takes
    over its time; the oldest progress; the oldest other records. Starts and ends of jobs are always kept.
    """
    last = {(record.job_id, record.phase): index for index, record in enumerate(records) if record.is_progress}
    kept, most = list(records), int(_LEFT * size)
    for first_too in (False, True):
        if first_too and _weight(kept) <= most:
            break
        staying = []
        for record in kept:
            latest = records[last[record.job_id, record.phase]] if record.is_progress else record
            if latest is record or not (first_too or record.follows):
                staying.append(record)
            else:
                latest.at = record.at if first_too and not record.follows else latest.at
        kept = staying
    excess = _weight(kept) - most
    for progress in (True, False):
        if excess <= 0:
            break
        staying = []
        for record in kept:
            if excess > 0 and record.is_progress is progress and not record.is_kept:
                excess -= record.weight
            else:
                staying.append(record)
        kept = staying
    return kept


def _weight(records: Sequence[Record]) -> int:
    return sum(record.weight for record in records)
