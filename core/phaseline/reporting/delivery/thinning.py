"""Which reports may go when there are too many."""

from collections.abc import Sequence
from typing import Final

from phaseline.reporting.record import Record

__all__ = ["thinned"]

_LEFT: Final = 0.75  # of the size, so that it is not done again for the next report


def thinned(records: Sequence[Record], size: int) -> list[Record]:
    """Return those that stay of `records`, oldest first, in their order.

    First the progress goes after which comes more of the same phase, so nothing is lost. If what stays is still over
    three quarters of `size` by weight, the oldest progress goes, then the oldest of whatever is no job's beginning or
    end; those stay, however many they are.
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
