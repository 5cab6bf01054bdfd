"""The usual gaps between two reports, for each phase of each workflow."""

from typing import Final

from phaseline.model.job import Job
from phaseline.model.snapshot import Moment
from phaseline_server.learning.sketches import Sketches

__all__ = ["Habits"]

_UNKNOWN_FACTOR: Final = 10  # times the minimum, for a phase without known gaps
_QUANTILE: Final = 0.99
_MOST_PHASES: Final = 5000


class Habits:
    """The distribution of gaps between two reports, for each phase of each workflow."""

    def __init__(self) -> None:
        """Begin without any gap."""
        self.gaps = Sketches(_MOST_PHASES)

    def note(self, job: Job, now: Moment) -> None:
        """Record the gap before a report at `now`; `job` is in its state before the report."""
        silence_ns = now.mono_ns - job.latest.mono_ns
        if silence_ns > 0 and not job.timeline.interrupted:
            self.gaps.add((job.workflow.name, job.phase), silence_ns / 1e9)

    def patience_s(self, job: Job, least_s: float) -> float:
        """Return after how many seconds without a report `job` counts as stalled.

        This is the 99th percentile of the gaps in its phase, but at least `least_s`.
        """
        known = self.gaps.get((job.workflow.name, job.phase))
        return least_s * _UNKNOWN_FACTOR if known is None else max(least_s, *known.quantiles(_QUANTILE))
