"""Snapshots: the full state of a job at one moment with its estimate, as plain data."""

from typing import Any, Literal, NamedTuple

import msgspec

from phaseline.model.event_fields import OrderKind
from phaseline.model.states import PhaseState, State

__all__ = [
    "Basis",
    "Brief",
    "ErrorSnapshot",
    "Estimate",
    "Moment",
    "Order",
    "PhaseSnapshot",
    "Reason",
    "Snapshot",
]

Basis = Literal["history", "similar", "progress", "none"]


class Moment(NamedTuple):
    """A moment on two clocks, in nanoseconds: the wall clock for timestamps, the monotonic clock for durations.

    The wall clock may jump in either direction, so no duration is computed from it.
    """

    wall_ns: int
    mono_ns: int

    def before(self, seconds: float) -> "Moment":
        """Return the moment `seconds` earlier."""
        duration_ns = round(seconds * 1e9)
        return Moment(self.wall_ns - duration_ns, self.mono_ns - duration_ns)


class Estimate(msgspec.Struct, frozen=True):
    """An engine's estimate of an active job.

    Attributes:
        percent: Progress of the job, 0 to 100. `Job.shown_percent` makes sure that the published value never falls.
        remaining_ns: The estimated remaining time; None if unknown, never a placeholder 0.
        low_ns: The 10th percentile of the remaining time, or None.
        high_ns: The 90th percentile of the remaining time, or None.
        basis: The data that the estimate is based on.
        runs: The number of earlier runs that it is based on.
        phase_percent: Progress of the current phase, 0 to 100.
        phase_remaining_ns: Remaining time of the current phase, or None.
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
    """The reason for a change of the estimate by more than a tenth of the remaining time.

    Attributes:
        at_ns: Time of the change, wall clock.
        change_ns: Shift of the estimated end; positive is later.
        text: The reason in words.
    """

    at_ns: int
    change_ns: int
    text: str


class PhaseSnapshot(msgspec.Struct, frozen=True):
    """The state of one phase.

    Attributes:
        started_ns: Start by the wall clock; 0 if not started.
        ended_ns: `started_ns` plus the time spent, so that no jump of the wall clock changes a duration; 0 if not
            ended.
        elapsed_ns: The time spent in it.
        average_ns: Average duration in earlier runs, or None.
        progress: The last reported progress in percent, or None.
        measured: Whether its duration measures its work, so that estimates may learn from it.
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


class Order(msgspec.Struct, frozen=True):
    """An order that a job's worker has neither taken nor refused; `at_ns` is its time by the wall clock."""

    order_id: str
    order: OrderKind
    reason: str
    at_ns: int


class Brief(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a snapshot that every message contains; it is cheap to create.

    Attributes:
        at_ns: Time of creation by the wall clock; for an ended job the time of its end.
        phase_index: 1-based index of the current phase; the number of phases on completion.
        estimate: The estimate; for an ended job the remaining time is 0.
    """

    at_ns: int
    name: str
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
    """A job's full state. Times are in nanoseconds by the wall clock, 0 if not reached.

    Attributes:
        phase: The current phase; `completed` or `failed` after the end; "" before the first.
        progress: The last reported progress of the current phase, in percent.
        worker: Facts about the worker's process.
        done: The number of units of the current or last phase that are done, or None.
        total: The number of its units, or None.
        unit: The name of a unit.
        rate: Units per second, or None if unknown.
        seq: The number of the job's last event.
        results: The results of completed phases, by name; None for one that was too large to store.
        reasons: The recent large changes of the estimate, oldest first.
        stall_reason: Why it is stalled or lost, "" otherwise.
        silent_ns: Time since the worker's last report while the job is stalled or lost, 0 otherwise.
        dismissed: Whether a user dismissed it since its last report.
        queue: The queue in which it waits, or from which it was started, or "".
        position: Its place in the queue while it waits, from 1, or None.
        queued_ns: Time when it was queued, 0 if it was not.
        begins_ns: The estimated time until a queued job starts, or None if unknown.
        orders: The kinds of orders that its worker accepts.
        pending: The orders without an answer from the worker.
        paused: Whether its worker has paused it.
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
    results: dict[str, dict[str, Any] | None] = {}
    reasons: tuple[Reason, ...] = ()
    stall_reason: str = ""
    silent_ns: int = 0
    worker: dict[str, Any] = {}
    done: float | None = None
    total: float | None = None
    unit: str = ""
    rate: float | None = None
    dismissed: bool = False
    queue: str = ""
    position: int | None = None
    queued_ns: int = 0
    begins_ns: int | None = None
    orders: tuple[OrderKind, ...] = ()
    pending: tuple[Order, ...] = ()
    paused: bool = False

    @property
    def error(self) -> str:
        """The reason why the job failed or was cancelled, "" otherwise."""
        if self.state.ended and self.state is not State.COMPLETED:
            reason = (self.result or {}).get("error")
            return str(reason) if reason else str(self.state)
        return ""
