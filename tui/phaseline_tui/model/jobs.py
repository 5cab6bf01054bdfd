"""A job as the screen knows it: what the server last said, and what follows from that for any later time.

All texts in here are clean (see `phaseline.text`). Durations are seconds; `now` is always a reading of the monotonic
clock in seconds; wall times are seconds since 1970.

Structs without garbage collection, because a list may hold ten thousand jobs: nothing in a job leads back to it.
"""

from typing import Final, NamedTuple

import msgspec

from phaseline.model.snapshot import Basis, PhaseState, State

__all__ = [
    "WORKER_GONE",
    "Basis",
    "ErrorView",
    "JobKey",
    "JobView",
    "PhaseState",
    "PhaseView",
    "Remaining",
    "Shares",
    "State",
]

_TELLING: Final = 10.0
"""Percent of a phase that must be done before its share of the bar is told by it rather than by the average."""
WORKER_GONE: Final = "worker gone"
"""The reason why a job stalled whose worker's connection was lost."""


class JobKey(NamedTuple):
    """What tells a job from every other, in a list merged from several servers."""

    origin: str
    """The label of the connection that told of it."""
    job_id: str


class PhaseView(msgspec.Struct, gc=False):
    """One phase of a job."""

    name: str
    state: PhaseState = PhaseState.PENDING
    offset: float | None = None
    """Seconds from the job's start to the phase's; None if unknown."""
    elapsed: float | None = None
    """Seconds it took, or had taken at the job's `received`."""
    average: float | None = None
    """Seconds it took in earlier jobs; None if there were none."""
    p90: float | None = None
    """Seconds that nine of ten earlier jobs did not exceed; None if nobody told."""
    progress: float | None = None
    """0 to 100, as far as its worker tells."""
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
    """How long a job still takes: seconds, with the band if there is one. Below zero: later than was thought."""

    likely: float
    low: float | None
    high: float | None


class Shares(NamedTuple):
    """Where a job's bar changes its shade, each 0 to 100 and none below the one before it."""

    past: float
    """Percent at which the current phase began."""
    percent: float
    phase: float
    """Percent at which the current phase will likely end."""


class JobView(msgspec.Struct, gc=False):
    """One job."""

    job_id: str
    origin: str = ""
    """The label of the connection that told of it."""
    name: str = ""
    """Short: a file's name, a picture's address, or the id."""
    workflow: str = ""
    series: str = ""
    host: str = ""
    state: State = State.ACTIVE
    message: str = ""

    received: float = 0.0
    """When the figures of progress below were right."""
    percent: float = 0.0
    elapsed: float = 0.0
    remaining: Remaining | None = None
    basis: Basis = "none"
    runs: int = 0
    reasons: tuple[str, ...] = ()
    """Why the estimate moved, oldest first."""
    told: tuple[tuple[float, str], ...] = ()
    """The latest messages and for how many seconds the job had run, oldest first."""

    phases: list[PhaseView] = []
    phase_index: int = 0
    """Of the current phase, from 1; 0 if none is known."""
    phase_count: int = 0
    phase_from: float | None = None
    """Percent at which the current phase began, if that was seen."""

    started_at: float | None = None
    completed_at: float | None = None
    duration: float | None = None
    cache_hit: bool = False
    errors: list[ErrorView] = []
    photo_id: str = ""
    photo_info: object = None
    details: object = None
    result: object = None

    stall_reason: str = ""
    """Why a job stalled or was lost; what stands here of any other job is old."""
    silent_from: float | None = None
    """Since when nothing has been heard of a stalled job's worker, if that is known."""
    seq: int = 0
    epoch: str = ""
    _haystack: str = ""

    @property
    def key(self) -> JobKey:
        """What the job is found by."""
        return JobKey(self.origin, self.job_id)

    @property
    def over(self) -> bool:
        """Whether the job has ended, or was lost: its figures stand still."""
        return not self.state.at_work

    @property
    def current(self) -> PhaseView | None:
        """The phase that the job is in, or ended in; None before the first."""
        at, phases = self.phase_index, self.phases
        return phases[at - 1] if 0 < at <= len(phases) else None

    @property
    def failure(self) -> str:
        """Why the job ended badly, in the worker's words if it is known; empty if nothing is known."""
        if self.state is State.LOST:
            why = WORKER_GONE if self.stall_reason == WORKER_GONE else "not heard of again"
            return f"{why}, was at {int(self.percent)}%"
        if isinstance(self.result, dict):
            reason = self.result.get("error")
            if isinstance(reason, str) and reason:
                return reason
        if self.errors:
            return self.errors[-1].message or self.errors[-1].kind
        current = self.current
        return (current.error if current else "") or self.message

    def elapsed_at(self, now: float) -> float:
        """Return for how many seconds the job has run, or ran."""
        if self.over:
            return self.duration if self.duration is not None else self.elapsed
        return self.elapsed + max(0.0, now - self.received)

    def silence_at(self, now: float) -> float | None:
        """Return for how many seconds a stalled job has been silent; None if it is not stalled, or nobody knows."""
        if self.state is not State.STALLED or self.silent_from is None:
            return None
        return max(0.0, now - self.silent_from)

    def phase_elapsed_at(self, phase: PhaseView, now: float) -> float | None:
        """Return for how many seconds a phase has run, or ran; None if it has not begun or nobody knows."""
        if phase.state is not PhaseState.CURRENT or self.over:
            return phase.elapsed
        if phase.offset is not None:
            return max(0.0, self.elapsed_at(now) - phase.offset)
        return None if phase.elapsed is None else phase.elapsed + max(0.0, now - self.received)

    def remaining_at(self, now: float) -> Remaining | None:
        """Return the time left, counted down since the estimate came; None when unknown or over."""
        left = self.remaining
        if left is None or self.state is not State.ACTIVE:
            return None
        passed = max(0.0, now - self.received)
        low, high = left.low, left.high
        return Remaining(
            left.likely - passed,
            None if low is None else max(0.0, low - passed),
            None if high is None else max(0.0, high - passed),
        )

    def percent_at(self, now: float) -> float:
        """Return the percent done, 0 to 100.

        A phase whose worker tells nothing moves on between messages as its average says, and waits at its end.
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
        """Return where the bar changes its shade."""
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
        if phase.progress and (phase.progress >= _TELLING or phase.average is None):
            end = past + (percent - past) * 100.0 / phase.progress
        elif rate and phase.average is not None and spent is not None:
            end = self.percent + rate * (phase.average - spent)
        return Shares(past, percent, min(100.0, max(percent, end)))

    def _rate(self) -> float:
        """Return percent per second, as the estimate implies it; 0 if there is none."""
        if self.remaining is None or self.remaining.likely <= 0:
            return 0.0
        return (100.0 - self.percent) / self.remaining.likely

    def haystack(self) -> str:
        """Return the case-folded text in which the filter looks."""
        if not self._haystack:
            phase = self.current
            state = "completed done" if self.state is State.COMPLETED else self.state.value
            words = (
                self.job_id, self.name, self.series, self.workflow, self.host, self.origin, state,
                phase.name if phase else "",
            )  # fmt: skip
            self._haystack = "\n".join(words).casefold()
        return self._haystack

    def touched(self) -> None:
        """Forget what was derived: the job has changed."""
        self._haystack = ""
