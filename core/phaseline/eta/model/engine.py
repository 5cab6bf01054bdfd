"""The engine behind `phaseline.eta.Engine`: estimates of jobs by the model, learned from jobs that finished."""

import re
from collections import OrderedDict
from math import inf
from typing import Final

from phaseline.eta.model.history import History
from phaseline.eta.model.inference import Answer
from phaseline.eta.model.overdue import Overdue
from phaseline.eta.model.pace import Pace
from phaseline.eta.model.predictor import COLD, Outlook, Predictor
from phaseline.eta.model.store import MAX_SERIES, Key, Store
from phaseline.eta.observed import Observed, Run, finished, observe
from phaseline.model.job import Job
from phaseline.model.snapshot import Basis, Estimate, Moment

__all__ = ["ModelEngine"]

_NS_PER_MS: Final = 1e6
_MAX_NS: Final = 2**62
# Minimum remaining time of an active job; 0 means that it has ended.
_LEAST_NS: Final = 1_000_000
# Maximum number of cached outlooks; a dropped one is computed again.
_KEPT: Final = 4096
_NUMBERED: Final = re.compile(r"[\s#]\d{1,6}$")
"""The name of one of several phases: `epoch 1`."""


class ModelEngine:
    """Estimates jobs from the durations of earlier ones. Not thread-safe."""

    def __init__(self, max_series: int = MAX_SERIES, *, by_length: bool = True) -> None:
        """Create an engine without history.

        Args:
            max_series: Maximum number of series; the least recently used one is forgotten.
            by_length: Weight the draws by 1/length, which minimizes the error relative to a run's length; see
                `Progress.ask`.
        """
        self._store = Store(max_series)
        self._predictor = Predictor(self._store, by_length=by_length)
        self._outlooks: OrderedDict[str, Outlook] = OrderedDict()
        self._overdue = Overdue()

    # ------------------------------------------------------------------ learning and storing

    def learn(self, job: Job) -> Key | None:
        """Learn from an ended job, and return the key of the series that changed, or None.

        It learns only from completed jobs that were not cache hits. `encode(key)` then returns the new state of the
        series.
        """
        run = finished(job)
        if run is not None:
            return self.learn_run(run, job.job_id)
        self._end(job.job_id)
        return None

    def learn_run(self, run: Run, job_id: str = "") -> Key:
        """Learn from the run of a completed job; the same runs in the same order give the same state."""
        self._end(job_id)
        self._predictor.learn(run)
        return run.workflow, run.series

    def keys(self) -> list[Key]:
        """Return the known series, the least recently used first."""
        return self._store.keys()

    def encode(self, key: Key) -> bytes:
        """Return one series' state, at most 64 KiB.

        Raises:
            KeyError: The series is unknown.
        """
        history = self._store.get(key)
        if history is None:
            raise KeyError(key)
        return history.encode()

    def decode(self, key: Key, data: bytes) -> None:
        """Restore one series' state from the result of `encode`.

        Raises:
            ValueError: `data` is damaged or from another version; nothing has changed. Learn the series' runs again.
        """
        history = History.decode(data)
        self._store.put(key, history)
        for row in history.rows[:1]:
            self._store.note_lengths(key[0], row)

    def encode_common(self) -> bytes:
        """Return the state that all series share: levels of the band, and the usual duration of a phase."""
        return self._store.encode()

    def decode_common(self, data: bytes) -> None:
        """Restore the result of `encode_common`, after the series' states.

        Raises:
            ValueError: `data` is damaged or from another version; nothing has changed.
        """
        self._store.decode(data)

    def forget(self, key: Key | None = None) -> None:
        """Forget one series, or everything."""
        for each in self.keys() if key is None else [key]:
            self._store.forget(each)

    # ------------------------------------------------------------------ estimating

    def estimate(self, job: Job, now: Moment) -> Estimate:
        """See `phaseline.eta.Engine`."""
        if job.state.ended:
            self._end(job.job_id)
            return Estimate(percent=job.percent, basis="none")
        return self.estimate_observed(observe(job, now), job.job_id)

    def estimate_observed(self, seen: Observed, job_id: str = "") -> Estimate:
        """Estimate an observed job; a repeated call with the same `job_id` costs less."""
        later = _expected(seen, self._store.get((seen.workflow, seen.series)))
        outlook = self._outlook(seen, later, job_id)
        found = self._predictor.pace((seen.workflow, seen.series), seen.mark, seen.marks, seen.phase_ms)
        basis = _basis(outlook, seen, found)
        if basis == "none":
            return Estimate(percent=0.0)
        index, phase_ms = outlook.index, seen.phase_ms
        current = None if seen.current is None else index.get(seen.current)
        places = [index[name] for name in later if name in index]
        if seen.current is None and places and not any(step.ms for step in seen.done):
            # Only runs with a phase are learned from, so one will follow; a worker may report its start late.
            current, phase_ms = outlook.first(places), seen.elapsed_ms
            places.remove(current)
        asked = (outlook, current, places, seen.elapsed_ms, phase_ms)
        answer = self._predictor.ask(*asked, found, self._overdue.misses(job_id))
        least_ms = 0.0
        if found is not None and found.single:
            # It may be the start of a resumed phase. As percent never falls, it waits for a second report.
            least_ms = inf if basis == "progress" else self._predictor.ask(*asked, None).cautious
        elif found is not None and not places:
            least_ms = found.rest(seen.phase_ms)
        return _estimate_from(answer, seen, basis, outlook.runs or outlook.borrowed, least_ms)

    def watch(self, job_id: str, elapsed_ns: int, estimate: Estimate) -> None:
        """Record the present estimate of an active job, until `learn` or `estimate` finds it ended.

        If its series has few runs and it will exceed its first band, the bands of other such jobs end higher.
        """
        if estimate.low_ns is None or estimate.high_ns is None:
            return
        if estimate.basis == "similar" or (estimate.basis == "history" and estimate.runs < COLD):
            self._overdue.begin(job_id, elapsed_ns + estimate.high_ns)
        self._overdue.note(job_id, elapsed_ns + estimate.low_ns)

    def _end(self, job_id: str) -> None:
        self._outlooks.pop(job_id, None)
        self._overdue.forget(job_id)

    def _outlook(self, seen: Observed, later: tuple[str, ...], job_id: str) -> Outlook:
        """Return the outlook of a job; reuse the cached one if nothing has changed but more finished phases."""
        names = (*(step.name for step in seen.done), *((seen.current,) if seen.current else ()), *later)
        ground = self._predictor.ground((seen.workflow, seen.series), names, seen.covariates, seen.done)
        kept = self._outlooks.get(job_id)
        if kept is not None and kept.advance(ground):
            return kept
        made = Outlook(ground)
        if job_id:
            self._outlooks[job_id] = made
            while len(self._outlooks) > _KEPT:
                self._outlooks.popitem(last=False)
        return made


def _expected(seen: Observed, history: History | None) -> tuple[str, ...]:
    """Return the phases that may follow: announced ones and, unless the workflow is declared, those of earlier runs."""
    if seen.declared or history is None:
        return seen.later
    come = [*(step.name for step in seen.done), *([seen.current] if seen.current else [])]
    place = max((history.index[name] for name in come if name in history.index), default=-1)
    known = {*come, *seen.later}
    return (*seen.later, *(name for name in history.names[place + 1 :] if name not in known))


def _basis(outlook: Outlook, seen: Observed, found: Pace | None) -> Basis:
    """Return the basis of an estimate: `none` without earlier runs and without reported progress."""
    if outlook.runs:
        return "history"
    if outlook.borrowed:
        return "similar"
    if not seen.declared and not seen.later and _NUMBERED.search(seen.current or ""):
        return "none"  # it is one of several, whose number is unknown
    if found is not None and found.sure:
        return "progress"
    return "progress" if seen.reported and any(step.ms for step in seen.done) else "none"


def _estimate_from(answer: Answer, seen: Observed, basis: Basis, runs: int, least_ms: float) -> Estimate:
    """Return an estimate; its percent assumes a remaining time of at least `least_ms`."""
    length = seen.elapsed_ms + max(answer.cautious, least_ms)
    phase = seen.phase_ms + answer.phase
    phase_percent = 100 * seen.mark[1] if seen.mark else 100 * seen.phase_ms / phase if phase > 0 else 0.0
    low, high = min(answer.low, answer.point), max(answer.high, answer.point)
    return Estimate(
        percent=min(99.0, 100 * seen.elapsed_ms / length) if length > 0 else 0.0,
        remaining_ns=max(_LEAST_NS, _ns(answer.point)),
        low_ns=_ns(low),
        high_ns=max(_LEAST_NS, _ns(high)),
        basis=basis,
        runs=runs,
        phase_percent=phase_percent if seen.mark else min(99.0, phase_percent),
        phase_remaining_ns=_ns(answer.phase) if seen.current is not None else None,
    )


def _ns(ms: float) -> int:
    return min(_MAX_NS, max(0, round(ms * _NS_PER_MS)))
