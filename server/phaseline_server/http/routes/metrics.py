"""`GET /metrics`: metrics for Prometheus, or as JSON."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

import msgspec
import trio
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from quart import Response, request

from phaseline.errors import InvalidField
from phaseline.model.states import STATES
from phaseline_server.http.handlers import Handlers
from phaseline_server.http.routes.common import json_answer
from phaseline_server.http.routes.statistics import QUANTILES
from phaseline_server.http.services import Services
from phaseline_server.learning.metrics_file import MetricsFile

__all__ = ["add_handlers"]

Item = TypeVar("Item")
_MOST_PHASES: Final = 500
"""Maximum number of phases listed by each metric."""


class _Collector:
    """Reads the server's counters at each scrape, so that no second copy of them is kept."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        """Yield every metric. For the name suffixes see https://prometheus.io/docs/practices/naming/."""
        tracker, door = self._services.tracker, self._services.door.statistics()
        uptime = trio.current_time() - self._services.started
        yield GaugeMetricFamily("phaseline_uptime_seconds", "Time since the server started.", uptime)
        jobs = GaugeMetricFamily("phaseline_jobs", "Jobs in memory, by state.", labels=["state"])
        counts = tracker.counts()
        for state in STATES:
            jobs.add_metric([state], counts[state])
        yield jobs
        ended = CounterMetricFamily("phaseline_jobs_ended", "Jobs that ended, by state.", labels=["state"])
        for state in (state for state in STATES if state.ended):
            ended.add_metric([state], tracker.ended[state])
        yield ended
        yield CounterMetricFamily("phaseline_reports", "Events accepted.", tracker.reports)
        yield from self._fan_out()
        yield GaugeMetricFamily("phaseline_connections", "Open connections.", door.connections)
        yield CounterMetricFamily("phaseline_connections_accepted", "Connections accepted.", door.accepted)
        yield CounterMetricFamily("phaseline_connections_failed", "Connections closed by an error.", door.failed)
        yield _counted(
            "phaseline_connections_refused", "Connections rejected by a limit.", "status", door.counts.refused
        )
        yield _counted("phaseline_connections_late", "Connections closed by a time-out.", "cause", door.counts.late)
        yield _counted(
            "phaseline_websockets_broken", "WebSockets closed for a protocol error.", "code", door.counts.broken
        )
        yield _counted(
            "phaseline_requests_malformed", "Requests that are not valid HTTP.", "status", door.counts.malformed
        )
        yield _counted("phaseline_refused", "Requests and messages rejected, by code.", "code", self._services.refused)
        yield from self._outputs()
        yield from self._learned()

    def _fan_out(self) -> Iterator[Metric]:
        fan_out = self._services.tracker.log.statistics()
        yield GaugeMetricFamily("phaseline_subscribers", "Subscribers of the stream.", fan_out.subscribers)
        yield GaugeMetricFamily("phaseline_queued_messages", "Messages queued for subscribers.", fan_out.queued)
        yield CounterMetricFamily("phaseline_messages", "Messages published.", fan_out.published)
        yield CounterMetricFamily(
            "phaseline_deliveries", "Messages delivered to subscribers' queues.", fan_out.delivered
        )
        yield CounterMetricFamily(
            "phaseline_slow_subscribers", "Subscribers dropped for reading too slowly.", fan_out.ended_slow
        )

    def _outputs(self) -> Iterator[Metric]:
        outputs = self._services.tracker.outputs
        yield GaugeMetricFamily("phaseline_job_outputs", "Jobs whose output is kept.", len(outputs))
        yield GaugeMetricFamily("phaseline_job_output_bytes", "Memory for the output of jobs.", outputs.bytes)
        yield CounterMetricFamily(
            "phaseline_job_outputs_evicted", "Jobs whose output was dropped for that of others.", outputs.evicted
        )

    def _learned(self) -> Iterator[Metric]:
        statistics = self._services.tracker.statistics
        yield CounterMetricFamily("phaseline_generation_runs", "Pictures made.", statistics.generation_runs)
        yield CounterMetricFamily("phaseline_cache_hits", "Pictures served from storage.", statistics.cache_hits)
        labels = ["workflow", "phase"]
        average = GaugeMetricFamily(
            "phaseline_phase_average_seconds", "Moving average of a phase's duration.", labels=labels
        )
        samples = GaugeMetricFamily("phaseline_phase_samples", "Durations in the average.", labels=labels)
        for key, known in sorted(_latest(statistics.averages.items())):
            average.add_metric(key, known.avg_ns / 1e9)
            samples.add_metric(key, known.count)
        yield average
        yield samples
        learning = self._services.learning
        evicted = {
            "averages": statistics.evicted,
            "durations": learning.durations.evicted,
            "gaps": learning.habits.gaps.evicted,
            "scores": learning.scores.evicted,
        }
        yield _counted(
            "phaseline_names_evicted", "Names dropped from a table as least recently used.", "table", evicted
        )
        yield self._percentiles()

    def _percentiles(self) -> Metric:
        labels = ["workflow", "series", "phase", "quantile"]
        percentiles = GaugeMetricFamily(
            "phaseline_phase_seconds", "Rolling percentiles of a phase's duration.", labels=labels
        )
        for (workflow, series, phase), rolling in sorted(_latest(self._services.learning.durations.items())):
            for quantile, value in zip(QUANTILES, rolling.quantiles(*QUANTILES), strict=True):
                percentiles.add_metric([workflow, series, phase, str(quantile)], value)
        return percentiles


def _latest(items: Iterable[Item]) -> list[Item]:
    """Return the phases that were updated last: reporters choose their names, and each one is several lines."""
    return list(deque(items, maxlen=_MOST_PHASES))


def _counted(name: str, documentation: str, label: str, counts: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(name, documentation, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([str(value)], count)
    return family


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handler of `GET /metrics`."""
    registry = CollectorRegistry()
    registry.register(_Collector(services))

    @handlers
    async def metrics() -> Response:
        form = request.args.get("format", "prometheus")
        if form == "json":
            document = {
                "phases": msgspec.Raw(MetricsFile.encode(services.tracker.statistics)),
                "figures": {
                    sample.name + "".join(f"{{{k}={v}}}" for k, v in sample.labels.items()): sample.value
                    for metric in registry.collect()
                    for sample in metric.samples
                },
            }
            return json_answer(document)
        if form != "prometheus":
            raise InvalidField("format", form, "prometheus or json")
        encode, kind = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(registry), content_type=kind)
