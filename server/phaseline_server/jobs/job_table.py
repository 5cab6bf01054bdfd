"""The table of jobs in memory, which is limited."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from phaseline.errors import TooMany, UnknownJob
from phaseline.model.job import Job
from phaseline.model.states import State

__all__ = ["JobTable"]


class JobTable:
    """All jobs in memory, in their published state.

    Attributes:
        weight: The memory that they take, in bytes.
    """

    def __init__(self, jobs: Iterable[Job], most: int, most_bytes: int) -> None:
        """Start with `jobs`; hold at most `most`, of `most_bytes` in total."""
        self._jobs = {job.job_id: job for job in jobs}
        self._counts: Counter[str] = Counter(str(job.state) for job in self._jobs.values() if not job.dismissed)
        self._most = most
        self._most_bytes = most_bytes
        self._weights = {job.job_id: job.weight for job in self._jobs.values()}
        self.weight = sum(self._weights.values())
        self._hosts: dict[str, dict[str, Job]] = {}
        self._boxes: dict[tuple[str, str], dict[str, Job]] = {}
        for job in self._jobs.values():
            self._add_to_places(job)
        gone = sorted((job for job in self._jobs.values() if _may_go(job)), key=_went)
        self._gone = dict.fromkeys(job.job_id for job in gone)  # in the order of eviction

    def __contains__(self, job_id: object) -> bool:
        """Return whether a job is in memory."""
        return job_id in self._jobs

    def get(self, job_id: str) -> Job | None:
        """Return a job, or None."""
        return self._jobs.get(job_id)

    def known(self, job_id: str) -> Job:
        """Return a job.

        Raises:
            UnknownJob: It is not in memory.
        """
        job = self._jobs.get(job_id)
        if job is None:
            raise UnknownJob(job_id)
        return job

    def all(self) -> tuple[Job, ...]:
        """Return every job, in the order in which they were first seen."""
        return tuple(self._jobs.values())

    def counts(self) -> Counter[str]:
        """Return how many jobs are in each state, without dismissed ones."""
        return +self._counts

    def hosts(self) -> Mapping[str, Mapping[str, Job]]:
        """Return the active and stalled jobs of each machine, by their ids; without dismissed ones."""
        return self._hosts

    def boxes(self) -> Mapping[tuple[str, str], Mapping[str, Job]]:
        """Return the queued, active and stalled jobs of each host and queue, by their ids; without dismissed ones."""
        return self._boxes

    def put(self, job: Job) -> None:
        """Publish the current state of `job`."""
        before, job_id, size = self._jobs.get(job.job_id), job.job_id, job.weight
        if before is not None and before.started == job.started:
            job.percent = max(job.percent, before.percent)  # the published percentage never falls
        self.weight += size - self._weights.get(job_id, 0)
        self._weights[job_id] = size
        self._jobs[job_id] = job
        if before is not None and _is_active(before) and _is_active(job) and _place(before) == _place(job):
            # The common case; only such changes are numerous in one group.
            if job.host:
                self._hosts[job.host][job_id] = self._boxes[_place(job)][job_id] = job
            return
        if before is not None:
            self._remove_from_places(before)
            if not before.dismissed:
                self._counts[before.state] -= 1
        self._add_to_places(job)
        if not job.dismissed:
            self._counts[job.state] += 1
        self._gone.pop(job_id, None)
        if _may_go(job):
            self._gone[job_id] = None

    def forget(self, job_id: str) -> bool:
        """Drop a job that has ended, is lost or dismissed, and return whether it was dropped; active jobs stay."""
        if job_id not in self._gone:
            return False
        if not self._jobs[job_id].dismissed:
            self._counts[self._jobs[job_id].state] -= 1
        self.weight -= self._weights.pop(job_id)
        self._remove_from_places(self._jobs[job_id])
        del self._jobs[job_id], self._gone[job_id]
        return True

    def _add_to_places(self, job: Job) -> None:
        if _is_at_host(job):
            self._hosts.setdefault(job.host, {})[job.job_id] = job
        if _is_in_box(job):
            self._boxes.setdefault(_place(job), {})[job.job_id] = job

    def _remove_from_places(self, job: Job) -> None:
        if _is_at_host(job):
            jobs = self._hosts[job.host]
            del jobs[job.job_id]
            if not jobs:
                del self._hosts[job.host]
        if _is_in_box(job):
            key = _place(job)
            del self._boxes[key][job.job_id]
            if not self._boxes[key]:
                del self._boxes[key]

    def over_first(self, coming: int, growth: int, stays: Callable[[str], bool]) -> str | None:
        """Return the job to drop before another can be added, the one that ended or was lost first; None for none.

        Args:
            coming: The number of jobs that will be added soon.
            growth: The memory in bytes that jobs will take soon, in addition.
            stays: Returns whether a job must not be dropped.

        Raises:
            TooMany: A limit is reached, and no job can be dropped.
        """
        held, size = len(self._jobs) + coming, self.weight + growth
        if held <= self._most and size <= self._most_bytes:
            return None
        first = next((job_id for job_id in self._gone if not stays(job_id)), None)
        if first is None and held <= self._most:
            raise TooMany(
                f"the jobs in memory would take {size} bytes; allowed: at most {self._most_bytes}; "
                "send less photo_info, end some jobs, or raise max_memory"
            )
        if first is None:
            held -= 1
            raise TooMany(f"{held} jobs are active; allowed: at most {self._most}; end some, or raise max_jobs")
        return first


def _is_active(job: Job) -> bool:
    return job.state is State.ACTIVE and not job.dismissed


def _place(job: Job) -> tuple[str, str]:
    return job.host, job.queue


def _is_at_host(job: Job) -> bool:
    return bool(job.host) and job.state.at_work and not job.dismissed


def _is_in_box(job: Job) -> bool:
    return bool(job.host) and job.state.unfinished and not job.dismissed


def _may_go(job: Job) -> bool:
    return job.dismissed or not job.state.unfinished


def _went(job: Job) -> int:
    return (job.ended or job.latest).mono_ns
