"""The state of the view: merges the frames of all servers into one sorted and filtered list of jobs.

Pure: no clock, no socket, no widget.
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

from phaseline.filtering import Filter
from phaseline.text import one_line
from phaseline_tui.model.changes import Changes
from phaseline_tui.model.decoding import statuses
from phaseline_tui.model.frames import (
    ConvertedSnapshot,
    Frame,
    JobDismissed,
    JobMessage,
    JobProgress,
    Problem,
    Snapshot,
)
from phaseline_tui.model.ingest import apply_message, from_status, key_of
from phaseline_tui.model.jobs import JobKey, JobView
from phaseline_tui.model.limits import MAX_BYTES, MAX_JOBS, size_of
from phaseline_tui.model.sorting import Order, group_of, place_of
from phaseline_tui.model.today import Day, day_of
from phaseline_tui.model.totals import Counts, Totals, counts_of, totals_of

__all__ = ["ViewState"]

_QUIET: Final = 2
"""The group of jobs that are folded away."""
_Rank = tuple[int, float, int]


class ViewState:
    """The jobs of all servers.

    `visible` holds the keys of the listed jobs, in the order of the list (see `sorting`). With a filter, these are the
    matching jobs; without one, all but the folded ones: jobs that ended without an error a while ago.
    """

    def __init__(self, most_jobs: int = MAX_JOBS, fold_after: float = 900.0) -> None:
        """Start without jobs.

        Args:
            most_jobs: Maximum number of jobs. Beyond it, the jobs that ended first are dropped, then those at work that
                started last.
            fold_after: Seconds from the end of a job that did not fail until it is folded away.
        """
        self.jobs: dict[JobKey, JobView] = {}
        self.visible: list[JobKey] = []
        self.folded = 0
        """Number of jobs folded away."""
        self.unfolded = False
        """Whether to list the folded jobs too."""
        self.marked: set[JobKey] = set()
        self.filter = Filter()
        self.order = Order()
        self.counts = Counts()
        self.days: dict[str, Day | None] = {}
        """The present day of each origin; None if its server is older and sends none."""
        self.synced: set[str] = set()
        """Origins that have sent a snapshot, so that their jobs are complete."""
        self.cut: set[str] = set()
        """Origins with more jobs at work, or more facts, than the view keeps."""
        self.ignored = 0
        """Number of unknown messages and malformed fields so far."""
        self.problem = ""
        """The last error that a server reported."""
        self._most_jobs = most_jobs
        self._size = 0
        """Approximate bytes of all jobs."""
        self._fold_after = fold_after
        self._now = self._wall = 0.0
        self._next_fold = 0.0
        """Time when the next job is folded away, in seconds since 1970."""
        self._arrivals = 0
        self._arrival: dict[JobKey, int] = {}
        self._sorted: list[JobKey] = []
        self._ranks: list[_Rank] = []
        """Ranks of `_sorted`; used only in the default order."""
        self._rank: dict[JobKey, _Rank] = {}
        self._moved: set[JobKey] = set()
        self._all_moved = False
        self._touched = False

    def apply(self, frames: Iterable[Frame], received: float, origin: str = "") -> Changes:
        """Apply frames and return the changes.

        Args:
            frames: Frames in their order.
            received: Time of receipt, in monotonic seconds.
            origin: Label of the connection that received them.
        """
        changes = Changes()
        for frame in frames:
            if isinstance(frame, Snapshot):
                self._replace(frame, received, origin, changes)
            elif isinstance(frame, JobMessage):
                self._update(frame, received, origin, changes)
            elif isinstance(frame, Problem):
                self.problem = one_line(frame.error or frame.code or "")
        self._touched |= bool(changes.jobs)
        if changes.order or self._size > MAX_BYTES:
            changes.order = True
            self._sort()
        if changes.order or (changes.jobs and self.filter):
            changes.order |= self._select()
        return changes

    def advance(self, now: float, wall: float) -> bool:
        """Set the time, fold and sort by it, and return whether the list changed.

        Args:
            now: Monotonic seconds.
            wall: The same moment in seconds since 1970.
        """
        self._now, self._wall = now, wall
        resort = bool(self.order.column) and self._touched
        if resort:
            self._all_moved = True
            self._sort()
        self._touched = False
        return self._select() if resort or wall >= self._next_fold else False

    def totals(self, midnight: float) -> Totals:
        """Return the totals of all jobs; `midnight` is the last local midnight, in seconds since 1970."""
        for day in filter(None, self.days.values()):
            day.turn(self._wall)
        return totals_of(self.jobs.values(), self.counts, self._now, self._wall, midnight, self.days)

    def set_filter(self, text: str) -> None:
        """List only the jobs that match `text` (see `filtering`)."""
        self.filter = Filter(text)
        self._select()

    def set_order(self, order: Order) -> None:
        """Set the sort order."""
        self.order = order
        self._all_moved = True
        self._sort()
        self._select()

    def unfold(self, *, unfolded: bool) -> None:
        """List the folded jobs too, or fold them away again."""
        self.unfolded = unfolded
        self._select()

    def next_error(self, after: JobKey | None) -> JobKey | None:
        """Return the next listed job that failed, is lost or is stalled; after the last one, the first."""
        start = self.visible.index(after) + 1 if after in self.visible else 0
        ahead = self.visible[start:] + self.visible[:start]
        return next((key for key in ahead if self.jobs[key].state.bad or self.jobs[key].state.stopped), None)

    def _replace(self, snapshot: Snapshot, received: float, origin: str, changes: Changes) -> None:
        self.jobs = {key: job for key, job in self.jobs.items() if key.origin != origin}
        self.cut.discard(origin)
        self.days[origin] = day_of(snapshot.today)
        if isinstance(snapshot, ConvertedSnapshot):
            jobs = snapshot.views
            if snapshot.left_out:
                self.cut.add(origin)
        else:
            found = list(statuses(snapshot))
            self.ignored += sum(ignored for _, ignored in found)
            jobs = [from_status(each, received, snapshot.epoch or "", origin) for each, _ in found if each is not None]
        for job in jobs:
            job.size = job.size or size_of(job)
            self._add(job)
            changes.jobs.add(job.key)
        self._size = sum(job.size for job in self.jobs.values())
        self._all_moved = True
        changes.order = True
        self.synced.add(origin)

    def _update(self, message: JobMessage, received: float, origin: str, changes: Changes) -> None:
        key = key_of(origin, message.job_id)
        job = self.jobs.get(key)
        known = job is not None and message.seq is not None and message.seq <= job.seq
        if known and job is not None and (message.epoch or job.epoch) == job.epoch:
            return  # the snapshot contains it
        if isinstance(message, JobDismissed):
            if job is not None:
                self._remove(job, changes)
                if day := self.days.get(origin):
                    day.dismiss(job.state, job.completed_at)
            return
        if job is None:
            job = JobView(key.job_id, origin)
            job.wire_id = message.job_id
            self._add(job)
            changes.order = True
        state, began, ended = job.state, job.started_at, job.completed_at
        apply_message(job, message, received)
        if not job.size or not isinstance(message, JobProgress) or message.details:
            before, job.size = job.size, size_of(job)
            self._size += job.size - before
        changes.jobs.add(key)
        # Only these determine its position.
        if job.state is not state or job.started_at != began or job.completed_at != ended:
            changes.order = True
            self._moved.add(key)
            if not state.ended and job.state.ended:
                changes.ended.append(key)
                if day := self.days.get(origin):
                    day.count(job.state, job.completed_at)

    def _remove(self, job: JobView, changes: Changes) -> None:
        """Remove a job that was dismissed."""
        del self.jobs[job.key], self._arrival[job.key]
        self._size -= job.size
        self._moved.add(job.key)
        changes.jobs.add(job.key)
        changes.order = True

    def _add(self, job: JobView) -> None:
        key = key_of(job.origin, job.job_id)
        self.jobs[key] = job
        self._moved.add(key)
        if key not in self._arrival:
            self._arrivals += 1
            self._arrival[key] = self._arrivals

    def _sort(self) -> None:
        self._drop_surplus()
        jobs = self.jobs
        if self.order != Order():
            self._sort_by_column()
        elif self._all_moved:
            self._rank = {key: self._rank_of(job) for key, job in jobs.items()}
            self._sorted = sorted(jobs, key=self._rank.__getitem__)
            self._ranks = [self._rank[key] for key in self._sorted]
        else:
            for key in self._moved:
                self._put(key)
        if self._all_moved:
            self._arrival = {key: self._arrival[key] for key in jobs}
            self.marked &= jobs.keys()
        self._moved.clear()
        self._all_moved = False
        self.counts = counts_of(jobs.values())

    def _sort_by_column(self) -> None:
        jobs, order, now = self.jobs, self.order, self._now
        found = sorted(jobs, key=self._arrival.__getitem__)
        found.sort(key=lambda key: order.key(jobs[key], now), reverse=order.reverse)
        found.sort(key=lambda key: group_of(jobs[key]))
        self._sorted = found

    def _put(self, key: JobKey) -> None:
        """Insert a job at its position, or remove it if it no longer exists."""
        before = self._rank.pop(key, None)
        if before is not None:
            at = bisect_left(self._ranks, before)
            del self._ranks[at], self._sorted[at]
        if key in self.jobs:
            rank = self._rank[key] = self._rank_of(self.jobs[key])
            at = bisect_left(self._ranks, rank)
            self._ranks.insert(at, rank)
            self._sorted.insert(at, key)

    def _rank_of(self, job: JobView) -> _Rank:
        return (*place_of(job), self._arrival[job.key])

    def _drop_surplus(self) -> None:
        if len(self.jobs) <= self._most_jobs and self._size <= MAX_BYTES:
            return
        for job in sorted(self.jobs.values(), key=_worth):
            if len(self.jobs) <= self._most_jobs and self._size <= MAX_BYTES:
                break
            del self.jobs[job.key]
            self._size -= job.size
            self._arrival.pop(job.key)
            self._moved.add(job.key)
            if not job.over:
                self.cut.add(job.origin)

    def _select(self) -> bool:
        """Filter and fold again, and return whether the visible jobs changed."""
        jobs, before, folded = self.jobs, self.visible, self.folded
        self._next_fold = float("inf")
        if self.filter:
            self.visible = [key for key in self._sorted if self.filter.keeps(jobs[key])]
            self.folded = 0
        elif self.unfolded:
            self.visible = self._sorted.copy()
            self.folded = 0
        else:
            self.visible = [key for key in self._sorted if not self._folds(jobs[key])]
            self.folded = len(self._sorted) - len(self.visible)
        return before != self.visible or folded != self.folded

    def _folds(self, job: JobView) -> bool:
        """Return whether `job` is folded away now; otherwise note when it will be."""
        if job.completed_at is None or group_of(job) != _QUIET:
            return False
        due = job.completed_at + self._fold_after
        if due <= self._wall:
            return True
        self._next_fold = min(self._next_fold, due)
        return False


def _worth(job: JobView) -> tuple[bool, float]:
    """Return the sort key of the jobs that are dropped first: those that ended first, then those that started last."""
    return (False, job.completed_at or 0.0) if job.over else (True, -place_of(job)[1])
