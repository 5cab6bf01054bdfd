"""The count of a job's work, such as 74 of 240 frames, and its rate."""

from typing import Final

from phaseline.text import one_line
from phaseline_tui.model.jobs import JobView

__all__ = ["count_work"]

_LONGEST_UNIT: Final = 40
_MAX_COUNT: Final = 1e18


def count_work(
    job: JobView, done: float | None, total: float | None, unit: str | None, rate: float | None = None
) -> None:
    """Apply a count of work, and measure its rate if the server does not send it."""
    if done is None:
        job.done = job.total = job.rate = job.counted = None
        return
    before = job.counted
    if rate is not None and 0 < rate <= _MAX_COUNT:
        job.rate, job.counted = rate, (job.elapsed - done / rate, 0.0)
    elif before is None or (job.done is not None and done < job.done):
        job.rate, job.counted = None, (job.elapsed, done)
    elif job.elapsed > before[0]:
        job.rate = (done - before[1]) / (job.elapsed - before[0])
    job.done, job.total, job.unit = done, total, one_line(unit or "", _LONGEST_UNIT)
