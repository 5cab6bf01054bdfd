"""`/metrics/phases` and `/metrics/eta`: phase durations, failures, slow runs and the accuracy of estimates."""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from quart import Response

from phaseline.model.statistics import Average
from phaseline.wire import timestamp
from phaseline_server.http.handlers import Handlers
from phaseline_server.http.routes.common import json_answer
from phaseline_server.http.services import Services
from phaseline_server.learning.learner import Learning

__all__ = ["EtaAnswer", "PhasesAnswer", "add_handlers", "phase_lines"]

_MOST: Final = 20
QUANTILES: Final = (0.5, 0.95, 0.99)


class PhaseLine(msgspec.Struct, frozen=True):
    """Statistics of a phase's latest 500 to 1,000 durations; `avg_seconds` is the series' moving average."""

    workflow: str
    series: str
    phase: str
    count: int
    avg_seconds: float | None
    p50_seconds: float
    p95_seconds: float
    p99_seconds: float
    recent_seconds: list[float]


class FailureLine(msgspec.Struct, frozen=True):
    """The number of runs that failed in a phase."""

    workflow: str
    phase: str
    count: int


class SlowLine(msgspec.Struct, frozen=True):
    """One of the slowest runs."""

    job_id: str
    workflow: str
    series: str
    seconds: float
    ended_at: str


class PhasesAnswer(msgspec.Struct, frozen=True):
    """Statistics of phases."""

    phases: list[PhaseLine]
    failures: list[FailureLine]
    slowest: list[SlowLine]


class Held(msgspec.Struct, frozen=True):
    """Accuracy of estimates.

    `median_error` is relative to the run's duration, and `coverage` the share between p10 and p90. `median_error_at`
    has the errors after 10 %, 50 % and 90 % of the run; for `ema` it is empty.
    """

    median_error: float | None
    coverage: float | None = None
    median_error_at: list[float | None] = []


class EtaLine(msgspec.Struct, frozen=True):
    """Accuracy over a series' latest 200 runs: `model` for the model, `ema` for the picture API's formula."""

    workflow: str
    series: str
    runs: int
    model: Held
    ema: Held


class EtaAnswer(msgspec.Struct, frozen=True):
    """Accuracy of the estimates of all series; `engine` is the engine whose estimates are published."""

    engine: str
    series: list[EtaLine]


def phase_lines(learning: Learning) -> Iterator[PhaseLine]:
    """Yield the statistics of each phase."""
    for key, rolling in sorted(learning.durations.items()):
        workflow, series, phase = key
        recent = learning.recent.get(key, ())
        p50, p95, p99 = (round(value, 6) for value in rolling.quantiles(*QUANTILES))
        yield PhaseLine(
            workflow=workflow,
            series=series,
            phase=phase,
            count=rolling.count,
            avg_seconds=_average(recent),
            p50_seconds=p50,
            p95_seconds=p95,
            p99_seconds=p99,
            recent_seconds=[round(seconds, 6) for seconds in recent],
        )


def _average(recent: Iterable[float]) -> float | None:
    """Return the picture API's moving average over the latest durations of one series; None if there are none."""
    average: Average | None = None
    for seconds in recent:
        sample_ns = round(seconds * 1e9)
        average = Average(1, sample_ns) if average is None else average.after(sample_ns)
    return None if average is None else average.avg_ns / 1e9


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handlers of `/metrics/phases` and `/metrics/eta`."""
    learning = services.learning

    @handlers
    async def phase_statistics() -> Response:
        outcomes = await learning.outcomes(_MOST)
        answer = PhasesAnswer(
            phases=list(phase_lines(learning)),
            failures=[FailureLine(each.workflow, each.phase, each.count) for each in outcomes.failures],
            slowest=[
                SlowLine(each.job_id, each.workflow, each.series, each.duration_ns / 1e9, timestamp(each.ended_ns))
                for each in outcomes.slowest
            ],
        )
        return json_answer(answer)

    @handlers
    async def eta_statistics() -> Response:
        lines = [
            EtaLine(
                each.workflow,
                each.series,
                each.runs,
                Held(each.error, each.coverage, [*each.errors_at]),
                Held(each.ema_error),
            )
            for each in learning.scores.table()
        ]
        return json_answer(EtaAnswer(services.settings.eta_engine, lines))
