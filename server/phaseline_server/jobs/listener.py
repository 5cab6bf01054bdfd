"""Who learns from what the tracker sees: a protocol, so that the tracker knows nothing of learning."""

from collections.abc import Sequence
from typing import Final, Protocol

from phaseline.model.job import Job
from phaseline.model.phase import Lesson
from phaseline.model.snapshot import Estimate, Moment, Reason

__all__ = ["NOBODY", "Listener"]


class Listener(Protocol):
    """Told of each job; it changes nothing of it, and returns soon."""

    def heard(self, job: Job, now: Moment) -> None:
        """Take in that something was reported of `job`, which is as it was before."""
        ...

    def said(self, job: Job, now: Moment, estimate: Estimate) -> None:
        """Take in that this was estimated of `job`."""
        ...

    def ended(self, jobs: Sequence[Job], lessons: Sequence[Lesson]) -> None:
        """Take in that these jobs have ended and are kept, and what their phases took."""
        ...

    def reasons(self, job_id: str) -> tuple[Reason, ...]:
        """Return why a job's estimate moved lately, oldest first."""
        ...


class _Nobody:
    def heard(self, job: Job, now: Moment) -> None:
        """Pass over it."""

    def said(self, job: Job, now: Moment, estimate: Estimate) -> None:
        """Pass over it."""

    def ended(self, jobs: Sequence[Job], lessons: Sequence[Lesson]) -> None:
        """Pass over it."""

    def reasons(self, job_id: str) -> tuple[Reason, ...]:  # noqa: ARG002 - of none
        """Return none."""
        return ()


NOBODY: Final[Listener] = _Nobody()
