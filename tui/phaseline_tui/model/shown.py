"""The share of a job that lists show, so that bar, percent and remaining time agree.

A server's percent never falls. If the estimate grows, for example after an error that costs hours, the percent stays
the same, and lists would show 97 % next to nine hours remaining.
"""

from typing import Final

from phaseline_tui.model.jobs import JobView, Shares, State
from phaseline_tui.model.words import UNKNOWN

__all__ = ["percent_shown", "percent_words", "shares_shown"]

_APART: Final = 20.0
"""Difference in percent from which the share of the estimate replaces the server's percent."""

_SHORT_S: Final = 1.0
"""Minimum length in seconds of a failed or cancelled job whose percent is shown."""

_MOST: Final = 99.9
"""Percent that a job at work shows at most."""


def percent_shown(job: JobView, now: float) -> tuple[float, bool]:
    """Return the percent to show, and whether it is the share of the estimate in place of the server's percent."""
    percent = job.percent_at(now)
    left = job.remaining
    if left is None or job.state is not State.ACTIVE:
        return percent, False
    likely = left.likely - (now - job.received)
    if likely <= 0.0:
        return percent, False
    elapsed = job.elapsed_at(now)
    share = min(_MOST, 100.0 * elapsed / (elapsed + likely))
    if -_APART <= percent - share <= _APART:
        return percent, False
    return share, True


def percent_words(job: JobView, now: float) -> str:
    """Return the percent in words: `42%`, `~42%` of an estimate, or a dash if it means nothing yet."""
    if job.percent <= 0 and job.remaining is None and not job.over:
        return UNKNOWN
    if _too_short(job, now):
        return UNKNOWN
    percent, estimated = percent_shown(job, now)
    return f"{'~' if estimated else ''}{int(percent)}%"


def shares_shown(job: JobView, now: float) -> Shares:
    """Return the boundaries of the parts of the bar, for `percent_shown`."""
    if _too_short(job, now):
        return Shares(0.0, 0.0, 0.0)
    percent, estimated = percent_shown(job, now)
    return Shares(0.0, percent, percent) if estimated else job.shares_at(now)


def _too_short(job: JobView, now: float) -> bool:
    """Return whether a job ended early, within its first second: its percent then measures how fast it failed."""
    return job.state in {State.FAILED, State.CANCELLED} and job.elapsed_at(now) < _SHORT_S
