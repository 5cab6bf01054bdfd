"""Jobs of one name, and what tells them apart: their series, else their host, else their start."""

from collections.abc import Callable, Iterable
from typing import Final

from phaseline_tui.model.jobs import Difference, JobView

__all__ = ["mark_twins"]

_VALUES: Final[dict[Difference, Callable[[JobView], object]]] = {
    "series": lambda job: (job.workflow, job.series),
    "host": lambda job: (job.host, job.origin),
    "start": lambda job: job.started_at,
}
_TRIED: Final[tuple[tuple[Difference, ...], ...]] = (
    ("series",),
    ("host",),
    ("start",),
    ("series", "host"),
    ("series", "start"),
    ("host", "start"),
)
"""What may tell jobs apart, in the order in which it is tried; the last is shown even if it does not."""


def mark_twins(jobs: Iterable[JobView]) -> None:
    """Set `differs_by` of each of these jobs."""
    firsts: dict[str, JobView] = {}
    groups: dict[str, list[JobView]] = {}
    for job in jobs:
        job.differs_by = ()
        first = firsts.setdefault(job.name, job)
        if first is not job:
            groups.setdefault(job.name, [first]).append(job)
    for group in groups.values():
        _tell_apart(group)


def _tell_apart(group: list[JobView]) -> None:
    """Set `differs_by` of jobs with the same name to what makes each of them unique."""
    found = _TRIED[-1]
    for tried in _TRIED:
        if len({tuple([_VALUES[each](job) for each in tried]) for job in group}) == len(group):
            found = tried
            break
    for job in group:
        job.differs_by = found
