"""Replay batches of queued runs, and score the forecasts of when their box is free; see `phaseline.eta.box`."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from phaseline.eta.backtest import Past, Replayable, Situation
from phaseline.eta.box import Batch, Look, Ratios
from phaseline.eta.slots import Active, Box

__all__ = ["Forecast", "ForecastScore", "replay_boxes", "score_boxes"]

MOMENTS: Final = 10


class Forecast(NamedTuple):
    """A look at a batch.

    Attributes:
        place: Index of the batch.
        length_ms: The time from the beginning of the batch to its end.
        left_ms: The true time until its end.
        look: The forecast.
    """

    place: int
    length_ms: float
    left_ms: float
    look: Look


class ForecastScore(NamedTuple):
    """The accuracy of forecasts, as means over looks.

    Attributes:
        looks: Number of looks.
        nae1: Absolute error as a share of the batch's length, at most 1.
        coverage: Share of looks with the truth inside the band.
        width: Width of the band as a share of the batch's length.
        off2: Share of forecasts that are off by more than a factor of two.
    """

    looks: int
    nae1: float
    coverage: float
    width: float
    off2: float


class _Batch(NamedTuple):
    """The runs of a batch, in the order of their starts, and the times of its beginning and end."""

    runs: Sequence[Past]
    began_ms: float
    free_ms: float


def replay_boxes(runs: Sequence[Past], engine: Replayable, ratios: Ratios | None = None) -> list[Forecast]:
    """Forecast each batch at ten evenly spaced moments; learn from runs and batches after their ends.

    Runs without a queue are learned from, too. Batches that overlap in time are assumed to have separate boxes with the
    same ratios.
    """
    learned = Ratios() if ratios is None else ratios
    batches = _batches(runs)
    looks = {place: Batch() for place in range(len(batches))}
    forecasts: list[Forecast] = []

    def learn(run: Past) -> Callable[[], None]:
        return lambda: engine.learn(run)

    def look(place: int, at_ms: float) -> Callable[[], None]:
        return lambda: forecasts.extend(_look(place, batches[place], at_ms, engine, learned, looks[place]))

    def end(place: int, free_ms: float) -> Callable[[], None]:
        return lambda: learned.learn(looks[place].end(free_ms), free_ms)

    # At the same time, learn from the runs before the batch; the sort is stable.
    happens = [(run.end, learn(run)) for run in runs if run.ok]
    happens += [(batch.free_ms, end(place, batch.free_ms)) for place, batch in enumerate(batches)]
    for place, (_, began_ms, free_ms) in enumerate(batches):
        moments = (began_ms + (free_ms - began_ms) * i / MOMENTS for i in range(MOMENTS))
        happens += [(moment, look(place, moment)) for moment in moments]
    for _, act in sorted(happens, key=lambda each: each[0]):
        act()
    return forecasts


def score_boxes(forecasts: Iterable[Forecast]) -> ForecastScore | None:
    """Return the means over the forecasts, or None if there are none."""
    rows = []
    for _, length_ms, left_ms, look in forecasts:
        point, low, high = look.free
        rows.append(
            (
                min(1.0, abs(point - left_ms) / length_ms),
                float(low <= left_ms <= high),
                (high - low) / length_ms,
                float(not left_ms / 2 <= point <= left_ms * 2),
            )
        )
    if not rows:
        return None
    nae1, coverage, width, off2 = (sum(column) / len(rows) for column in zip(*rows, strict=True))
    return ForecastScore(len(rows), nae1, coverage, width, off2)


def _batches(runs: Sequence[Past]) -> list[_Batch]:
    """Return the batches in the order of their beginnings."""
    by_name: Mapping[int | str, list[Past]] = defaultdict(list)
    for run in runs:
        if run.queue is not None and not run.ordered:
            by_name[run.queue.batch].append(run)
    batches = []
    for of_batch in by_name.values():
        began_ms = min(run.start - (run.queue.waited_ms if run.queue else 0.0) for run in of_batch)
        batches.append(_Batch(of_batch, began_ms, max(run.end for run in of_batch)))
    return sorted(batches, key=lambda batch: batch.began_ms)


def _look(
    place: int, batch: _Batch, at_ms: float, engine: Replayable, learned: Ratios, looks: Batch
) -> Iterable[Forecast]:
    """Yield the forecast at a moment; none if the remaining time of a run is unknown."""
    active: list[Active] = []
    queued: list[float] = []
    slots = max(run.queue.workers for run in batch.runs if run.queue is not None)
    for run in batch.runs:
        if run.end <= at_ms:
            continue
        elapsed_ms = max(0.0, at_ms - run.start)
        engine.begin(run)
        point_ms, band, _ = engine.query(Situation(run, elapsed_ms))
        if band is None:
            return
        if run.start <= at_ms:
            active.append(Active(elapsed_ms, point_ms))
        else:
            queued.append(point_ms)
    look = learned.look(at_ms, Box(max(slots, len(active)), tuple(active), tuple(queued)))
    looks.add(look, [str(number) for number, run in enumerate(batch.runs) if run.end > at_ms])
    yield Forecast(place, batch.free_ms - batch.began_ms, batch.free_ms - at_ms, look)
