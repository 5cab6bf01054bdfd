"""The interface of learners: a protocol, so that the tracker does not depend on learning."""

from collections.abc import Sequence
from typing import Final, Protocol

from phaseline.model.job import Job
from phaseline.model.phase import PhaseDuration
from phaseline.model.snapshot import Estimate, Moment

__all__ = ["NOBODY", "Listener"]


class Listener(Protocol):
    """Receives the changes of every job. It must not modify a job, and must return quickly."""

    def reported(self, job: Job, now: Moment) -> None:
        """Handle a report about `job`, before it is applied."""
        ...

    def estimated(self, job: Job, now: Moment, estimate: Estimate) -> None:
        """Handle a new estimate of `job`."""
        ...

    def ended(self, jobs: Sequence[Job], durations: Sequence[PhaseDuration]) -> None:
        """Handle ended and stored jobs, with the durations of their phases."""
        ...


class _Nobody:
    def reported(self, job: Job, now: Moment) -> None:
        """Do nothing."""

    def estimated(self, job: Job, now: Moment, estimate: Estimate) -> None:
        """Do nothing."""

    def ended(self, jobs: Sequence[Job], durations: Sequence[PhaseDuration]) -> None:
        """Do nothing."""


NOBODY: Final[Listener] = _Nobody()
