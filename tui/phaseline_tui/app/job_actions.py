"""Actions on jobs: which can be cancelled or removed, and the messages about it. Only picture jobs can."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from phaseline.model.workflows import picture_of
from phaseline_tui.model.connection import Reply
from phaseline_tui.model.jobs import JobKey, JobView, State
from phaseline_tui.model.words import count_of

__all__ = ["Removal", "outcome", "picture_path", "removals"]

_OK: Final = range(200, 300)
_ACCESS_DENIED: Final = frozenset({401, 403})


class Removal(NamedTuple):
    """A job that a server can cancel or remove."""

    key: JobKey
    name: str
    path: str
    """Path of the `DELETE` request."""
    running: bool
    """Whether the job is running, so that this cancels it; otherwise its picture is removed."""


def removals(jobs: Iterable[JobView]) -> tuple[Sequence[Removal], str]:
    """Return the removals possible for `jobs`, and the reason why the other jobs can't be cancelled."""
    found: list[Removal] = []
    others = 0
    for job in jobs:
        path = _path(job)
        if path is None:
            others += 1
        else:
            found.append(Removal(job.key, job.name or job.job_id, path, not job.over))
    why = f"{count_of(others, 'job')} can't be cancelled from here: only its worker can" if others else ""
    return found, why.replace("its worker", "their workers") if others > 1 else why


def picture_path(job: JobView) -> str | None:
    """Return the path of the job's picture on its server; None if there is none yet."""
    path = _path(job)
    return f"{path}?format=png" if path is not None and job.state is State.COMPLETED else None


def outcome(removal: Removal, reply: Reply) -> tuple[str, bool]:
    """Return a message about the result of a removal, and whether it succeeded."""
    if reply.status in _OK:
        return f"{removal.name} {'cancelled' if removal.running else 'removed'}", True
    problem = reply.problem or f"HTTP {reply.status}"
    hint = "; an admin token is required (PROGRESS_TOKEN)" if reply.status in _ACCESS_DENIED else ""
    return f"{removal.name} not {'cancelled' if removal.running else 'removed'}: {problem}{hint}", False


def _path(job: JobView) -> str | None:
    picture = picture_of(job.job_id)
    return None if picture is None else picture.path
