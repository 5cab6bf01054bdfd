"""Average phase durations: exponential moving averages in integer nanoseconds, as in the picture API."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import Final

import msgspec

from phaseline.model.job import Job
from phaseline.model.phase import PhaseDuration
from phaseline.model.states import State
from phaseline.model.workflows import makes_pictures

__all__ = ["MAX_PHASES_KNOWN", "Average", "Statistics"]

MAX_PHASES_KNOWN: Final = 5000
"""Maximum number of averages; the least recently used ones are evicted. Reporters choose the names of phases."""


class Average(msgspec.Struct, frozen=True):
    """The moving average of one phase: `avg_ns` nanoseconds after `count` samples."""

    count: int
    avg_ns: int

    def after(self, sample_ns: int) -> "Average":
        """Return the average after one more sample.

        It is the picture API's exponential moving average, `avg + alpha * (sample - avg)` with alpha = 0.2 = 1/5, in
        integers.
        """
        return Average(self.count + 1, (4 * self.avg_ns + sample_ns) // 5)


class Statistics:
    """The averages by (workflow, phase), and the two counts of the picture API.

    Attributes:
        averages: The averages, least recently updated first.
        generation_runs: The number of pictures made.
        cache_hits: The number of pictures that existed already.
        evicted: The number of averages that were evicted.
    """

    def __init__(
        self,
        averages: Mapping[tuple[str, str], Average] | None = None,
        generation_runs: int = 0,
        cache_hits: int = 0,
    ) -> None:
        """Start with the given averages and counts."""
        self.averages = dict(averages or {})
        self.generation_runs = generation_runs
        self.cache_hits = cache_hits
        self.evicted = 0

    def after(self, durations: Iterable[PhaseDuration]) -> dict[tuple[str, str], Average]:
        """Return the averages that `durations` change, with their new values; change nothing.

        The first sample of a phase is its average.
        """
        changed: dict[tuple[str, str], Average] = {}
        for duration in durations:
            key = (duration.workflow, duration.phase)
            known = changed.get(key) or self.averages.get(key)
            first = Average(1, duration.duration_ns)
            changed[key] = first if known is None else known.after(duration.duration_ns)
        return changed

    def excess(self, changed: Mapping[tuple[str, str], Average]) -> list[tuple[str, str]]:
        """Return the averages to evict when `changed` are added: the least recently updated ones."""
        excess = sum(key not in self.averages for key in changed) + len(self.averages) - MAX_PHASES_KNOWN
        if excess <= 0:
            return []
        return list(islice(chain((key for key in self.averages if key not in changed), changed), excess))

    def update(self, changed: Mapping[tuple[str, str], Average], gone: Sequence[tuple[str, str]]) -> None:
        """Store changed averages, and drop those in `gone`."""
        for key, average in changed.items():
            self.averages.pop(key, None)  # to the end of the order
            self.averages[key] = average
        for key in gone:
            self.averages.pop(key, None)
        self.evicted += len(gone)

    def learn(self, durations: Iterable[PhaseDuration]) -> None:
        """Add the durations of completed phases."""
        changed = self.after(durations)
        self.update(changed, self.excess(changed))

    @staticmethod
    def counted(job: Job) -> tuple[int, int]:
        """Return the increments of the picture API's counts for an ended job: pictures made, cache hits."""
        if not makes_pictures(job.workflow.name) or job.state is not State.COMPLETED:
            return 0, 0
        return (0, 1) if job.cache_hit else (1, 0)

    def clear(self) -> None:
        """Remove all averages and counts."""
        self.averages.clear()
        self.generation_runs = self.cache_hits = 0

    def average(self, workflow: str, phase: str) -> Average | None:
        """Return one phase's average, or None."""
        return self.averages.get((workflow, phase))

    def of_workflow(self, workflow: str, phases: Iterable[str]) -> dict[str, int]:
        """Return the known averages of `phases`, in nanoseconds, by name."""
        known = ((phase, self.averages.get((workflow, phase))) for phase in phases)
        return {phase: average.avg_ns for phase, average in known if average is not None}
