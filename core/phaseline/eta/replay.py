"""The model behind the interface that replays traces: see `phaseline.eta.backtest.Replayable`."""

from phaseline.eta.backtest import Past, Situation
from phaseline.eta.model.predictor import Outlook, Predictor
from phaseline.eta.observed import Run, Step

__all__ = ["Clock", "Model"]


class Model:
    """Answers `(point, (p10, p50, p90), percent)`, milliseconds, percent never falling within a run."""

    by_length = True

    def __init__(self) -> None:
        """Begin with nothing learned."""
        self._predictor = Predictor(by_length=self.by_length)
        self._outlook: Outlook | None = None
        self._percent = 0.0

    def learn(self, run: Past) -> None:
        """Take in a run that has finished."""
        parts = zip(run.names, run.dur, run.skip, strict=True)
        steps = tuple(Step(name, None if skip else ms, skip) for name, ms, skip in parts)
        marks = {name: kept for name, kept in zip(run.names, run.marks, strict=True) if kept}
        self._predictor.learn(Run("", run.series, steps, run.cov, marks))

    def begin(self, run: Past) -> None:
        """Take in that the next questions are about another run; they say all there is to know of it."""
        del run
        self._outlook, self._percent = None, 0.0

    def query(self, state: Situation) -> tuple[float, tuple[float, float, float], float]:
        """Say what remains of a run."""
        parts = zip(state.names, state.done, state.skipped, strict=False)
        done = tuple(Step(name, None if skip else ms, skip) for name, ms, skip in parts)
        ground = self._predictor.ground(("", state.series), state.names, state.cov, done)
        if self._outlook is None or self._outlook.ground != ground:
            self._outlook = Outlook(ground)
        later = range(state.k + 1, len(self._outlook.index))
        answer = self._predictor.ask(self._outlook, state.k, later, state.t, state.e, state.mark)
        share = state.t / (state.t + answer.point) if state.t > 0 else 0.0
        self._percent = max(self._percent, min(99.0, 100 * share))
        return answer.point, (answer.low, answer.median, answer.high), self._percent


class Clock(Model):
    """The same, asked by someone who watches the clock: see `Progress.ask`."""

    by_length = False
