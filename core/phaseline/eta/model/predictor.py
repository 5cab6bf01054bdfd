"""Predict the remaining time of an active run, and learn from a finished one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from phaseline.eta.model.band import EARLY, Outside
from phaseline.eta.model.components import Blend, Mixture
from phaseline.eta.model.covariates import Value, read
from phaseline.eta.model.history import MAX_NAMES, History
from phaseline.eta.model.inference import Answer, Progress, Question
from phaseline.eta.model.pace import Pace, bias_of, noise_of, pace
from phaseline.eta.model.store import Key, Store
from phaseline.eta.observed import Mark, Run, Step, clean_ms

__all__ = ["COLD", "Ground", "Outlook", "Predictor"]

# Moments at which a finished run is evaluated: the first ones, then the middles of eight equal parts.
_PARTS: Final = 8
_LOOKS: Final = (*EARLY, *((part + 0.5) / _PARTS for part in range(_PARTS)))
# Steps of the band's levels per run: for a series, for the whole server, and for the server's series with few runs.
_PACE: Final = 0.1
_SERVER_PACE: Final = 0.025
_COLD_PACE: Final = 0.05
# The state of a series without runs.
_NEW: Final = History()
# A series with fewer runs is one with few runs.
COLD: Final = 5
# A phase that is skipped more often than this is usually skipped.
_MOSTLY: Final = 0.5
# Decay, per run, of the sums of the noise of progress: for a series, and for the whole server.
_NOISE_KEPT: Final = 0.95
_SERVER_NOISE_KEPT: Final = 0.98


class Ground(NamedTuple):
    """All inputs of an outlook; equal inputs give equal outlooks.

    Attributes:
        key: The series.
        blend: The mixture for its runs. `Store.blend` returns another object after a change.
        done: The finished phases.
        known: The run's covariates.
    """

    key: Key
    blend: Blend
    done: tuple[Step, ...]
    known: dict[str, Value]


class Outlook:
    """An active run after its finished phases.

    Attributes:
        ground: Its inputs.
        index: Indices of all phases that are expected or have occurred, at most 500, by name.
        progress: The posterior after the finished phases.
        runs: Number of earlier runs of its series.
        borrowed: Number of runs of other series that it is based on.
    """

    def __init__(self, ground: Ground) -> None:
        """Apply the finished phases."""
        self.ground = ground
        self.index = {name: i for i, name in enumerate(ground.blend.names)}
        self.progress = Progress(Mixture(ground.blend, ground.known))
        self.runs, self.borrowed = ground.blend.runs, ground.blend.borrowed
        self._finish(ground.done)

    def advance(self, ground: Ground) -> bool:
        """Apply the newly finished phases. Return False, and change nothing, if any other input differs.

        The result equals a new outlook, whose cost grows with the number of finished phases.
        """
        before, known = self.ground, len(self.ground.done)
        if (
            ground.blend is not before.blend
            or ground.key != before.key
            or ground.known != before.known
            or ground.done[:known] != before.done
        ):
            return False
        self._finish(ground.done[known:])
        self.ground = ground
        return True

    def first(self, later: Sequence[int]) -> int:
        """Return the first of these phases that most runs don't skip; if there is none, the least skipped one."""
        skip = self.ground.blend.usual_skip
        return next((p for p in later if skip[p] < _MOSTLY), min(later, key=skip.__getitem__))

    def _finish(self, steps: Iterable[Step]) -> None:
        for step in steps:
            at = self.index.get(step.name)
            if at is not None:
                self.progress.finish(at, step.ms, skipped=step.skipped)


class Predictor:
    """The model, without jobs and clocks."""

    def __init__(self, store: Store | None = None, *, by_length: bool = True) -> None:
        """Predict from the series in `store`; `by_length` as in `Progress.ask`."""
        self.store = Store() if store is None else store
        self.by_length = by_length

    def ground(
        self, key: Key, names: Sequence[str], covariates: Mapping[str, Any], done: tuple[Step, ...] = ()
    ) -> Ground:
        """Return the inputs of the outlook of a run with these phases, of which `done` have finished."""
        return Ground(key, self.store.blend(key, tuple(names[:MAX_NAMES])), done, read(covariates))

    def begin(self, key: Key, names: Sequence[str], covariates: Mapping[str, Any]) -> Outlook:
        """Return the outlook of a run with these phases, none of them finished."""
        return Outlook(self.ground(key, names, covariates))

    def ask(
        self,
        outlook: Outlook,
        current: int | None,
        later: Sequence[int],
        elapsed_ms: float,
        phase_ms: float,
        found: Pace | None,
        misses: int = 0,
    ) -> Answer:
        """Return the remaining time of the run; all but `misses`, the number of overdue jobs, is as in `Question`."""
        history, store = self.store.get(outlook.ground.key) or _NEW, self.store
        cold = outlook.runs < COLD
        noise = history.noise
        if found is not None and found.shown:
            noise = noise.after(found.log_c, runs=found.shown)
        return outlook.progress.ask(
            Question(
                current,
                later,
                elapsed_ms,
                phase_ms,
                found,
                noise.trust(store.noise),
                store.cold.missed(misses, _COLD_PACE) if cold else history.band.beside(store.band),
                self.by_length,
                alone=not outlook.runs and not outlook.borrowed,
            )
        )

    def pace(self, key: Key, mark: Mark | None, marks: Sequence[Mark], phase_ms: float) -> Pace | None:
        """Return the length that progress implies in a run of this series; see `pace`."""
        return pace(mark, marks, phase_ms, (self.store.get(key) or _NEW).bias.bias())

    def learn(self, run: Run) -> None:
        """Learn from a completed run: first from the band it would have had, then from its durations."""
        steps = tuple(Step(step.name, clean_ms(step.ms), step.skipped) for step in run.steps[:MAX_NAMES])
        if not any(step.ms for step in steps):
            return
        key = (run.workflow, run.series)
        self._judge(key, self.store.opened(key), run, steps)
        self.store.learn(key, Run(run.workflow, run.series, steps, run.covariates))

    def _judge(self, key: Key, history: History, run: Run, steps: Sequence[Step]) -> None:
        """Move the levels of the band according to how often the truth was outside it."""
        outlook = self.begin(key, [step.name for step in steps], run.covariates)
        spent = [step.ms or 0.0 for step in steps]
        total, started = sum(spent), 0.0
        moments = [total * share for share in _LOOKS]
        missed: list[tuple[bool, bool]] = []
        for k, step in enumerate(steps):
            ended = started + spent[k]
            while len(missed) < len(moments) and (t := moments[len(missed)]) < ended:
                found = _pace(run.marks.get(step.name, ()), t - started, history.bias.bias())
                answer = self.ask(outlook, k, range(k + 1, len(steps)), t, t - started, found)
                missed.append((total - t < answer.low, total - t > answer.high))
            outlook.progress.finish(k, step.ms, skipped=step.skipped)
            started = ended
        self._judge_progress(history, run, steps)
        if (outlook.runs or outlook.borrowed) and len(missed) == len(moments):
            first, rest = missed[: len(EARLY)], missed[len(EARLY) :]
            outside = Outside(
                sum(below for below, _ in rest) / len(rest),
                sum(above for _, above in rest) / len(rest),
                sum(above for _, above in first) / len(first),
            )
            history.band = history.band.moved(outside, _PACE)
            if outlook.runs < COLD:
                self.store.cold = self.store.cold.moved(outside, _COLD_PACE)
            else:
                self.store.band = self.store.band.moved(outside, _SERVER_PACE)

    def _judge_progress(self, history: History, run: Run, steps: Sequence[Step]) -> None:
        """Learn the errors of the lengths that the workers' progress implied."""
        known = history.bias.bias()
        for step in steps:
            marks = run.marks.get(step.name)
            if not marks or not step.ms:
                continue
            bias = bias_of(marks, step.ms, _PARTS)
            if bias is not None:
                history.bias = history.bias.after(bias, _NOISE_KEPT)
            found = noise_of(marks, step.ms, _PARTS, known)
            if found is not None:
                history.noise = history.noise.after(found, _NOISE_KEPT)
                self.store.noise = self.store.noise.after(found, _SERVER_NOISE_KEPT)


def _pace(marks: Sequence[Mark], phase_ms: float, bias: float) -> Pace | None:
    """Return the pace that a finished phase's progress implied after `phase_ms`."""
    come = [mark for mark in marks if mark[0] <= phase_ms]
    return pace(come[-1], come[:-1] or come, phase_ms, bias) if come else None
