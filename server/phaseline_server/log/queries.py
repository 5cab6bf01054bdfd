"""Questions about the jobs that a log keeps, and their answers: pages of jobs, and totals of runs.

The order of jobs: those that have not ended come first, the latest event first; then those that ended, the newest end
first.
"""

from functools import lru_cache
from typing import NamedTuple
from unicodedata import normalize

import msgspec

from phaseline.model.states import State

__all__ = [
    "FoundJob",
    "JobFilter",
    "JobPage",
    "JobQuery",
    "Place",
    "Total",
    "TotalsQuery",
    "middle_and_p95",
    "search_text",
    "search_words",
]


class JobFilter(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs that are wanted; a field that is None allows any value.

    Attributes:
        words: Words that must all occur in a job's `search_text`; from `search_words`.
        since_ns: Earliest wall-clock time of the end, or of the latest event of a job that has not ended.
        until_ns: The time before which that was.
        prefix: The beginning of the ids.
    """

    workflow: str | None = None
    series: str | None = None
    host: str | None = None
    words: tuple[str, ...] = ()
    since_ns: int | None = None
    until_ns: int | None = None
    prefix: str = ""


class Place(NamedTuple):
    """The place of a job in the order of jobs: when it ended, None before; and the number of its latest event."""

    ended_ns: int | None
    seq: int


class JobQuery(JobFilter, frozen=True, kw_only=True):
    """A page of jobs.

    Attributes:
        states: The wanted states.
        dismissed: Whether dismissed jobs are wanted, too.
        after: The place after which the page begins; None for the first page.
        limit: Maximum number of jobs.
        most_bytes: Size of all records from which no further job is added.
    """

    states: frozenset[State] = frozenset(State)
    dismissed: bool = False
    after: Place | None = None
    limit: int = 100
    most_bytes: int = 2**20


class FoundJob(NamedTuple):
    """A job of a page; its record is what `phaseline.model.record.encode_job` returned."""

    job_id: str
    place: Place
    record: bytes


class JobPage(NamedTuple):
    """Some jobs in order, and whether more follow."""

    jobs: tuple[FoundJob, ...]
    more: bool


class TotalsQuery(JobFilter, frozen=True, kw_only=True):
    """The totals of runs since `since_ns`, compared with those since `before_ns`."""

    before_ns: int


class Total(NamedTuple):
    """The runs of a workflow and series.

    Durations are those of completed runs without cache hits, in nanoseconds; None if there are none. The 95th
    percentile is the smallest duration that 95 % of the runs do not exceed.
    """

    workflow: str
    series: str
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    lost: int = 0
    median_ns: int | None = None
    p95_ns: int | None = None
    median_before_ns: int | None = None
    runs_before: int = 0

    @property
    def runs(self) -> int:
        """The number of all runs."""
        return self.completed + self.failed + self.cancelled + self.lost


def middle_and_p95(durations: list[int]) -> tuple[int, int] | tuple[None, None]:
    """Return the median and the 95th percentile of some numbers; None for both if there are none."""
    if not durations:
        return None, None
    ordered, count = sorted(durations), len(durations)
    return (ordered[(count - 1) // 2] + ordered[count // 2]) // 2, ordered[(count * 95 + 99) // 100 - 1]


# A job's row is stored with each of its commit groups, and these texts hardly ever change meanwhile.
@lru_cache(maxsize=4096)
def search_text(name: str, job_id: str, workflow: str, series: str, host: str) -> str:
    """Return the text in which words are searched: without case, and with one form for each accented letter."""
    parts = dict.fromkeys((name, job_id, workflow, series, host))
    return _folded("\n".join(part for part in parts if part))


def search_words(text: str) -> tuple[str, ...]:
    """Return the different words of what a user searches, in the form that `search_text` has."""
    return tuple(dict.fromkeys(_folded(text).split()))


def _folded(text: str) -> str:
    return normalize("NFC", text.casefold())
