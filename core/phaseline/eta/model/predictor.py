"""From what is known of a job to what remains of it, and from a finished run to what it teaches."""

from collections.abc import Mapping, Sequence
from math import log
from typing import Any, Final, NamedTuple

from phaseline.eta.model.components import Blend, Mixture
from phaseline.eta.model.covariates import Value, read
from phaseline.eta.model.history import LEVEL, MARK_NOISE, MAX_NAMES, History
from phaseline.eta.model.inference import Answer, Progress, Question
from phaseline.eta.model.store import Key, Store
from phaseline.eta.observed import Mark, Run, Step, clean_ms

__all__ = ["Ground", "Outlook", "Predictor"]

# So many moments of a run are looked at again, in the middle of as many equal parts of it.
_MOMENTS: Final = 8
_AT: Final = 0.5
# Steps of the band's levels for one run, of a series and of the whole server (a quarter of it).
_PACE: Final = 0.05
_SERVER_PACE: Final = 0.0125
_LEVEL_LEAST: Final = 0.0005
_LEVEL_MOST: Final = 0.4
_MARK_PACE: Final = 0.1
_MARK_LEAST: Final = 0.0005


class Ground(NamedTuple):
    """All that an outlook stands on; two that are equal make the same outlook.

    Attributes:
        key: The series.
        blend: What is known of its runs. `Store.blend` returns another one when that has changed.
        done: The phases that are over.
        known: The run's covariates.
    """

    key: Key
    blend: Blend
    done: tuple[Step, ...]
    known: dict[str, Value]


class Outlook:
    """One run on its way, after its finished phases.

    Attributes:
        ground: What it was made of.
        index: Indices of all phases that are expected or were seen, at most 500, by name.
        progress: What the finished phases say.
        runs: Runs of its own series behind it.
        borrowed: Runs of other series, when it has none of its own.
    """

    def __init__(self, ground: Ground) -> None:
        """Take in the finished phases."""
        self.ground = ground
        self.index = {name: i for i, name in enumerate(ground.blend.names)}
        self.progress = Progress(Mixture(ground.blend, ground.known))
        self.runs, self.borrowed = ground.blend.runs, ground.blend.borrowed
        for step in ground.done:
            at = self.index.get(step.name)
            if at is not None:
                self.progress.finish(at, step.ms, skipped=step.skipped)


class Predictor:
    """The model without jobs and clocks: runs in, answers out."""

    def __init__(self, store: Store | None = None, *, by_length: bool = True) -> None:
        """Begin with what `store` remembers; `by_length` as in `Progress.ask`."""
        self.store = Store() if store is None else store
        self.by_length = by_length

    def ground(
        self, key: Key, names: Sequence[str], covariates: Mapping[str, Any], done: tuple[Step, ...] = ()
    ) -> Ground:
        """Return what is known of a run with these phases, of which `done` are over."""
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
        mark: Mark | None,
    ) -> Answer:
        """Return what remains of the run; the finished phases were told to `outlook.progress`."""
        history, store = self.store.get(outlook.ground.key), self.store
        below, above, noise = (
            (history.below, history.above, history.mark_noise) if history else (LEVEL, LEVEL, MARK_NOISE)
        )
        return outlook.progress.ask(
            Question(
                current,
                later,
                elapsed_ms,
                phase_ms,
                mark,
                noise,
                (below + store.below) / 2,
                (above + store.above) / 2,
                self.by_length,
            )
        )

    def learn(self, run: Run) -> None:
        """Take in a run that ended well: first how well the band would have held, then the run itself."""
        steps = tuple(Step(step.name, clean_ms(step.ms), step.skipped) for step in run.steps[:MAX_NAMES])
        if not any(step.ms for step in steps):
            return
        key = (run.workflow, run.series)
        self._judge(key, self.store.opened(key), run, steps)
        self.store.learn(key, Run(run.workflow, run.series, steps, run.covariates))

    def _judge(self, key: Key, history: History, run: Run, steps: Sequence[Step]) -> None:
        """Move the levels of the band by how often the truth lay outside.

        Adaptive conformal inference (Gibbs and Candes 2021): each end's level moves by gamma * (0.1 - share outside).
        """
        outlook = self.begin(key, [step.name for step in steps], run.covariates)
        spent = [step.ms or 0.0 for step in steps]
        total, moment, started, below, above = sum(spent), 0, 0.0, 0, 0
        for k, step in enumerate(steps):
            ended = started + spent[k]
            while moment < _MOMENTS and (t := total * (moment + _AT) / _MOMENTS) < ended:
                mark = _last(run.marks.get(step.name, ()), t - started)
                later = range(k + 1, len(steps))
                answer = self.ask(outlook, k, later, t, t - started, mark)
                below += total - t < answer.low
                above += total - t > answer.high
                moment += 1
            outlook.progress.finish(k, step.ms, skipped=step.skipped)
            self._judge_marks(history, run.marks.get(step.name, ()), spent[k])
            started = ended
        if outlook.runs or outlook.borrowed:
            store, under, over = self.store, LEVEL - below / _MOMENTS, LEVEL - above / _MOMENTS
            history.below = _level(history.below + _PACE * under)
            history.above = _level(history.above + _PACE * over)
            store.below = _level(store.below + _SERVER_PACE * under)
            store.above = _level(store.above + _SERVER_PACE * over)

    def _judge_marks(self, history: History, marks: Sequence[Mark], ms: float) -> None:
        """Learn how far the worker's own progress is off, of up to eight marks of a phase that took `ms`."""
        seen = [mark for mark in marks if 0.02 < mark[1] < 0.98 and mark[0] > 0]  # noqa: PLR2004 - ends tell nothing
        if not seen or ms <= 0:
            return
        some = seen[:: max(1, len(seen) // _MOMENTS)]
        misses = [min(1.0, log(ms * f / m) ** 2 * f / (1 - f)) for m, f in some]
        miss = sum(misses) / len(misses)
        history.mark_noise = max(_MARK_LEAST, history.mark_noise + _MARK_PACE * (miss - history.mark_noise))


def _last(marks: Sequence[Mark], phase_ms: float) -> Mark | None:
    found = None
    for mark in marks:
        if mark[0] > phase_ms:
            break
        found = mark
    return found


def _level(level: float) -> float:
    return min(max(level, _LEVEL_LEAST), _LEVEL_MOST)
