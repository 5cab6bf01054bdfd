"""Habits: how long each phase of each workflow is used to be silent between two reports."""

from typing import Final

from phaseline.model.job import Job
from phaseline.model.snapshot import Moment
from phaseline_server.learning.sketches import Sketches

__all__ = ["Habits"]

_STRANGER: Final = 10  # times the least patience, with a phase whose habit nobody knows yet
_HABIT: Final = 0.99
_MOST_PHASES: Final = 5000


class Habits:
    """How long each phase of each workflow is used to be silent between two reports."""

    def __init__(self) -> None:
        """Begin with none known."""
        self.gaps = Sketches(_MOST_PHASES)

    def note(self, job: Job, now: Moment) -> None:
        """Take in that `job`, as it is before a report, is heard of again."""
        silence_ns = now.mono_ns - job.latest.mono_ns
        if silence_ns > 0 and not job.timeline.interrupted:
            self.gaps.add((job.workflow.name, job.phase), silence_ns / 1e9)

    def patience_s(self, job: Job, least_s: float) -> float:
        """Return for how long `job` may be silent in its phase: p99 of its gaps, and `least_s` at least."""
        known = self.gaps.get((job.workflow.name, job.phase))
        return least_s * _STRANGER if known is None else max(least_s, *known.quantiles(_HABIT))
