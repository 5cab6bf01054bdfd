"""Statistics of earlier runs, decoded from `/metrics/phases` and `/metrics/eta`.

Pure. All texts are cleaned and all numbers finite. Durations are in seconds; errors of estimates are fractions of a
run's duration.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from phaseline.text import one_line
from phaseline_tui.model.decoding import decode_answer
from phaseline_tui.model.jobs import JobView
from phaseline_tui.model.wire_values import measured_seconds

__all__ = [
    "EtaFigures",
    "Failures",
    "Figures",
    "PhaseFigures",
    "SlowRun",
    "from_jobs",
    "in_order",
    "read_eta",
    "read_phases",
]

_MAX_ROWS: Final = 2000
_MAX_RECENT: Final = 64


class PhaseFigures(msgspec.Struct, frozen=True):
    """Durations of a phase in the jobs of one series."""

    workflow: str
    phase: str
    series: str | None = ""
    count: int | None = 0
    avg_seconds: float | None = None
    """Exponential moving average."""
    p50_seconds: float | None = None
    p95_seconds: float | None = None
    p99_seconds: float | None = None
    recent_seconds: list[float] = []
    """Durations of the last runs, oldest first."""


class Failures(msgspec.Struct, frozen=True):
    """Number of jobs of a workflow that failed in a phase."""

    workflow: str
    phase: str | None = ""
    count: int = 0


class SlowRun(msgspec.Struct, frozen=True):
    """One of the longest runs."""

    job_id: str
    workflow: str = ""
    series: str | None = ""
    seconds: float = 0.0
    ended_at: str | None = None


class _Error(msgspec.Struct, frozen=True):
    median_error: float | None = None
    coverage: float | None = None


class EtaFigures(msgspec.Struct, frozen=True):
    """Accuracy of the estimated remaining times of a series."""

    workflow: str
    series: str | None = ""
    runs: int | None = 0
    model: _Error = _Error()
    ema: _Error = _Error()


class _Phases(msgspec.Struct):
    phases: list[PhaseFigures] = []
    failures: list[Failures] = []
    slowest: list[SlowRun] = []


class _Eta(msgspec.Struct):
    series: list[EtaFigures] = []


@dataclass(frozen=True, slots=True)
class Figures:
    """All statistics of one server."""

    phases: tuple[PhaseFigures, ...] = ()
    failures: tuple[Failures, ...] = ()
    slowest: tuple[SlowRun, ...] = ()
    eta: tuple[EtaFigures, ...] = ()
    note: str = ""
    """Text of why statistics are missing; empty if they are complete."""


def read_phases(body: bytes) -> Figures:
    """Decode a response of `/metrics/phases`.

    Raises:
        ValueError: The body is invalid.
    """
    read = decode_answer(body, _Phases)
    return Figures(
        tuple(
            PhaseFigures(
                one_line(each.workflow),
                one_line(each.phase),
                one_line(each.series or ""),
                max(0, each.count or 0),
                measured_seconds(each.avg_seconds),
                measured_seconds(each.p50_seconds),
                measured_seconds(each.p95_seconds),
                measured_seconds(each.p99_seconds),
                [value for value in map(measured_seconds, each.recent_seconds[-_MAX_RECENT:]) if value is not None],
            )
            for each in read.phases[:_MAX_ROWS]
        ),
        tuple(
            Failures(one_line(each.workflow), one_line(each.phase or ""), max(0, each.count))
            for each in read.failures[:_MAX_ROWS]
        ),
        tuple(
            SlowRun(
                one_line(each.job_id),
                one_line(each.workflow),
                one_line(each.series or ""),
                measured_seconds(each.seconds) or 0.0,
                one_line(each.ended_at or ""),
            )
            for each in read.slowest[:_MAX_ROWS]
        ),
    )


def read_eta(figures: Figures, body: bytes) -> Figures:
    """Return `figures` with the decoded response of `/metrics/eta`.

    Raises:
        ValueError: The body is invalid.
    """
    read = decode_answer(body, _Eta)
    eta = tuple(
        EtaFigures(one_line(each.workflow), one_line(each.series or ""), max(0, each.runs or 0), each.model, each.ema)
        for each in read.series[:_MAX_ROWS]
    )
    return replace(figures, eta=eta)


def from_jobs(jobs: Iterable[JobView], note: str) -> Figures:
    """Return the averages and failures known from the jobs; `note` is the reason for having no more."""
    averages: dict[tuple[str, str, str], PhaseFigures] = {}
    failed: dict[tuple[str, str], int] = {}
    for job in jobs:
        for phase in job.phases:
            if phase.average is not None:
                key = (job.workflow, "", phase.name)
                averages[key] = PhaseFigures(job.workflow, phase.name, avg_seconds=phase.average)
        if job.state.bad:
            place = (job.workflow, job.current.name if job.current else "")
            failed[place] = failed.get(place, 0) + 1
    failures = [Failures(workflow, phase, count) for (workflow, phase), count in failed.items()]
    failures.sort(key=lambda each: -each.count)
    return Figures(tuple(averages.values()), tuple(failures), note=note)


def in_order(phases: Iterable[PhaseFigures], jobs: Iterable[JobView]) -> list[PhaseFigures]:
    """Return the phases sorted by workflow, series and, as far as `jobs` show it, their order in the workflow."""
    places: dict[tuple[str, str], int] = {}
    for job in jobs:
        for number, phase in enumerate(job.phases):
            places.setdefault((job.workflow, phase.name), number)
    unknown = len(places)
    return sorted(
        phases, key=lambda each: (each.workflow, each.series or "", places.get((each.workflow, each.phase), unknown))
    )
