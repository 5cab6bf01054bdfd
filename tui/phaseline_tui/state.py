"""What the screen shows: frames of one server or several in, one sorted and filtered list of jobs out.

Pure: no clock, no socket, no widget.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from phaseline_tui.cleaning import clean
from phaseline_tui.filtering import Filter
from phaseline_tui.frames import Frame, JobMessage, Problem, Snapshot
from phaseline_tui.ingest import apply_message, from_status
from phaseline_tui.jobs import JobKey, JobView, State

__all__ = ["Changes", "Counts", "ViewState"]

_BADLY: Final = frozenset({State.FAILED, State.LOST})
_LATE: Final = 9e18


class Counts(NamedTuple):
    """How many jobs there are of each kind."""

    active: int
    stalled: int
    done: int
    failed: int
    cancelled: int


@dataclass(slots=True)
class Changes:
    """What a batch of frames changed."""

    jobs: set[JobKey] = field(default_factory=set)
    order: bool = False
    """Whether jobs came, went or changed places."""
    status: bool = False
    """Whether a connection is another than before."""

    def add(self, other: "Changes") -> None:
        """Add what another batch of the same beat changed."""
        self.jobs |= other.jobs
        self.order |= other.order
        self.status |= other.status

    def add(self, other: "Changes") -> None:
        """Add what another batch of the same beat changed."""
        self.jobs |= other.jobs
        self.order |= other.order
        self.status |= other.status


class ViewState:
    """The jobs of every server, as far as they told.

    `visible` are the keys of the jobs that the filter keeps, in the order of the list: those at work (the longest
    first), then those that failed, then the others that ended, the newest first.
    """

    def __init__(self, most_jobs: int = 10_000) -> None:
        """Begin with no job; of more than `most_jobs`, those that ended first are dropped."""
        self.jobs: dict[JobKey, JobView] = {}
        self.visible: list[JobKey] = []
        self.filter = Filter()
        self.counts = Counts(0, 0, 0, 0, 0)
        self.synced: set[str] = set()
        """The origins of which a snapshot has come: that they have no jobs in the list means that they have none."""
        self.ignored = 0
        """Unknown messages and malformed fields so far."""
        self.problem = ""
        """What the server last complained about."""
        self._most_jobs = most_jobs
        self._arrivals = 0
        self._arrival: dict[JobKey, int] = {}
        self._sorted: list[JobKey] = []

    def apply(self, frames: Iterable[Frame], received: float, origin: str = "") -> Changes:
        """Take in frames.

        Args:
            frames: in their order.
            received: when they came, monotonic seconds.
            origin: the label of the connection they came by.
        """
        changes = Changes()
        for frame in frames:
            if isinstance(frame, Snapshot):
                self._replace(frame, received, origin, changes)
            elif isinstance(frame, JobMessage):
                self._update(frame, received, origin, changes)
            elif isinstance(frame, Problem):
                self.problem = clean(frame.error or frame.code or "")
        if changes.order:
            self._sort()
        if changes.order or (changes.jobs and self.filter):
            changes.order |= self._select()
        return changes

    def set_filter(self, text: str) -> None:
        """Keep only the jobs that `text` finds (see `Filter`)."""
        self.filter = Filter(text)
        self._select()

    def _replace(self, snapshot: Snapshot, received: float, origin: str, changes: Changes) -> None:
        self.jobs = {key: job for key, job in self.jobs.items() if key.origin != origin}
        for status in snapshot.jobs:
            job = from_status(status, received, snapshot.epoch or "", origin)
            self._add(job)
            changes.jobs.add(job.key)
        changes.order = True
        self.synced.add(origin)

    def _update(self, message: JobMessage, received: float, origin: str, changes: Changes) -> None:
        key = JobKey(origin, clean(message.job_id))
        job = self.jobs.get(key)
        if job is None:
            job = JobView(key.job_id, origin)
            self._add(job)
            changes.order = True
        elif message.seq is not None and message.seq <= job.seq and (message.epoch or job.epoch) == job.epoch:
            return  # The snapshot told it already.
        place, state = _place(job), job.state
        apply_message(job, message, received)
        changes.jobs.add(key)
        changes.order |= (place, state) != (_place(job), job.state)

    def _add(self, job: JobView) -> None:
        key = job.key
        self.jobs[key] = job
        if key not in self._arrival:
            self._arrivals += 1
            self._arrival[key] = self._arrivals

    def _sort(self) -> None:
        self._drop_surplus()
        jobs = self.jobs
        self._sorted = sorted(jobs, key=lambda key: (*_place(jobs[key]), self._arrival[key]))
        self._arrival = {key: self._arrival[key] for key in jobs}
        states = [job.state for job in jobs.values()]
        self.counts = Counts(
            active=states.count(State.ACTIVE),
            stalled=states.count(State.STALLED),
            done=states.count(State.COMPLETED),
            failed=sum(state in _BADLY for state in states),
            cancelled=states.count(State.CANCELLED),
        )

    def _drop_surplus(self) -> None:
        surplus = len(self.jobs) - self._most_jobs
        if surplus > 0:
            ended = [job for job in self.jobs.values() if job.over]
            ended.sort(key=lambda job: job.completed_at or 0.0)
            for job in ended[:surplus]:
                del self.jobs[job.key]

    def _select(self) -> bool:
        """Filter anew, and return whether that changed what is visible."""
        jobs, keeps = self.jobs, self.filter.keeps
        before = self.visible
        self.visible = [key for key in self._sorted if keeps(jobs[key].haystack)]
        return before != self.visible


def _place(job: JobView) -> tuple[int, float]:
    """Return what sorts a job: its group, then the time that counts there."""
    if not job.over:
        return (0, job.started_at if job.started_at is not None else _LATE)
    return (1 if job.state in _BADLY else 2, -(job.completed_at or 0.0))
