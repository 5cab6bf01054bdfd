"""The model behind the interface for replaying traces: see `phaseline.eta.backtest.Replayable`.

`Model` describes each moment to the engine. `Live` drives what a server drives: a job, its events, and the estimates in
between. Both must have the same scores; otherwise users see other estimates than those that were measured.
"""

from collections.abc import Iterator, Sequence
from math import inf
from typing import Final

from phaseline.eta.backtest import Past, Situation
from phaseline.eta.model.engine import ModelEngine
from phaseline.eta.observed import Mark, Observed, Run, Step, marks_of, progress_of
from phaseline.model.events import Event, JobCompleted, JobProgress, JobStarted, PhaseCompleted
from phaseline.model.job import Job
from phaseline.model.phase import Phase
from phaseline.model.snapshot import Estimate, Moment

__all__ = ["Answer", "Clock", "Live", "Model"]

_NS_PER_MS: Final = 1e6
_WORKFLOW: Final = "replay"
# Maximum number of estimates per run, evenly spaced; a shorter run is estimated once per virtual second.
_MOST_ASKED: Final = 40

Answer = tuple[float, tuple[float, float, float] | None, float]
"""The remaining milliseconds, their band or None, and the percent."""


class _Overlapping:
    """The runs that have begun and have not been learned from."""

    def __init__(self) -> None:
        """Start without runs."""
        self._begun: dict[str, Past] = {}

    def begin(self, run: Past) -> Iterator[tuple[Past, float]]:
        """Record the beginning of a run; yield the runs that are active then, each with its time so far."""
        self._begun[_job_id(run)] = run
        for other in self._begun.values():
            ms = run.start - other.start
            if 0 < ms < other.total or other is run:
                yield other, ms

    def end(self, run: Past) -> None:
        """Record that a run is learned from."""
        self._begun.pop(_job_id(run), None)


class Model:
    """Estimates from the known state at a moment; percent never falls within a run."""

    by_length = True

    def __init__(self) -> None:
        """Start without history."""
        self._engine = ModelEngine(by_length=self.by_length)
        self._overlapping = _Overlapping()
        self._run: Past | None = None
        self._percent = 0.0

    def learn(self, run: Past) -> None:
        """Learn from a finished run."""
        self._overlapping.end(run)
        parts = zip(run.names, run.dur, run.skip, strict=True)
        steps = tuple(Step(name, None if skip else ms, skip) for name, ms, skip in parts)
        phases = zip(run.names, run.marks, run.dur, strict=True)
        marks = {name: marks_of(_marked(given, ms)) for name, given, ms in phases if given}
        self._engine.learn_run(Run(_WORKFLOW, run.series, steps, run.cov, marks), _job_id(run))

    def begin(self, run: Past) -> None:
        """Start the estimates of another run."""
        self._run, self._percent = run, 0.0
        for active, ms in self._overlapping.begin(run):
            estimate = self._estimate(Situation(active, ms), active)
            self._engine.watch(_job_id(active), round(ms * _NS_PER_MS), estimate)

    def query(self, state: Situation) -> Answer:
        """Return the remaining time of a run."""
        estimate = self._estimate(state, self._run)
        self._percent = max(self._percent, estimate.percent)
        return _answer(estimate, self._percent, state.t)

    def _estimate(self, state: Situation, run: Past | None) -> Estimate:
        parts = zip(state.names, state.done, state.skipped, strict=False)
        marks = run.marks if run is not None else [None] * len(state.names)
        so_far = [
            _marked(given or (), state.e if k == state.k else inf) for k, given in enumerate(marks[: state.k + 1])
        ]
        mark, kept = progress_of(so_far[-1], state.e)
        seen = Observed(
            workflow=_WORKFLOW,
            series=state.series,
            done=tuple(Step(name, None if skip else ms, skip) for name, ms, skip in parts),
            current=state.names[state.k],
            later=tuple(state.names[state.k + 1 :]),
            elapsed_ms=state.t,
            phase_ms=state.e,
            mark=mark,
            covariates=state.cov,
            marks=kept,
            reported=any(phase.first is not None for phase in so_far),
        )
        return self._engine.estimate_observed(seen, "run" if run is None else _job_id(run))


class Clock(Model):
    """A `Model` whose draws are not weighted by length; see `by_length` in `Progress.ask`."""

    by_length = False


class Live:
    """Estimates as a server does: applies a run's events to a job on a virtual clock, with an estimate after each."""

    def __init__(self) -> None:
        """Start without history."""
        self._engine = ModelEngine()
        self._overlapping = _Overlapping()
        self._job = Job("")
        self._coming: list[tuple[float, Event | None]] = []

    def learn(self, run: Past) -> None:
        """Apply all events of a run to a job, and learn from it."""
        self._overlapping.end(run)
        self._engine.learn(_job_at(run, inf))

    def begin(self, run: Past) -> None:
        """Start a job; its events are applied when a later moment is queried."""
        for active, ms in self._overlapping.begin(run):
            estimate = self._engine.estimate(_job_at(active, ms), _moment(ms))
            self._engine.watch(_job_id(active), round(ms * _NS_PER_MS), estimate)
        self._job = Job(_job_id(run))
        step = max(1000.0, run.total / _MOST_ASKED)
        asked: list[tuple[float, Event | None]] = [(i * step, None) for i in range(1, int(run.total / step) + 1)]
        # The sort is stable: what happens at a moment comes before the question.
        self._coming = sorted([*_events(run, self._job.job_id), *asked], key=lambda each: each[0])[::-1]

    def query(self, state: Situation) -> Answer:
        """Apply all events up to a moment, with estimates in between, and return the last estimate."""
        while self._coming and self._coming[-1][0] <= state.t:
            ms, event = self._coming.pop()
            if event is not None:
                self._job.apply(event, _moment(ms))
            self._job.shown_percent(self._engine.estimate(self._job, _moment(ms)).percent)
        estimate = self._engine.estimate(self._job, _moment(state.t))
        return _answer(estimate, self._job.shown_percent(estimate.percent), state.t)


def _answer(estimate: Estimate, percent: float, elapsed_ms: float) -> Answer:
    """Return an answer. An unknown estimate becomes the elapsed time (Gott 1993), because a score needs a number."""
    if estimate.remaining_ns is None or estimate.low_ns is None or estimate.high_ns is None:
        return elapsed_ms, None, percent
    point, low, high = (ns / _NS_PER_MS for ns in (estimate.remaining_ns, estimate.low_ns, estimate.high_ns))
    return point, (low, point, high), percent


def _job_id(run: Past) -> str:
    """Return a name for a run that no other run has at the time."""
    return f"{run.series} {id(run)}"


def _job_at(run: Past, ms: float) -> Job:
    """Return the job of a run as it is after `ms` milliseconds."""
    job = Job(_job_id(run))
    for at, event in _events(run, job.job_id):
        if at <= ms:
            job.apply(event, _moment(at))
    return job


def _moment(ms: float) -> Moment:
    return Moment(0, round(ms * _NS_PER_MS))


def _events(run: Past, job_id: str) -> Iterator[tuple[float, Event]]:
    """Yield a worker's reports of a run with their times in milliseconds; each phase ends before the next begins."""
    yield (
        0.0,
        JobStarted(
            job_id=job_id, workflow=_WORKFLOW, series=run.series, phases=tuple(run.names), photo_info=dict(run.cov)
        ),
    )
    began = 0.0
    for name, ms, skip, marks in zip(run.names, run.dur, run.skip, run.marks, strict=True):
        if skip:
            yield began, PhaseCompleted(job_id=job_id, phase=name, skipped=True)
            continue
        yield began, JobProgress(job_id=job_id, phase=name)
        for at, fraction in marks or ():
            if at <= ms:
                yield began + at, JobProgress(job_id=job_id, phase=name, progress=100 * fraction)
        began += ms
        yield began, PhaseCompleted(job_id=job_id, phase=name)
    yield began, JobCompleted(job_id=job_id)


def _marked(marks: Sequence[Mark], ms: float) -> Phase:
    """Return a phase with the reports in `marks` up to `ms`."""
    phase = Phase("", entered_ns=0)
    for at, fraction in marks:
        if at <= ms:
            phase.report(100 * fraction, _moment(at))
    return phase
