"""The model's input about a job: plain, bounded data in milliseconds, without implausible numbers."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, Final

import msgspec

from phaseline.model.job import Job
from phaseline.model.phase import Phase
from phaseline.model.snapshot import Moment
from phaseline.model.states import PhaseState, State

__all__ = [
    "MAX_MS",
    "Mark",
    "Observed",
    "Run",
    "Step",
    "clean_ms",
    "finished",
    "known_of",
    "marks_of",
    "observe",
    "progress_of",
]

# Thirty years; a longer duration is not a plausible measurement.
MAX_MS: Final = 1e12
_NS_PER_MS: Final = 1e6

Mark = tuple[float, float]
"""Milliseconds since the start of a phase, and the fraction of it that was done by then, from 0 to 1."""


class Step(msgspec.Struct, frozen=True):
    """A phase that has ended.

    Attributes:
        ms: Its duration; None if unknown.
        skipped: Whether it was skipped.
    """

    name: str
    ms: float | None = None
    skipped: bool = False


class Run(msgspec.Struct, frozen=True):
    """A completed job, from which the model learns.

    Attributes:
        covariates: Facts from the reporter that may affect its length; any JSON.
        marks: By phase, its worker's reports of progress, beginning with the first one; may be empty.
    """

    workflow: str
    series: str
    steps: tuple[Step, ...]
    covariates: Mapping[str, Any] = {}
    marks: Mapping[str, Sequence[Mark]] = {}


class Observed(msgspec.Struct, frozen=True):
    """The known state of an active job.

    Attributes:
        done: The finished phases.
        current: The current phase; None between two of them.
        later: The phases that may follow, in order.
        declared: Whether no phases but these may follow.
        elapsed_ms: Time in the job.
        phase_ms: Time in the current phase.
        mark: The worker's latest report of progress in the current phase.
        marks: The first of its earlier reports, and those that were stored; see `phaseline.eta.model.pace`.
        reported: Whether it has reported progress in any phase.
    """

    workflow: str
    series: str
    done: tuple[Step, ...] = ()
    current: str | None = None
    later: tuple[str, ...] = ()
    declared: bool = True
    elapsed_ms: float = 0.0
    phase_ms: float = 0.0
    mark: Mark | None = None
    covariates: Mapping[str, Any] = {}
    marks: tuple[Mark, ...] = ()
    reported: bool = False


def clean_ms(value: float | None) -> float | None:
    """Return a duration in milliseconds to learn from, or None if it is not a valid measurement."""
    if value is None or not isfinite(value) or not 0 <= value <= MAX_MS:
        return None
    return float(value)


def known_of(job: Job) -> dict[str, Any]:
    """Return the facts that may affect a job's duration: those from its reporter, and its host."""
    return {**job.info, "host": job.host} if job.host and "host" not in job.info else job.info


def observe(job: Job, now: Moment) -> Observed:
    """Return the known state of `job` at `now`."""
    done: list[Step] = []
    later: list[str] = []
    current: Phase | None = None
    for phase in job.phases:
        state = phase.state
        if state is PhaseState.CURRENT:
            current = phase
        elif state is PhaseState.PENDING:
            later.append(phase.name)
        else:
            done.append(_step(phase))
    phase_ms = current.elapsed_ns(now) / _NS_PER_MS if current is not None else 0.0
    mark, marks = progress_of(current, phase_ms) if current is not None else (None, ())
    flow = job.workflow
    return Observed(
        workflow=flow.name,
        series=job.series,
        done=tuple(done),
        current=current.name if current else None,
        later=tuple(later),
        declared=bool(flow.phases),
        elapsed_ms=job.elapsed_ns(now) / _NS_PER_MS,
        phase_ms=phase_ms,
        mark=mark,
        covariates=known_of(job),
        marks=marks,
        reported=any(phase.first is not None for phase in job.phases),
    )


def progress_of(phase: Phase, phase_ms: float) -> tuple[Mark | None, tuple[Mark, ...]]:
    """Return the worker's latest report of progress in a phase that has taken `phase_ms`, and the stored ones."""
    mark = (min(phase.reported_ns / _NS_PER_MS, phase_ms), min(1.0, phase.progress / 100)) if phase.progress else None
    return mark, tuple((min(ms, phase_ms), min(1.0, fraction)) for ms, fraction in marks_of(phase))


def finished(job: Job) -> Run | None:
    """Return the data to learn from `job`; None unless it completed with a measured phase and was not a cache hit."""
    if job.state is not State.COMPLETED or job.cache_hit:
        return None
    over = [phase for phase in job.phases if phase.state in {PhaseState.DONE, PhaseState.SKIPPED}]
    steps = tuple(_step(phase) for phase in over)
    if not any(step.ms for step in steps):
        return None
    marks = {phase.name: marks_of(phase) for phase in over if phase.marks and phase.measured}
    return Run(job.workflow.name, job.series, steps, known_of(job), marks)


def _step(phase: Phase) -> Step:
    if phase.state is PhaseState.SKIPPED:
        return Step(phase.name, skipped=True)
    measured = phase.state is PhaseState.DONE and phase.measured
    return Step(phase.name, clean_ms(phase.spent_ns / _NS_PER_MS) if measured else None)


def marks_of(phase: Phase) -> tuple[Mark, ...]:
    """Return the worker's reports of a phase's progress: the first one, and those that were stored."""
    kept = phase.marks if phase.first is None else (phase.first, *phase.marks)
    return tuple((ns / _NS_PER_MS, percent / 100) for ns, percent in kept)
