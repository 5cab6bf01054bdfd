"""Dismissal of jobs: which can be dismissed, and the messages about it."""

from collections.abc import Sequence
from typing import Final

from phaseline_tui.model.connection import Reply
from phaseline_tui.model.jobs import JobView
from phaseline_tui.model.words import count_of

__all__ = ["Outcome", "dismissable", "outcome", "summary"]

_OK: Final = range(200, 300)
_DENIED: Final = frozenset({401, 403})
_MISSING: Final = frozenset({404, 405})

Outcome = tuple[str, bool]
"""The result of a request in words, and whether it succeeded."""


def dismissable(jobs: Sequence[JobView]) -> tuple[list[JobView], str]:
    """Return the jobs that a server would dismiss, and why the others can't be."""
    found = [job for job in jobs if job.over or job.state.stopped]
    others = [job for job in jobs if not (job.over or job.state.stopped)]
    if not others:
        return found, ""
    what = f"{others[0].name} is at work" if len(others) == 1 else f"{len(others)} of these jobs are at work"
    return found, f"{what}; only a job that has ended, stalled or is lost can be dismissed"


def outcome(job: JobView, reply: Reply) -> Outcome:
    """Return the result of the dismissal of a job."""
    if reply.status in _OK:
        return f"{job.name} dismissed; the history still lists it", True
    missing = "the server can't dismiss jobs; update it" if reply.status in _MISSING else f"HTTP {reply.status}"
    hint = "; a token with the scope report for this job is required" if reply.status in _DENIED else ""
    return f"{job.name} not dismissed: {reply.problem or missing}{hint}", False


def summary(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the result of several dismissals, in one text."""
    if len(outcomes) == 1:
        return outcomes[0]
    failed = [words for words, succeeded in outcomes if not succeeded]
    if not failed:
        return f"{count_of(len(outcomes), 'job')} dismissed; the history still lists them", True
    return f"{len(failed)} of {count_of(len(outcomes), 'job')} not dismissed; the first: {failed[0]}", False
