"""Snapshots: a job's full state at a moment, as plain data, and the estimate that goes with it."""

from enum import StrEnum
from typing import Any, Literal, NamedTuple

import msgspec

__all__ = [
    "Basis",
    "Brief",
    "ErrorSnapshot",
    "Estimate",
    "Moment",
    "PhaseSnapshot",
    "PhaseState",
    "Reason",
    "Snapshot",
    "State",
]

Basis = Literal["history", "similar", "progress", "none"]


class Moment(NamedTuple):
    """A moment on both clocks, in nanoseconds: the wall's for timestamps, the monotonic one for durations.

    The wall's clock may jump either way; no duration is ever computed from it.
    """

    wall_ns: int
    mono_ns: int

    def before(self, seconds: float) -> "Moment":
        """Return the moment so many seconds earlier."""
        duration_ns = round(seconds * 1e9)
        return Moment(self.wall_ns - duration_ns, self.mono_ns - duration_ns)


class State(StrEnum):
    """The states of a job."""

    ABSENT = "absent"
    ACTIVE = "active"
    STALLED = "stalled"
    LOST = "lost"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def at_work(self) -> bool:
        """Whether the job goes on, as far as is known."""
        return self in _AT_WORK

    @property
    def bad(self) -> bool:
        """Whether something went wrong that a person should look at."""
        return self in _BAD

    @property
    def ended(self) -> bool:
        """Whether the job's end is known. A lost job may still come back."""
        return self in _ENDED

    @property
    def stopped(self) -> bool:
        """Whether the job stands still though its end is not known: its figures stay as they were."""
        return self in _STOPPED


_AT_WORK = frozenset({State.ACTIVE, State.STALLED})
_BAD = frozenset({State.FAILED, State.LOST})
_ENDED = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})
_STOPPED = frozenset({State.STALLED, State.LOST})


class PhaseState(StrEnum):
    """The states of a phase."""

    PENDING = "pending"
    CURRENT = "current"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


class Estimate(msgspec.Struct, frozen=True):
    """What an engine says of an active job.

    Attributes:
        percent: 0 to 100. The job itself sees to it that what is told never falls.
        remaining_ns: The point, or None when nothing is known; never a made-up 0.
        low_ns: The band's p10, or None.
        high_ns: The band's p90, or None.
        basis: What the point stands on.
        runs: How many earlier runs are behind it.
        phase_percent: How much of the current phase is done, 0 to 100.
        phase_remaining_ns: What remains of the current phase, or None.
    """

    percent: float
    remaining_ns: int | None = None
    low_ns: int | None = None
    high_ns: int | None = None
    basis: Basis = "none"
    runs: int = 0
    phase_percent: float = 0.0
    phase_remaining_ns: int | None = None


class Reason(msgspec.Struct, frozen=True):
    """One change of more than a tenth of what remained.

    Attributes:
        at_ns: When, wall clock.
        change_ns: By how much the end moved: more than 0 is later.
        text: Why, in words.
    """

    at_ns: int
    change_ns: int
    text: str


class PhaseSnapshot(msgspec.Struct, frozen=True):
    """One phase.

    Attributes:
        started_ns: Wall clock, 0 for not yet.
        ended_ns: `started_ns` and the time spent, 0 for not yet; so no jump of the wall's clock changes a duration.
        elapsed_ns: The time spent in it.
        average_ns: What earlier runs took, or None.
        progress: What the worker said of it last, in percent, or None.
        measured: Whether its time is a measure of its work, and so may teach.
    """

    name: str
    state: PhaseState
    started_ns: int
    ended_ns: int
    elapsed_ns: int
    average_ns: int | None
    progress: float | None
    error: str
    measured: bool = True


class ErrorSnapshot(msgspec.Struct, frozen=True):
    """An error that a job reported."""

    error_type: str
    text: str
    details: dict[str, Any]
    phase: str | None
    at_ns: int


class Brief(msgspec.Struct, frozen=True, kw_only=True):
    """What every message tells of its job: a small part of a snapshot, and quickly made.

    Attributes:
        at_ns: When it was made, by the wall's clock; of an ended job, when it ended.
        phase_index: 1-based index of the current phase; after a good end, the count.
        estimate: Of an ended job: nothing remains.
    """

    at_ns: int
    photo_id: int | str | None
    workflow: str
    series: str
    host: str
    state: State
    phase_index: int
    phase_count: int
    estimate: Estimate
    elapsed_ns: int


class Snapshot(Brief, frozen=True, kw_only=True):
    """A job's full state. Times in nanoseconds, wall clock, 0 for not yet.

    Attributes:
        phase: The current phase, or after the end `completed` or `failed`, or "" before the first.
        progress: What the worker said last of its current phase, in percent.
        seq: The last event about this job.
        reasons: Why the estimate moved lately, oldest first.
        stall_reason: Why it is stalled or lost, "" otherwise.
        silent_ns: Time since its worker's last sign of life, while it is stalled or lost; 0 otherwise.
    """

    job_id: str
    info: dict[str, Any]
    phase: str
    phases: tuple[PhaseSnapshot, ...]
    text: str
    progress: float | None
    errors: tuple[ErrorSnapshot, ...]
    started_ns: int
    ended_ns: int
    result: dict[str, Any] | None
    duration: float | None
    cache_hit: bool
    seq: int
    reasons: tuple[Reason, ...] = ()
    stall_reason: str = ""
    silent_ns: int = 0

    @property
    def error(self) -> str:
        """Why the job ended badly, or ""."""
        if self.state.ended and self.state is not State.COMPLETED:
            reason = (self.result or {}).get("error")
            return str(reason) if reason else str(self.state)
        return ""
