"""What earlier runs took: seed A's exponential moving averages, in integer nanoseconds."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from phaseline.model.job import Job
from phaseline.model.phase import PhaseDuration
from phaseline.model.snapshot import State
from phaseline.model.workflows import DALLE

__all__ = ["MAX_PHASES_KNOWN", "Average", "Statistics"]

# Workflows are named by reporters; so many phases are remembered, and after that no new ones.
MAX_PHASES_KNOWN: Final = 10_000


class Average(msgspec.Struct, frozen=True):
    """The moving average of one phase: `count` samples behind it, `avg_ns` nanoseconds."""

    count: int
    avg_ns: int

    def after(self, sample_ns: int) -> "Average":
        """Return the average with one more sample.

        The exponential moving average of seed A: `avg + alpha * (sample - avg)` with alpha = 0.2 = 1/5, in integers.
        """
        return Average(self.count + 1, (4 * self.avg_ns + sample_ns) // 5)


class Statistics:
    """Averages by (workflow, phase), and seed A's two counts."""

    def __init__(
        self,
        averages: Mapping[tuple[str, str], Average] | None = None,
        generation_runs: int = 0,
        cache_hits: int = 0,
    ) -> None:
        """Begin with what is known already."""
        self.averages = dict(averages or {})
        self.generation_runs = generation_runs
        self.cache_hits = cache_hits

    def after(self, durations: Iterable[PhaseDuration]) -> dict[tuple[str, str], Average]:
        """Return the averages that would change, as they would be, with the durations of phases that ended well.

        The first sample of a phase is taken as it is.
        """
        changed: dict[tuple[str, str], Average] = {}
        for duration in durations:
            key = (duration.workflow, duration.phase)
            known = changed.get(key) or self.averages.get(key)
            if known is not None:
                changed[key] = known.after(duration.duration_ns)
            elif len(self.averages) + len(changed) < MAX_PHASES_KNOWN:
                changed[key] = Average(1, duration.duration_ns)
        return changed

    def learn(self, durations: Iterable[PhaseDuration]) -> None:
        """Take in the durations of phases that ended well."""
        self.averages.update(self.after(durations))

    @staticmethod
    def counted(job: Job) -> tuple[int, int]:
        """Return how an ended job counts, as seed A has it: as pictures made, and as pictures there already."""
        if job.workflow.name != DALLE.name or job.state is not State.COMPLETED:
            return 0, 0
        return (0, 1) if job.cache_hit else (1, 0)

    def clear(self) -> None:
        """Forget everything."""
        self.averages.clear()
        self.generation_runs = self.cache_hits = 0

    def average(self, workflow: str, phase: str) -> Average | None:
        """Return one phase's average, or None."""
        return self.averages.get((workflow, phase))

    def of_workflow(self, workflow: str, phases: Iterable[str]) -> dict[str, int]:
        """Return the known averages of `phases`, in nanoseconds, by name."""
        known = ((phase, self.averages.get((workflow, phase))) for phase in phases)
        return {phase: average.avg_ns for phase, average in known if average is not None}
