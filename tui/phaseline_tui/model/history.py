"""Past jobs of all servers, merged into one list while their pages arrive.

Pure: no request, no widget. Each server sends pages, newest end first. The list holds only jobs before which no server
can have another one.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from phaseline.filtering import Filter
from phaseline_tui.model.decoding import decode_answer, statuses
from phaseline_tui.model.frames import Snapshot
from phaseline_tui.model.ingest import from_status
from phaseline_tui.model.jobs import JobKey, JobView, State
from phaseline_tui.model.limits import LONG_FRAME, bounded

__all__ = ["MAX_ROWS", "History", "Page", "read_page", "rows_of", "whole_job"]

MAX_ROWS: Final = 20_000
"""Maximum number of jobs that the list holds."""
_SHORT: Final = 300
"""Characters of a text that a row keeps."""


class Page(msgspec.Struct):
    """An answer of `/progress/jobs`."""

    jobs: list[msgspec.Raw] = []
    cursor: str | int | None = None
    since: str | None = None
    until: str | None = None


class _Rank(NamedTuple):
    """The place of a job: those that have not ended first, then the newest end."""

    ended: bool
    age: float


class _Shelf:
    """The jobs of one server."""

    def __init__(self) -> None:
        self.rows: list[JobView] = []
        self.taken = 0
        """Number of rows that are in the merged list."""
        self.cursor = ""
        """The cursor of the next page; empty for the first one."""
        self.complete = False
        self.problem = ""

    @property
    def blocks(self) -> bool:
        """Whether a job that is not known yet may come next."""
        return not self.complete and self.taken == len(self.rows)


class History:
    """The merged list for one query."""

    def __init__(self, labels: Iterable[str], rest: Filter, most: int = MAX_ROWS) -> None:
        """Start without jobs.

        Args:
            labels: Labels of the servers that are asked.
            rest: Filter for the jobs that the servers send.
            most: Maximum number of jobs.
        """
        self.rows: list[JobView] = []
        self.searched = 0
        """Number of jobs received, including those that the filter rejects."""
        self.since: str | None = None
        """Earliest time of the range, as a server understood it."""
        self.until: str | None = None
        self._rest = rest
        self._most = most
        self._shelves = {label: _Shelf() for label in labels}

    @property
    def labels(self) -> Sequence[str]:
        """The labels of the servers that are asked."""
        return tuple(self._shelves)

    @property
    def full(self) -> bool:
        """Whether the list holds as many jobs as it may, so that older ones are missing."""
        return len(self.rows) >= self._most

    @property
    def complete(self) -> bool:
        """Whether all jobs of the servers that answer are listed."""
        return self.full or all(shelf.complete for shelf in self._shelves.values())

    @property
    def problems(self) -> list[tuple[str, str]]:
        """The servers that did not answer, each with the reason."""
        return [(label, shelf.problem) for label, shelf in self._shelves.items() if shelf.problem]

    def wanted(self) -> list[tuple[str, str]]:
        """Return the servers without whose next page the list can't grow, each with the cursor of that page."""
        if self.full:
            return []
        return [(label, shelf.cursor) for label, shelf in self._shelves.items() if shelf.blocks]

    def add(self, label: str, jobs: Iterable[JobView], page: Page) -> None:
        """Append the jobs of a server's next page.

        Args:
            label: Label of the server.
            jobs: The jobs, from `rows_of`.
            page: The page that they are from.
        """
        shelf = self._shelves[label]
        found = list(jobs)
        self.searched += len(found)
        shelf.rows += (job for job in found if self._rest.keeps(job))
        shelf.complete = page.cursor is None or (str(page.cursor) == shelf.cursor)
        shelf.cursor = "" if page.cursor is None else str(page.cursor)
        shelf.problem = ""
        self.since, self.until = page.since or self.since, page.until or self.until
        self._merge()

    def fail(self, label: str, reason: str) -> None:
        """Record that a server did not send its next page; the list continues without it."""
        shelf = self._shelves[label]
        shelf.problem, shelf.complete = reason, True
        self._merge()

    def renew(self, label: str, jobs: Sequence[JobView], page: Page) -> bool:
        """Replace the beginning of a server's jobs by its present first page.

        Returns:
            Whether the page reaches the jobs known so far. If not, nothing changes, because jobs between are missing.
        """
        shelf = self._shelves[label]
        last = _rank_of(jobs[-1]) if jobs else None
        fresh = {(job.job_id, job.completed_at) for job in jobs}
        if page.cursor is None:
            kept: list[JobView] = []
            shelf.complete, shelf.cursor = True, ""
        elif last is None or not any((job.job_id, job.completed_at) in fresh for job in shelf.rows):
            return False
        else:
            names = {job.job_id for job in jobs}
            kept = [job for job in shelf.rows if job.job_id not in names and _rank_of(job) >= last]
        shelf.rows = [job for job in jobs if self._rest.keeps(job)] + kept
        shelf.problem = ""
        self.rows = []
        for each in self._shelves.values():
            each.taken = 0
        self._merge()
        return True

    def _merge(self) -> None:
        """Move jobs to the list until a server may have one that comes before all known ones."""
        shelves = list(self._shelves.values())
        while not self.full and not any(shelf.blocks for shelf in shelves):
            heads = [shelf for shelf in shelves if shelf.taken < len(shelf.rows)]
            if not heads:
                return
            if len(shelves) == 1:
                [shelf] = shelves
                self.rows += shelf.rows[shelf.taken : shelf.taken + self._most - len(self.rows)]
                shelf.taken = len(shelf.rows)
                continue
            first = min(heads, key=lambda shelf: _rank_of(shelf.rows[shelf.taken]))
            self.rows.append(first.rows[first.taken])
            first.taken += 1


def _rank_of(job: JobView) -> _Rank:
    end = job.completed_at
    if end is None:
        return _Rank(False, -((job.started_at or 0.0) + job.elapsed))  # noqa: FBT003 (a field of a tuple)
    return _Rank(True, -end)  # noqa: FBT003 (a field of a tuple)


def read_page(body: bytes) -> Page:
    """Decode an answer of `/progress/jobs`; its jobs stay encoded.

    Raises:
        ValueError: The body is invalid.
    """
    return decode_answer(body, Page)


def rows_of(jobs: Sequence[msgspec.Raw], received: float, origin: str) -> list[JobView]:
    """Return encoded jobs with what a list shows of them; details take more memory than twenty thousand of them may.

    Args:
        jobs: Encoded jobs of a page.
        received: Time of receipt, in monotonic seconds.
        origin: Label of the server.
    """
    found: list[JobView] = []
    for raw, (status, _) in zip(jobs, statuses(Snapshot(jobs=list(jobs))), strict=True):
        if status is None:
            continue
        if len(bytes(raw)) > LONG_FRAME:
            bounded(status)
        found.append(_row(from_status(status, received, "", origin)))
    return found


def _row(job: JobView) -> JobView:
    """Remove the details of a job that a row does not show."""
    text = job.failure if job.state.bad or job.state is State.CANCELLED else job.message
    job.message = text[:_SHORT]
    current = job.current
    if current is not None:
        current.error, current.result, current.name = "", None, sys.intern(current.name)
    job.phases = [] if current is None else [current]
    job.phase_index = len(job.phases)
    job.errors, job.reasons, job.messages = [], (), ()
    job.result = job.details = job.photo_info = None
    for name in ("workflow", "series", "host", "origin"):  # few values, many jobs
        setattr(job, name, sys.intern(getattr(job, name)))
    return job


class _One(msgspec.Struct):
    job_status: msgspec.Raw


def whole_job(body: bytes, received: float, key: JobKey) -> JobView:
    """Decode an answer of `/progress/job/<id>`.

    Args:
        body: The answer.
        received: Time of receipt, in monotonic seconds.
        key: The job.

    Raises:
        ValueError: The body is invalid.
    """
    raw = decode_answer(body, _One).job_status
    status, _ = next(statuses(Snapshot(jobs=[raw])))
    if status is None:
        raise ValueError("the answer has no job")
    bounded(status)
    return from_status(status, received, "", key.origin)
