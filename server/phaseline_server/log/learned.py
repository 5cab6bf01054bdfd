"""Earlier runs in a log: the learned states, the runs to learn from, and the outcomes of runs."""

from typing import Final, NamedTuple

import msgspec

__all__ = ["MOST_WORKFLOWS", "EncodedRun", "Learned", "Outcomes", "PhaseFailures", "SlowRun"]

MOST_WORKFLOWS: Final = 20
"""Number of workflows whose slowest runs are named in full."""


class EncodedRun(NamedTuple):
    """A run to learn from: a `phaseline.eta.observed.Run` as JSON, and the number of the event that ended it."""

    seq: int
    workflow: str
    series: str
    body: bytes


class Learned(NamedTuple):
    """Everything that estimates start with.

    Attributes:
        states: The learned states, by kind and key.
        runs: The runs to learn from, oldest first.
        durations: Workflow, series, phase and nanoseconds of each phase that ended well, oldest first.
    """

    states: dict[tuple[str, str], bytes]
    runs: list[EncodedRun]
    durations: list[tuple[str, str, str, int]]


class PhaseFailures(msgspec.Struct, frozen=True):
    """The number of runs of a workflow that failed in a phase."""

    workflow: str
    phase: str
    count: int


class SlowRun(msgspec.Struct, frozen=True):
    """A run that took long."""

    job_id: str
    workflow: str
    series: str
    duration_ns: int
    ended_ns: int


class Outcomes(NamedTuple):
    """The ends of runs: the phases in which they failed, most failures first; and the runs that took longest."""

    failures: list[PhaseFailures]
    slowest: list[SlowRun]
