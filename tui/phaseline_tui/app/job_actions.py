"""Actions on jobs: which can be cancelled, removed or paused, and the messages about it.

A job that has not ended is cancelled by an order to its worker; the server reports if the worker accepts none. Of ended
jobs, only pictures can be removed.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple
from urllib.parse import quote

from phaseline.model.workflows import picture_of
from phaseline_tui.model.connection import Reply
from phaseline_tui.model.jobs import JobKey, JobView, State
from phaseline_tui.model.words import count_of

__all__ = ["Pause", "Removal", "outcome", "pauses", "picture_path", "removals"]

_JOBS: Final = "/progress/job/"
_OK: Final = range(200, 300)
_ACCESS_DENIED: Final = frozenset({401, 403})


class Removal(NamedTuple):
    """A job that can be cancelled, or a picture that a server can remove."""

    key: JobKey
    name: str
    path: str
    """Path of the request: `POST` of an order to cancel, or `DELETE` of a picture."""
    running: bool
    """Whether the job is queued or running, so that this cancels it; otherwise its picture is removed."""

    @property
    def method(self) -> str:
        """The method of the request."""
        return "POST" if self.path.startswith(_JOBS) else "DELETE"

    @property
    def body(self) -> bytes:
        """The body of the request."""
        return b'{"order":"cancel"}' if self.path.startswith(_JOBS) else b""


class Pause(NamedTuple):
    """An order to pause a job, or to resume a paused one."""

    key: JobKey
    name: str
    path: str
    """Path of the request."""
    order: Literal["pause", "resume"]

    @property
    def body(self) -> bytes:
        """The body of the request."""
        return f'{{"order":"{self.order}"}}'.encode()

    def outcome(self, reply: Reply) -> tuple[str, bool]:
        """Return a message about the server's answer, and whether it accepted the order."""
        if reply.status in _OK:
            return f"{self.name}: {self.order} ordered; waiting for the worker", True
        return self.failure(reply.problem or f"HTTP {reply.status}"), False

    def failure(self, reason: str) -> str:
        """Return a message about an order that was not accepted."""
        return f"{self.name} not {self.order}d: {reason}"


def pauses(jobs: Iterable[JobView]) -> list[Pause]:
    """Return the orders that pause those of `jobs` that are at work, and resume those that are paused."""
    return [
        Pause(job.key, job.name or job.job_id, _orders_path(job), "resume" if job.paused else "pause")
        for job in jobs
        if job.state.at_work
    ]


def removals(jobs: Iterable[JobView]) -> tuple[Sequence[Removal], str]:
    """Return the removals possible for `jobs`, and the reason why the other jobs can't be cancelled or removed."""
    found: list[Removal] = []
    others = 0
    for job in jobs:
        path = _path(job)
        if path is None and not job.over:
            path = _orders_path(job)
        if path is None:
            others += 1
        else:
            found.append(Removal(job.key, job.name or job.job_id, path, not job.over))
    ended = "it has ended" if others == 1 else "they have ended"
    return found, f"{count_of(others, 'job')} can't be cancelled: {ended}" if others else ""


def picture_path(job: JobView) -> str | None:
    """Return the path of the job's picture on its server; None if there is none yet."""
    path = _path(job)
    return f"{path}?format=png" if path is not None and job.state is State.COMPLETED else None


def outcome(removal: Removal, reply: Reply) -> tuple[str, bool]:
    """Return a message about the result of a removal, and whether it succeeded."""
    if reply.status in _OK:
        done = "cancelled" if removal.running else "removed"
        if removal.body:
            return f"{removal.name}: cancel ordered; waiting for the worker", True
        return f"{removal.name} {done}", True
    problem = reply.problem or f"HTTP {reply.status}"
    hint = (
        "; an admin token is required (PROGRESS_TOKEN)" if not removal.body and reply.status in _ACCESS_DENIED else ""
    )
    return f"{removal.name} not {'cancelled' if removal.running else 'removed'}: {problem}{hint}", False


def _orders_path(job: JobView) -> str:
    return f"{_JOBS}{quote(job.wire_id, safe='')}/orders"


def _path(job: JobView) -> str | None:
    picture = picture_of(job.job_id)
    return None if picture is None else picture.path
