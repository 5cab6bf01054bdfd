"""What learns from the tracker's jobs: a protocol, so that the tracker knows nothing of learning."""

from collections.abc import Sequence
from typing import Final, Protocol

from phaseline.model.job import Job
from phaseline.model.phase import PhaseDuration
from phaseline.model.snapshot import Estimate, Moment

__all__ = ["NOBODY", "Listener"]


class Listener(Protocol):
    """Called with each job; it changes nothing of it, answers nothing, and returns soon."""

    def reported(self, job: Job, now: Moment) -> None:
        """Take in that something was reported of `job`, which is as it was before."""
        ...

    def estimated(self, job: Job, now: Moment, estimate: Estimate) -> None:
        """Take in that this was estimated of `job`."""
        ...

    def ended(self, jobs: Sequence[Job], durations: Sequence[PhaseDuration]) -> None:
        """Take in that these jobs have ended and are kept, and what their phases took."""
        ...


class _Nobody:
    def reported(self, job: Job, now: Moment) -> None:
        """Pass over it."""

    def estimated(self, job: Job, now: Moment, estimate: Estimate) -> None:
        """Pass over it."""

    def ended(self, jobs: Sequence[Job], durations: Sequence[PhaseDuration]) -> None:
        """Pass over it."""


NOBODY: Final[Listener] = _Nobody()
