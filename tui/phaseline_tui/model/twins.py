"""Jobs of the same name, distinguished by their series, their host or their start."""

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
"""Distinguishing facts, in order of preference; the last ones are shown even if they are not unique."""


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
        _distinguish(group)


def _distinguish(group: list[JobView]) -> None:
    """Set `differs_by` of jobs with the same name to what makes each of them unique."""
    found = _TRIED[-1]
    for tried in _TRIED:
        if len({tuple([_VALUES[each](job) for each in tried]) for job in group}) == len(group):
            found = tried
            break
    for job in group:
        job.differs_by = found
