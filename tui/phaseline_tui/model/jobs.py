"""The view's job: its state at the last message, and estimates for any later time.

All texts are cleaned (see `phaseline.text`). Durations are in seconds, `now` is always in monotonic seconds, wall times
are seconds since 1970.

The structs are exempt from garbage collection, because a list may hold ten thousand jobs. A job has no reference
cycles.
"""

from typing import Final, Literal, NamedTuple

import msgspec

from phaseline.filtering.words import search_text_of
from phaseline.model.snapshot import Basis
from phaseline.model.states import PhaseState, State

__all__ = [
    "WORKER_GONE",
    "Basis",
    "Difference",
    "ErrorView",
    "JobKey",
    "JobView",
    "PhaseState",
    "PhaseView",
    "Remaining",
    "Shares",
    "State",
]

_RELIABLE_PERCENT: Final = 10.0
"""Percent of a phase from which its share of the bar follows its progress instead of its average duration."""
WORKER_GONE: Final = "worker gone"
"""The stall reason of a job whose worker's connection was lost."""


Difference = Literal["series", "host", "start"]
"""A fact that distinguishes jobs of the same name."""


class JobKey(NamedTuple):
    """Unique key of a job among several servers."""

    origin: str
    """Label of the connection to its server."""
    job_id: str


class PhaseView(msgspec.Struct, gc=False):
    """One phase of a job."""

    name: str
    state: PhaseState = PhaseState.PENDING
    offset: float | None = None
    """Seconds from the start of the job to the start of the phase; None if unknown."""
    elapsed: float | None = None
    """Duration in seconds; of the current phase, up to the job's `received`."""
    average: float | None = None
    """Average seconds in earlier jobs; None if there were none."""
    p90: float | None = None
    """90th percentile of seconds in earlier jobs; None if unknown."""
    progress: float | None = None
    """Percent, 0 to 100; None if its worker does not report it."""
    error: str = ""
    result: object = None


class ErrorView(msgspec.Struct, gc=False):
    """One error of a job."""

    kind: str
    message: str
    phase: str
    at: float | None
    details: object = None


class Remaining(msgspec.Struct, frozen=True, gc=False):
    """Estimated remaining seconds of a job, with its band if known. Negative if the job is later than estimated."""

    likely: float
    low: float | None
    high: float | None


class Shares(NamedTuple):
    """Boundaries of the parts of a job's bar: ascending percentages."""

    past: float
    """Percent at the start of the current phase."""
    percent: float
    phase: float
    """Estimated percent at the end of the current phase."""


class JobView(msgspec.Struct, gc=False):
    """One job."""

    job_id: str
    origin: str = ""
    """Label of the connection to its server."""
    name: str = ""
    """The name that users see; the id if it has no other."""
    workflow: str = ""
    series: str = ""
    host: str = ""
    state: State = State.ACTIVE
    message: str = ""

    received: float = 0.0
    """Time of the last message, for which the figures below hold."""
    percent: float = 0.0
    elapsed: float = 0.0
    remaining: Remaining | None = None
    basis: Basis = "none"
    runs: int = 0
    reasons: tuple[str, ...] = ()
    """Reasons why the estimate changed, oldest first."""
    messages: tuple[tuple[float, str], ...] = ()
    """The last messages, each with the job's elapsed seconds, oldest first."""

    phases: list[PhaseView] = []
    phase_index: int = 0
    """Number of the current phase, from 1; 0 if unknown."""
    phase_count: int = 0
    phase_from: float | None = None
    """Percent at the start of the current phase; None if its start was not received."""

    started_at: float | None = None
    completed_at: float | None = None
    duration: float | None = None
    cache_hit: bool = False
    queue: str = ""
    """The queue in which it waits, or from which it was started."""
    position: int | None = None
    """Its place in the queue while it waits, from 1."""
    begins: float | None = None
    """When it is likely to start while it waits, in monotonic seconds; None if unknown."""
    paused: bool = False
    errors: list[ErrorView] = []
    done: float | None = None
    """Units of the current phase that are done, of `total`, if its worker counts them."""
    total: float | None = None
    unit: str = ""
    rate: float | None = None
    """Units per second; None if unknown."""
    counted: tuple[float, float] | None = None
    """The job's elapsed seconds and `done` from which the rate is measured."""
    worker: object = None
    """Facts about the worker's process."""
    photo_id: str = ""
    photo_info: object = None
    details: object = None
    result: object = None

    stall_reason: str = ""
    """Why the job stalled or was lost; meaningless in other states."""
    silent_from: float | None = None
    """Time of the last report of a stalled job's worker, if known."""
    seq: int = 0
    epoch: str = ""
    size: int = 0
    """Approximate bytes of its texts and facts (see `limits`); 0 if not counted yet."""
    _search_text: str = ""
    _differs_by: tuple[Difference, ...] = ()
    _wire_id: str = ""

    @property
    def key(self) -> JobKey:
        """The key of the job."""
        return JobKey(self.origin, self.job_id)

    @property
    def wire_id(self) -> str:
        """The id as the server has it, for requests. It may hold characters that control a terminal."""
        return self._wire_id or self.job_id

    @wire_id.setter
    def wire_id(self, sent: str) -> None:
        self._wire_id = "" if sent == self.job_id else sent

    @property
    def differs_by(self) -> tuple[Difference, ...]:
        """The facts that distinguish the job from listed ones of the same name; empty if its name is unique."""
        return self._differs_by

    @differs_by.setter
    def differs_by(self, differences: tuple[Difference, ...]) -> None:
        self._differs_by = differences

    @property
    def over(self) -> bool:
        """Whether the job has ended or is lost, so that its figures no longer change."""
        return not self.state.unfinished

    @property
    def current(self) -> PhaseView | None:
        """The current or last phase; None before the first."""
        at, phases = self.phase_index, self.phases
        return phases[at - 1] if 0 < at <= len(phases) else None

    @property
    def failure(self) -> str:
        """The error of a failed, lost or cancelled job, in the worker's words if known; else empty."""
        if self.state is State.LOST:
            why = WORKER_GONE if self.stall_reason == WORKER_GONE else "no reports"
            return f"{why}, was at {int(self.percent)}%"
        if isinstance(self.result, dict):
            reason = self.result.get("error")
            if isinstance(reason, str) and reason:
                return reason
        if self.errors:
            return self.errors[-1].message or self.errors[-1].kind
        current = self.current
        return (current.error if current else "") or self.message

    @property
    def phase_name(self) -> str:
        """The name of the current or last phase, or ""."""
        return self.current.name if self.current is not None else ""

    @property
    def remark(self) -> str:
        """The message, or the error of an ended job; of a queued or paused job, that state in words."""
        if self.state is State.QUEUED:
            place = "" if self.position is None else f", place {self.position}"
            return f"waits in {self.queue}{place}" if self.queue else f"queued{place}"
        if self.paused:
            return f"paused · {self.message}" if self.message else "paused"
        return self.failure if self.over else self.message

    def elapsed_at(self, now: float) -> float:
        """Return the seconds that the job has run."""
        if self.over:
            return self.duration if self.duration is not None else self.elapsed
        return self.elapsed + max(0.0, now - self.received)

    def silence_at(self, now: float) -> float | None:
        """Return the seconds since the last report of a stalled job; None if not stalled or unknown."""
        if self.state is not State.STALLED or self.silent_from is None:
            return None
        return max(0.0, now - self.silent_from)

    def phase_elapsed_at(self, phase: PhaseView, now: float) -> float | None:
        """Return the seconds that a phase has run; None if it has not started or if this is unknown."""
        if phase.state is not PhaseState.CURRENT or self.over:
            return phase.elapsed
        if phase.offset is not None:
            return max(0.0, self.elapsed_at(now) - phase.offset)
        return None if phase.elapsed is None else phase.elapsed + max(0.0, now - self.received)

    def remaining_at(self, now: float) -> Remaining | None:
        """Return the remaining time, counted down since the last estimate; None if unknown or over."""
        left = self.remaining
        if left is None or self.state not in {State.ACTIVE, State.QUEUED}:
            return None
        passed = max(0.0, now - self.received)
        low, high = left.low, left.high
        return Remaining(
            left.likely - passed,
            None if low is None else max(0.0, low - passed),
            None if high is None else max(0.0, high - passed),
        )

    def percent_at(self, now: float) -> float:
        """Return the percentage done, 0 to 100.

        If the worker does not report the progress of the current phase, interpolate it by the average duration of the
        phase.
        """
        phase = self.current
        if self.state is not State.ACTIVE or phase is None or phase.progress is not None:
            return self.percent
        rate = self._rate()
        if not rate:
            return self.percent
        spent = self.phase_elapsed_at(phase, self.received)
        if phase.average is None or spent is None:
            return self.percent
        passed = min(max(0.0, now - self.received), max(0.0, phase.average - spent))
        return min(100.0, self.percent + rate * passed)

    def shares_at(self, now: float) -> Shares:
        """Return the boundaries of the bar's parts."""
        percent = self.percent_at(now)
        phase = self.current
        if phase is None or self.over:
            return Shares(percent, percent, percent)
        rate = self._rate()
        spent = self.phase_elapsed_at(phase, self.received)
        past = self.phase_from
        if past is None and rate and spent is not None:
            past = self.percent - rate * spent
        elif past is None:
            past = percent if self.phase_count == 0 else 100.0 * (self.phase_index - 1) / self.phase_count
        past = min(max(0.0, past), percent)
        end = percent
        if phase.progress and (phase.progress >= _RELIABLE_PERCENT or phase.average is None):
            end = past + (percent - past) * 100.0 / phase.progress
        elif rate and phase.average is not None and spent is not None:
            end = self.percent + rate * (phase.average - spent)
        return Shares(past, percent, min(100.0, max(percent, end)))

    def _rate(self) -> float:
        """Return the percent per second that the estimate implies; 0 without an estimate."""
        if self.remaining is None or self.remaining.likely <= 0:
            return 0.0
        return (100.0 - self.percent) / self.remaining.likely

    def search_text(self) -> str:
        """Return the case-folded text that the filter searches."""
        if not self._search_text:
            self._search_text = search_text_of(self)
        return self._search_text

    def clear_cache(self) -> None:
        """Clear cached values after a change of the job."""
        self._search_text = ""
