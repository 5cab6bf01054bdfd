"""Explain why an estimate moved: a sentence for the user, from two consecutive looks at a job."""

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from phaseline.eta.observed import Observed, Step, observe
from phaseline.model.job import Job
from phaseline.model.snapshot import Estimate, Moment, Reason

__all__ = ["MAX_REASONS", "Reason", "Reasons", "why"]

MAX_REASONS: Final = 5
_SHARE: Final = 0.1
_NS_PER_MS: Final = 1e6
_NS_PER_SECOND: Final = 1e9
# Clients show times in seconds, so a smaller change would be invisible.
_LEAST_NS: Final = 1_000_000_000
# Minimum time before a mark that is worth showing.
_SHORT_MS: Final = 1000
# Ratios to the usual time from which a phase, or the run so far, is described as slow or quick.
_SLOW: Final = 1.15
_QUICK: Final = 0.87
_TENTH: Final = 0.1
_JOBS: Final = 4096


class _Look(msgspec.Struct, frozen=True):
    seen: Observed
    estimate: Estimate
    now: Moment
    began_ns: int


class Reasons:
    """The latest reasons for each active job."""

    def __init__(self, max_jobs: int = _JOBS) -> None:
        """Start without jobs; beyond `max_jobs`, forget the job whose last look is the oldest."""
        self._max = max_jobs
        self._jobs: OrderedDict[str, tuple[_Look, deque[Reason]]] = OrderedDict()

    def look(
        self, job: Job, estimate: Estimate, usual_ns: Callable[[], Mapping[str, int]], now: Moment
    ) -> Reason | None:
        """Compare `estimate` with the last one that was explained; return why the end of the job moved, or None.

        The end moved if the remaining time differs by more than a tenth from the earlier one less the time since then.

        Args:
            job: The job.
            estimate: Its estimate at `now`.
            usual_ns: Returns the usual durations of its phases in nanoseconds, by name; may be empty.
            now: The present.
        """
        if job.state.ended:
            return None
        kept, began_ns = self._jobs.get(job.job_id), job.started.mono_ns
        if kept is None or began_ns != kept[0].began_ns:
            look = _Look(observe(job, now), estimate, now, began_ns)
            self._jobs[job.job_id] = (look, deque(maxlen=MAX_REASONS))
            while len(self._jobs) > self._max:
                self._jobs.popitem(last=False)
            return None
        self._jobs.move_to_end(job.job_id)
        before, reasons = kept
        change_ns = _change(before, estimate, now)
        if change_ns is None and (before.estimate.remaining_ns is None) == (estimate.remaining_ns is None):
            return None
        look = _Look(observe(job, now), estimate, now, began_ns)
        self._jobs[job.job_id] = (look, reasons)
        if change_ns is None:
            return None
        text = why(before.seen, look.seen, usual_ns(), later=change_ns > 0)
        reason = Reason(now.wall_ns, change_ns, f"{text}: {_shown(change_ns)}")
        reasons.append(reason)
        return reason

    def of(self, job_id: str) -> tuple[Reason, ...]:
        """Return a job's latest five reasons, oldest first."""
        kept = self._jobs.get(job_id)
        return tuple(kept[1]) if kept else ()

    def forget(self, job_id: str) -> None:
        """Forget a job."""
        self._jobs.pop(job_id, None)


def _change(before: _Look, estimate: Estimate, now: Moment) -> int | None:
    """Return by how much the end moved, or None if by less than a tenth of the remaining time."""
    was, is_now = before.estimate.remaining_ns, estimate.remaining_ns
    if was is None or is_now is None:
        return None
    expected = max(0, was - (now.mono_ns - before.now.mono_ns))
    change = is_now - expected
    return change if abs(change) > max(_SHARE * max(expected, is_now), _LEAST_NS) else None


def why(before: Observed, after: Observed, usual_ns: Mapping[str, int], *, later: bool) -> str:
    """Return the most important event between two looks at a job.

    Args:
        before: The first look.
        after: The second look.
        usual_ns: Usual durations of the phases, in nanoseconds.
        later: Whether the end moved to a later time. An event that would have moved it the other way is no reason.
    """
    known = {step.name for step in before.done}
    fresh = [step for step in after.done if step.name not in known]
    return (
        (None if later else _passed([step.name for step in fresh if step.skipped]))
        or (_slow(after, usual_ns) if later else None)
        or _marked(before, after)
        or _ended(fresh, usual_ns, later=later)
        or _overall(after, usual_ns, later=later)
        or _moved_on(before, after, fresh)
    )


def _passed(names: list[str]) -> str | None:
    return f"{_listed(names)} {'was' if len(names) == 1 else 'were'} skipped" if names else None


def _slow(after: Observed, usual_ns: Mapping[str, int]) -> str | None:
    ratio = _ratio(after.phase_ms, usual_ns.get(after.current)) if after.current else None
    return None if ratio is None or ratio <= _SLOW else f"{after.current} is {ratio:.1f}x its usual length"


def _marked(before: Observed, after: Observed) -> str | None:
    if after.mark is None or after.mark[1] == (before.mark or (0, 0))[1]:
        return None
    spent_ms, share = after.mark
    spent = f" after {_length(spent_ms)}" if spent_ms >= _SHORT_MS else ""
    return f"the worker reports {after.current} {100 * share:.0f} % done{spent}"


def _ended(fresh: Sequence[Step], usual_ns: Mapping[str, int], *, later: bool) -> str | None:
    """Return how long the only phase took that ended slower, or quicker, than usual."""
    ratios = [(step.name, _ratio(step.ms, usual_ns.get(step.name))) for step in fresh]
    odd = [(name, ratio) for name, ratio in ratios if ratio is not None and _odd(ratio, later=later)]
    return f"{odd[0][0]} took {_times(odd[0][1])} its usual length" if len(odd) == 1 else None


def _moved_on(before: Observed, after: Observed, fresh: Sequence[Step]) -> str:
    if after.current and after.current != before.current:
        return f"{after.current} started"
    if after.covariates != before.covariates:
        return "the facts about the job changed"
    if fresh:
        return f"{_listed([step.name for step in fresh])} ended"
    return f"{after.current} continues" if after.current else "no phase is running"


def _odd(ratio: float, *, later: bool) -> bool:
    return ratio >= _SLOW if later else ratio <= _QUICK


def _times(ratio: float) -> str:
    return f"{ratio:.1f}x" if ratio >= _TENTH else "less than a tenth of"


def _overall(after: Observed, usual_ns: Mapping[str, int], *, later: bool) -> str | None:
    """Return how the ended phases compare with their usual durations."""
    timed = [(step.ms, usual_ns[step.name]) for step in after.done if step.ms and usual_ns.get(step.name)]
    if not timed:
        return None
    ratio = _ratio(sum(ms for ms, _ in timed), sum(ns for _, ns in timed))
    if ratio is None or not _odd(ratio, later=later):
        return None
    first = "the first phase" if len(timed) == 1 else f"the first {_counted(len(timed))} phases"
    return f"{first} took {_times(ratio)} the usual time"


def _ratio(ms: float | None, usual_ns: int | None) -> float | None:
    return None if ms is None or not usual_ns else ms * _NS_PER_MS / usual_ns


def _counted(count: int) -> str:
    words = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return words[count] if count < len(words) else str(count)


def _listed(names: list[str]) -> str:
    if len(names) > 3:  # noqa: PLR2004 - more names would not be read
        return f"{names[0]}, {names[1]} and {len(names) - 2} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _length(ms: float) -> str:
    return _shown(round(ms * _NS_PER_MS)).lstrip("+")


def _shown(change_ns: int) -> str:
    """Return a duration with its sign, in a suitable unit."""
    seconds = change_ns / _NS_PER_SECOND
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:+.1f} {unit}"
    return f"{seconds:+.0f} s" if abs(seconds) >= 10 else f"{seconds:+.1f} s"  # noqa: PLR2004 - digits that matter
