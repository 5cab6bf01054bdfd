"""Scores of estimates: the published time remaining of each job, compared with the actual time."""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from statistics import median
from typing import Final

import msgspec

from phaseline.model.job import Job
from phaseline.model.snapshot import Estimate, Moment
from phaseline.model.states import State

__all__ = ["MOMENTS", "PLACES", "Score", "Scores", "SeriesScore", "read_scores"]

MOMENTS: Final = 20
"""Number of evenly spaced moments at which a run is scored."""

PLACES: Final = (0.1, 0.5, 0.9)
"""Shares of a run at which the error is also recorded separately: early, halfway and late."""

_MOST_SERIES: Final = 2000
_RUNS: Final = 200  # of a series, the latest
_MOST_JOBS: Final = 20_000
_NOTES: Final = 256  # of a running job; when there are more, every other one is dropped


class Score(msgspec.Struct, frozen=True, array_like=True):
    """The score of one run.

    Attributes:
        error: Median absolute error of the point estimate, relative to the run's duration; None without estimates.
        inside: Share of the moments at which the actual time was in the band; None without bands.
        ema_error: The same as `error`, for the picture API's formula.
        errors_at: The error at each of `PLACES`; None without an estimate, and in scores of earlier versions.
    """

    error: float | None
    inside: float | None
    ema_error: float | None
    errors_at: tuple[float | None, float | None, float | None] = (None, None, None)


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[Score])


class SeriesScore(msgspec.Struct, frozen=True):
    """The scores of a series: medians of the errors, mean of the shares."""

    workflow: str
    series: str
    runs: int
    error: float | None
    coverage: float | None
    ema_error: float | None
    errors_at: tuple[float | None, ...]


class _Note(msgspec.Struct, frozen=True):
    """One published estimate; times in nanoseconds of the monotonic clock."""

    at_ns: int
    point_ns: int | None
    low_ns: int | None
    high_ns: int | None
    ema_ns: int | None


class Scores:
    """The scores of the latest runs of each series. The least recently updated series are dropped first.

    Attributes:
        evicted: The number of series evicted because there were too many.
    """

    def __init__(self) -> None:
        """Begin without scores."""
        self._notes: OrderedDict[str, tuple[int, list[_Note]]] = OrderedDict()
        self._scores: OrderedDict[tuple[str, str], deque[Score]] = OrderedDict()
        self.evicted = 0

    def note(self, job: Job, now: Moment, estimate: Estimate, ema_ns: int | None) -> None:
        """Record an estimate published for `job`, and the time remaining by the picture API's formula."""
        began_ns, notes = self._notes.get(job.job_id, (0, []))
        if not notes or began_ns != job.started.mono_ns:
            notes = []
            self._notes[job.job_id] = (job.started.mono_ns, notes)
            if len(self._notes) > _MOST_JOBS:
                self._notes.popitem(last=False)
        notes.append(_Note(now.mono_ns, estimate.remaining_ns, estimate.low_ns, estimate.high_ns, ema_ns))
        if len(notes) > _NOTES:
            del notes[::2]

    def end(self, job: Job) -> tuple[str, str] | None:
        """Score a job that has ended and return its workflow and series; None if it failed or was a cache hit."""
        _, notes = self._notes.pop(job.job_id, (0, []))
        if job.state is not State.COMPLETED or job.cache_hit or job.ended is None or not notes:
            return None
        began_ns, length_ns = job.started.mono_ns, job.ended.mono_ns - job.started.mono_ns
        if length_ns <= 0:
            return None
        key, score = (job.workflow.name, job.series), _score(notes, began_ns, length_ns)
        if score.error is None and score.ema_error is None:
            return None  # no estimate was published
        self.add(key, score)
        return key

    def add(self, key: tuple[str, str], *scores: Score) -> None:
        """Add scores to a series."""
        self._scores.setdefault(key, deque(maxlen=_RUNS)).extend(scores)
        self._scores.move_to_end(key)
        if len(self._scores) > _MOST_SERIES:
            self._scores.popitem(last=False)
            self.evicted += 1

    def keys(self) -> list[tuple[str, str]]:
        """Return the series that have scores, least recently updated first."""
        return list(self._scores)

    def encode(self, key: tuple[str, str]) -> bytes:
        """Return the scores of a series as bytes, for the journal."""
        return _encoder.encode(list(self._scores.get(key, ())))

    def decode(self, key: tuple[str, str], state: bytes) -> None:
        """Add the scores of a series that `encode` returned.

        Raises:
            msgspec.DecodeError: The format is not that of this version.
        """
        self.add(key, *_decoder.decode(state))

    def table(self) -> Iterator[SeriesScore]:
        """Yield the score of each series, sorted by name."""
        for (workflow, series), scores in sorted(self._scores.items()):
            insides = [score.inside for score in scores if score.inside is not None]
            yield SeriesScore(
                workflow=workflow,
                series=series,
                runs=len(scores),
                error=_median([score.error for score in scores]),
                coverage=sum(insides) / len(insides) if insides else None,
                ema_error=_median([score.ema_error for score in scores]),
                errors_at=tuple(map(_median, zip(*(score.errors_at for score in scores), strict=True))),
            )


def read_scores(states: Mapping[tuple[str, str], bytes]) -> Scores:
    """Return the scores among the states in a journal, which are stored by kind and key.

    Raises:
        msgspec.DecodeError: The format is not that of this version.
    """
    scores = Scores()
    for (kind, name), state in states.items():
        if kind == "scores":
            workflow, series = msgspec.json.decode(name, type=tuple[str, str])
            scores.decode((workflow, series), state)
    return scores


def _score(notes: list[_Note], began_ns: int, length_ns: int) -> Score:
    """Score each moment by the latest estimate before it, minus the time since: clients count down by themselves."""
    errors: list[float | None] = []
    ema_errors: list[float | None] = []
    insides: list[float] = []
    for number in range(MOMENTS):
        at_ns = began_ns + length_ns * number // MOMENTS
        earlier = [note for note in notes if note.at_ns <= at_ns]
        note = earlier[-1] if earlier else notes[0]
        left_ns, since_ns = began_ns + length_ns - at_ns, max(0, at_ns - note.at_ns)
        errors.append(_error(note.point_ns, since_ns, left_ns, length_ns))
        ema_errors.append(_error(note.ema_ns, since_ns, left_ns, length_ns))
        if note.low_ns is not None and note.high_ns is not None:
            insides.append(float(note.low_ns - since_ns <= left_ns <= note.high_ns - since_ns))
    inside = sum(insides) / len(insides) if insides else None
    early, half, late = (errors[int(place * MOMENTS)] for place in PLACES)
    return Score(_median(errors), inside, _median(ema_errors), (early, half, late))


def _error(estimate_ns: int | None, since_ns: int, left_ns: int, length_ns: int) -> float | None:
    return None if estimate_ns is None else abs(max(0, estimate_ns - since_ns) - left_ns) / length_ns


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
