"""Replay history through an engine and score its estimates. Pure: lines in, scores out, no numpy.

Each run is estimated at 20 evenly spaced moments. The engine learns from a run only after its end, so runs that began
before that are estimated without it.
"""

import heapq
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from math import inf
from typing import Annotated, Any, Final, Protocol

import msgspec
from msgspec import Meta

from phaseline.eta.observed import Mark

__all__ = [
    "MOMENTS",
    "Ema",
    "Estimates",
    "Past",
    "Queue",
    "Replayable",
    "Score",
    "Situation",
    "load",
    "replay",
    "score",
]

MOMENTS: Final = 20
_STUCK_SAYS: Final = 0.01
_STUCK_LEFT: Final = 0.10
_NS_PER_MS: Final = 1e6


class _Phase(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    duration_ms: Annotated[float, Meta(ge=0)]
    skipped: bool = False
    marks: tuple[tuple[float, float], ...] | None = None


class Queue(msgspec.Struct, frozen=True, rename="camel"):
    """A run's place in a queue: the batch, how many of its runs were active at once, and how long this one waited."""

    batch: int | str
    workers: Annotated[int, Meta(ge=1)]
    waited_ms: Annotated[float, Meta(ge=0)] = 0.0


class _Line(msgspec.Struct, frozen=True, rename="camel"):
    series: str
    phases: tuple[_Phase, ...]
    ok: bool
    started_ns: float | None = None
    order: float | None = None
    covariates: dict[str, Any] | None = None
    queue: Queue | None = None


_decoder: Final = msgspec.json.Decoder(_Line)


class Past:
    """A run of a trace; durations are in milliseconds, 0 for a skipped phase.

    Attributes:
        dur: Durations of the phases `names`; `skip` has whether each was skipped, `marks` the workers' reports.
        cov: Covariates.
        start: Time of its start in milliseconds, or its place in the order; `end` likewise.
        queue: Its place in a queue before that, or None.
    """

    def __init__(self, line: _Line, place: int) -> None:
        """Create a run from the line `place` of its trace."""
        self.series, self.ok, self.cov = line.series, line.ok, line.covariates or {}
        self.names = [phase.name for phase in line.phases]
        self.skip = [phase.skipped for phase in line.phases]
        self.dur = [0.0 if phase.skipped else phase.duration_ms for phase in line.phases]
        self.marks = [phase.marks for phase in line.phases]
        self.total = sum(self.dur)
        self.bounds = [0.0, *accumulate(self.dur)]
        self.queue = line.queue
        self.ordered = line.started_ns is None
        self.start = float(place) if line.started_ns is None else line.started_ns / _NS_PER_MS
        self.end = self.start if self.ordered else self.start + self.total


class Situation:
    """The known state of a run after `t` ms: phase `k` for `e` ms, the worker's last mark, the finished phases."""

    def __init__(self, run: Past, t: float) -> None:
        """Return the known state of `run` at `t`."""
        last = len(run.dur) - 1
        k = min(bisect_right(run.bounds, t) - 1, last)
        while k < last and (run.skip[k] or t >= run.bounds[k + 1]):
            k += 1
        self.t, self.k, self.e = t, k, t - run.bounds[k]
        self.series, self.names, self.cov = run.series, run.names, run.cov
        self.done, self.skipped = run.dur[:k], run.skip[:k]
        reported = [(ms, fraction) for ms, fraction in run.marks[k] or () if ms <= self.e and fraction > 0]
        self.mark: Mark | None = reported[-1] if reported else None


class Replayable(Protocol):
    """An engine that can be replayed: `phaseline.eta.replay.Model` or `Ema`."""

    def learn(self, run: Past) -> None:
        """Learn from a finished run."""
        ...

    def begin(self, run: Past) -> None:
        """Start the estimates of another run."""
        ...

    def query(self, state: Situation) -> tuple[float, tuple[float, float, float] | None, float | None]:
        """Return the remaining milliseconds, the band or None, and the percent or None."""
        ...


class Ema:
    """The picture API's average per series and phase, with the elapsed time capped at the average."""

    def __init__(self) -> None:
        """Start without history."""
        self._averages: dict[tuple[str, str], float] = {}

    def learn(self, run: Past) -> None:
        """See `Replayable`."""
        for name, ms, skipped in zip(run.names, run.dur, run.skip, strict=True):
            if not skipped and ms > 0:
                known = self._averages.get((run.series, name), ms)
                self._averages[run.series, name] = known + 0.2 * (ms - known)

    def begin(self, run: Past) -> None:
        """See `Replayable`."""

    def query(self, state: Situation) -> tuple[float, None, float]:
        """See `Replayable`."""
        averages = [self._averages.get((state.series, name), 0.0) for name in state.names]
        total, current = sum(averages), averages[state.k]
        if not total:
            return 0.0, None, 0.0
        done = sum(averages[: state.k]) + (min(state.e, current) if current else state.e)
        return max(0.0, total - done), None, 100 * done / total


class Estimates(msgspec.Struct, frozen=True):
    """The estimates of one run, one for each moment. All but the percents are shares of the run's length.

    Attributes:
        place: Index of the run within its series.
        points: The remaining times.
        bands: p10 and p90, or None for an engine without a band.
    """

    series: str
    place: int
    total: float
    points: tuple[float, ...]
    bands: tuple[tuple[float, float], ...] | None
    percents: tuple[float, ...]


class Score(msgspec.Struct, frozen=True):
    """The accuracy of the estimates, as means over runs.

    Attributes:
        nae1: Absolute error as a share of the run's length, capped at 1.
        coverage: Share of moments with the truth inside p10 to p90; None without a band.
        width: Width of the band as a share of the series' mean length.
        back: Sum of the percent's backward moves in a run.
        stuck: Share of moments where the estimate was under 1 % and over 10 % remained.
        percent_error: Mean distance of the percent from the truth.
    """

    runs: int
    nae1: float
    coverage: float | None
    width: float | None
    back: float
    stuck: float
    percent_error: float


def load(lines: Iterable[bytes | str]) -> list[Past]:
    """Return the runs of a trace of JSON lines in the order of their starts, without those of zero duration.

    Raises:
        msgspec.ValidationError: A line is not a valid run; the message has the cause and its place.
        msgspec.DecodeError: A line is not JSON.
    """
    runs = [Past(_decoder.decode(line), place) for place, line in enumerate(lines) if line.strip()]
    return sorted((run for run in runs if 0 < run.total < inf), key=lambda run: run.start)


def replay(runs: Sequence[Past], engine: Replayable, moments: int = MOMENTS) -> list[Estimates]:
    """Have `engine` estimate each run as if it were active, and learn from each run after its end."""
    waiting: list[tuple[float, int, Past]] = []
    places: dict[str, int] = defaultdict(int)
    scored: list[Estimates] = []
    for number, run in enumerate(runs):
        while waiting and waiting[0][0] <= run.start - (1e-9 if run.ordered else 0):
            engine.learn(heapq.heappop(waiting)[2])
        if not run.ok:
            continue
        engine.begin(run)
        answers = [engine.query(Situation(run, run.total * i / moments)) for i in range(moments)]
        scored.append(_estimates_of(run, places[run.series], answers))
        places[run.series] += 1
        heapq.heappush(waiting, (run.end, number, run))
    return scored


def _estimates_of(
    run: Past, place: int, answers: Sequence[tuple[float, tuple[float, float, float] | None, float | None]]
) -> Estimates:
    bands = [(band[0] / run.total, band[2] / run.total) for _, band, _ in answers if band is not None]
    percents = []
    for i, (point, _, percent) in enumerate(answers):
        t = run.total * i / len(answers)
        percents.append((100 * t / (t + point) if t + point > 0 else 0.0) if percent is None else percent)
    points = tuple(point / run.total for point, _, _ in answers)
    full = tuple(bands) if len(bands) == len(answers) else None
    return Estimates(run.series, place, run.total, points, full, tuple(percents))


def score(scored: Sequence[Estimates], wanted: Callable[[Estimates], bool] = lambda _: True) -> Score | None:
    """Return the means over the selected runs, or None if there are none."""
    lengths: dict[str, list[float]] = defaultdict(list)
    for one in scored:
        lengths[one.series].append(one.total)
    scales = {series: sum(totals) / len(totals) for series, totals in lengths.items()}
    chosen = [one for one in scored if wanted(one)]
    if not chosen:
        return None
    rows = [_score_one(one, scales) for one in chosen]
    held = [(row["coverage"], row["width"]) for row in rows if "coverage" in row]
    return Score(
        runs=len(rows),
        nae1=_mean([row["nae1"] for row in rows]),
        coverage=_mean([coverage for coverage, _ in held]) if held else None,
        width=_mean([width for _, width in held]) if held else None,
        back=_mean([row["back"] for row in rows]),
        stuck=_mean([row["stuck"] for row in rows]),
        percent_error=_mean([row["percent_error"] for row in rows]),
    )


def _score_one(one: Estimates, scales: Mapping[str, float]) -> dict[str, float]:
    n = len(one.points)
    left = [1 - i / n for i in range(n)]
    pairs = list(zip(one.points, left, strict=True))
    steps = zip(one.percents, one.percents[1:], strict=False)
    row = {
        "nae1": _mean([min(1.0, abs(point - rest)) for point, rest in pairs]),
        "stuck": _mean([float(point < _STUCK_SAYS and rest > _STUCK_LEFT) for point, rest in pairs]),
        "back": sum(max(0.0, before - after) for before, after in steps),
        "percent_error": _mean([abs(percent - 100 * i / n) for i, percent in enumerate(one.percents)]),
    }
    if one.bands is not None:
        inside = zip(one.bands, left, strict=True)
        row["coverage"] = _mean([float(low - 1e-9 <= rest <= high + 1e-9) for (low, high), rest in inside])
        row["width"] = _mean([high - low for low, high in one.bands]) * one.total / scales[one.series]
    return row


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
