"""The delivered reports of active jobs that are needed to restore them on a server without their history."""

from collections import deque
from typing import Final

import msgspec

from phaseline.reporting.record import Record

__all__ = ["KnownJobs"]

_MOST: Final = 50  # reports of errors, metadata and metrics stored per job


class _KnownJob:
    """One active job: the records that are needed to restore its state, in order.

    These are the job's start; the first start and the end of each phase, and its latest start if the job returned to
    it; the latest progress of the current phase; and the latest other reports. Records have an age, so the phases'
    times are restored, too.
    """

    def __init__(self, started: Record) -> None:
        self.records: dict[tuple[str, str | int], Record] = {("started", ""): started}
        self._phase: str | None = None
        self._others: deque[int] = deque()
        self._count = 0

    def note(self, record: Record) -> None:
        """Add the next record."""
        phase = record.phase or ""
        match record.kind:
            case "job_progress" if phase == self._phase:
                self._replace("latest", "", record)
            case "job_progress":
                self.records.pop(("latest", ""), None)
                self.records.pop(("done", phase), None)
                self._replace("again" if ("began", phase) in self.records else "began", phase, record)
                self._phase = phase
            case "stage_completed":
                self._replace("done", phase, record)
                if phase == self._phase:
                    self.records.pop(("latest", ""), None)
                    self._phase = None
            case _:
                self._count += 1
                self._others.append(self._count)
                self._replace("other", self._count, record)
                if len(self._others) > _MOST:
                    del self.records["other", self._others.popleft()]

    def _replace(self, what: str, name: str | int, record: Record) -> None:
        self.records.pop((what, name), None)
        self.records[what, name] = record


class KnownJobs:
    """The active jobs that a server knows from one producer."""

    def __init__(self) -> None:
        self._jobs: dict[str, _KnownJob] = {}

    def __len__(self) -> int:
        """Return the number of jobs."""
        return len(self._jobs)

    def note(self, record: Record) -> None:
        """Record that the server has received `record`."""
        if record.is_answer:
            return  # a server without the order would reject it
        if record.is_beginning:
            self._jobs[record.job_id] = _KnownJob(record)
            return
        if record.is_end:
            self._jobs.pop(record.job_id, None)
            return
        job = self._jobs.get(record.job_id)
        if job is None:
            return
        job.note(record)

    def records(self) -> list[Record]:
        """Return the records that restore the state of all jobs, in order and without numbers."""
        return [_unnumbered(record) for job in self._jobs.values() for record in job.records.values()]


def _unnumbered(record: Record) -> Record:
    return msgspec.structs.replace(record, number=0, order=0, again=True)
