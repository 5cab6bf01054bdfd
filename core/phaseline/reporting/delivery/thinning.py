"""The choice of reports to drop when there are too many."""

from collections.abc import Sequence
from typing import Final

from phaseline.reporting.record import Record

__all__ = ["thinned"]

_LEFT: Final = 0.75  # target, as a fraction of the size, so that the next report does not cause another thinning


def thinned(records: Sequence[Record], size: int) -> list[Record]:
    """Return the records to keep, in order.

    Superseded progress is dropped first, without loss of information. If the weight still exceeds three quarters of
    `size`, the oldest progress is dropped, then the oldest other records. Starts and ends of jobs are always kept.
    """
    last = {(record.job_id, record.phase): index for index, record in enumerate(records) if record.is_progress}
    kept = []
    for index, record in enumerate(records):
        stands = last[record.job_id, record.phase] if record.is_progress else index
        if stands == index:
            kept.append(record)
        else:
            records[stands].replaces(record)
    excess = sum(record.weight for record in kept) - int(_LEFT * size)
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
