"""What a server has been told of the jobs that are not over: all that another one needs to know to go on."""

from collections import deque
from typing import Final

import msgspec

from phaseline.events import JobProgress, PhaseCompleted
from phaseline.reporting.record import Record, encoded

__all__ = ["KnownJobs"]

_MOST: Final = 50  # of a job's errors and of what is known of its photo


class _KnownJob:
    def __init__(self, started: Record) -> None:
        self.started = started
        self.progress: Record | None = None
        self.done: dict[str, Record] = {}
        self.others: deque[Record] = deque(maxlen=_MOST)


class KnownJobs:
    """The jobs that a server knows from one producer, and that are not over."""

    def __init__(self) -> None:
        self._jobs: dict[str, _KnownJob] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._jobs)

    def note(self, record: Record) -> None:
        """Take in that the server was told `record`."""
        if record.kind == "job_started":
            self._jobs[record.job_id] = _KnownJob(record)
            return
        if record.is_end:
            self._jobs.pop(record.job_id, None)
            return
        job = self._jobs.get(record.job_id)
        if job is None:
            return
        match record.kind:
            case "job_progress":
                job.progress = record
                job.done.pop(record.phase or "", None)  # it came back to it
            case "stage_completed":
                job.done[record.phase or ""] = record
            case _:
                job.others.append(record)

    def told(self) -> list[Record]:
        """Return the fewest records that say as much as all those that were noted, without numbers.

        A job's phases come out as they were, and none of those that the server now sees begin teaches it anything:
        nobody knows any more how long they took. A phase does not teach once it was reopened, nor one that was
        reported to be over while another was current, so the phase it is in is begun, closed and begun again.
        """
        return [copy for job in self._jobs.values() for copy in map(_unnumbered, _told(job))]


def _told(job: _KnownJob) -> list[Record]:
    records = [job.started]
    last = next(reversed(job.done), None)
    phase = job.progress.phase if job.progress else last
    if phase is not None:
        job_id = job.started.job_id
        inside = job.progress or encoded(JobProgress(job_id=job_id, phase=phase))
        done = job.done.get(phase)
        records += [inside, *(record for name, record in job.done.items() if name != phase)]
        records += [done or encoded(PhaseCompleted(job_id=job_id, phase=phase)), inside]
        if done:
            records.append(done)
    return records + list(job.others)


def _unnumbered(record: Record) -> Record:
    return msgspec.structs.replace(record, number=0, order=0, again=True)
