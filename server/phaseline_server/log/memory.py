"""An engine that forgets everything at exit: for tests, and as the executable specification of `Store`."""

import math
import secrets
from collections import Counter, deque
from collections.abc import Collection, Sequence
from typing import TypeVar

import trio

from phaseline.model.snapshot import Moment
from phaseline.model.states import State
from phaseline.model.statistics import Average
from phaseline.stream import Message
from phaseline_server.log.batch import Batch, JobRow, Kept, ProducerKey, RunRow
from phaseline_server.log.clock import LogClock
from phaseline_server.log.learned import MOST_WORKFLOWS, EncodedRun, Learned, Outcomes, PhaseFailures, SlowRun
from phaseline_server.log.memory_queries import find_jobs, find_totals
from phaseline_server.log.protocol import SINGLE, Retention
from phaseline_server.log.queries import JobPage, JobQuery, Total, TotalsQuery

__all__ = ["MemoryStore"]

Item = TypeVar("Item")


class MemoryStore:
    """A log in memory; the methods are those of `Store`. It never raises, and has nothing to release.

    Attributes:
        name: See `Store.name`.
        epoch: See `Store.epoch`.
        top: See `Store.top`.
        standing: See `Store.standing`.
        complete_s: See `Store.complete_s`.
    """

    def __init__(self, limits: Retention | None = None) -> None:
        """Create an empty log."""
        self.name = "the log in memory"
        self.epoch = secrets.token_hex(8)
        self.top = 0
        self.standing = SINGLE
        self.complete_s = math.inf
        self._limits = limits or Retention()
        self._clock = LogClock()
        self._events: deque[tuple[int, Message]] = deque()  # with the time of their commit
        self._jobs: dict[str, JobRow] = {}
        self._committed: dict[str, int] = {}  # the time of each job's last commit
        self._producers: dict[ProducerKey, tuple[int, int]] = {}
        self._runs: list[RunRow] = []
        self._dismissed: set[int] = set()  # the numbers of runs
        self._durations: list[tuple[str, str, str, int]] = []
        self._averages: dict[tuple[str, str], Average] = {}
        self._counts: tuple[int, int] | None = None
        self._states: dict[tuple[str, str], bytes] = {}

    @property
    def oldest(self) -> int:
        """See `Store.oldest`."""
        return self._events[0][1].seq if self._events else self.top + 1

    async def load(self, ended_since_ns: int, most_jobs: int) -> Kept:
        """See `Store.load`."""
        await trio.lowlevel.checkpoint()
        active = [row for row in self._jobs.values() if row.ended_ns is None]
        ended = [row for ended_ns, row in self._ended() if ended_ns >= ended_since_ns]
        jobs = active + ended[: max(0, most_jobs - len(active))]
        producers = sorted(self._producers.items(), key=lambda item: item[1][1])
        return Kept(
            records=[row.record for row in sorted(jobs, key=lambda row: row.seq)],
            producers=dict(_last(producers, self._limits.producers)),
            averages=None if self._counts is None else dict(self._averages),
            counts=self._counts or (0, 0),
            same_clock=True,
        )

    async def commit(self, batch: Batch) -> None:
        """See `Store.commit`."""
        await trio.lowlevel.cancel_shielded_checkpoint()
        at_ns = self._clock.read(batch.at).log_ns
        self._events.extend((at_ns, message) for message in batch.messages)
        if batch.messages:
            self.top = batch.messages[-1].seq
        while len(self._events) > self._limits.events:
            self._events.popleft()
        self._jobs.update((row.job_id, row) for row in batch.jobs)
        self._committed.update((row.job_id, at_ns) for row in batch.jobs)
        self._producers.update(batch.producers)
        self._runs.extend(batch.runs)
        if batch.dismissed:
            self._dismissed |= {run.seq for run in self._runs if (run.at_ns, run.job_id) in batch.dismissed}
        self._durations.extend((each.workflow, each.series, each.phase, each.duration_ns) for each in batch.durations)
        if batch.forget:
            self._averages, self._counts = {}, (0, 0)
        self._averages.update(batch.averages)
        for key in batch.dropped:
            self._averages.pop(key, None)
        self._counts = batch.counts or self._counts

    async def settle(self) -> bool:
        """See `Store.settle`."""
        await trio.lowlevel.checkpoint()
        return False

    async def events(self, after: int, limit: int) -> tuple[Message, ...]:
        """See `Store.events`."""
        await trio.lowlevel.checkpoint()
        return tuple([message for _, message in self._events if message.seq > after][:limit])

    async def job(self, job_id: str) -> bytes | None:
        """See `Store.job`."""
        await trio.lowlevel.checkpoint()
        row = self._jobs.get(job_id)
        return None if row is None else row.record

    async def jobs(self, query: JobQuery) -> JobPage:
        """See `Store.jobs`."""
        await trio.lowlevel.checkpoint()
        return find_jobs(self._jobs.values(), query)

    async def totals(self, query: TotalsQuery) -> list[Total]:
        """See `Store.totals`."""
        await trio.lowlevel.checkpoint()
        return find_totals(self._jobs.values(), self._runs, query)

    async def ends(self, since_ns: int, until_ns: int) -> dict[str, int]:
        """See `Store.ends`."""
        await trio.lowlevel.checkpoint()
        runs = [run for run in self._runs if since_ns <= run.at_ns < until_ns]
        return Counter(run.state for run in runs if run.state != "failed" or run.seq not in self._dismissed)

    async def prune(self, now: Moment) -> bool:
        """See `Store.prune`; all of it is removed at once."""
        await trio.lowlevel.checkpoint()
        limits, before_ns = self._limits, self._clock.read(now).log_ns - round(self._limits.age_s * 1e9)
        while self._events and self._events[0][0] < before_ns and self.oldest < self.top:
            self._events.popleft()
        old = {job_id for job_id, at_ns in self._committed.items() if at_ns < before_ns}
        gone = [row for place, (_, row) in enumerate(self._ended()) if place >= limits.jobs or row.job_id in old]
        stopped = [row for row in self._jobs.values() if row.ended_ns is None]
        gone += [row for row in stopped if (row.state == State.LOST or row.dismissed) and row.job_id in old]
        for row in gone:
            del self._jobs[row.job_id], self._committed[row.job_id]
        producers = sorted(self._producers.items(), key=lambda item: item[1][1])
        self._producers = dict(_last(producers, limits.producers))
        self._durations = _last(self._durations, limits.durations)
        self._runs = _last(self._runs, limits.runs)
        self._dismissed &= {run.seq for run in self._runs}
        return False

    async def learned(self) -> Learned:
        """See `Store.learned`."""
        await trio.lowlevel.checkpoint()
        runs = [EncodedRun(run.seq, run.workflow, run.series, run.body) for run in self._runs if run.body is not None]
        return Learned(dict(self._states), runs, list(self._durations))

    async def save_learned(
        self, states: Sequence[tuple[str, str, bytes]], gone: Collection[tuple[str, str]] = ()
    ) -> None:
        """See `Store.save_learned`."""
        await trio.lowlevel.checkpoint()
        self._states.update(((kind, key), state) for kind, key, state in states)
        for each in gone:
            self._states.pop(each, None)

    async def outcomes(self, most: int) -> Outcomes:
        """See `Store.outcomes`."""
        await trio.lowlevel.checkpoint()
        failures = Counter((run.workflow, run.phase) for run in self._runs if run.state == "failed")
        ranked = list[tuple[int, RunRow]]()
        places = Counter[str]()
        for run in sorted((run for run in self._runs if run.body is not None), key=lambda run: -run.duration_ns):
            places[run.workflow] += 1
            ranked.append((places[run.workflow], run))
        ranked.sort(key=lambda each: (each[0], -each[1].duration_ns))
        slowest = [run for place, run in ranked if place <= most]
        return Outcomes(
            [PhaseFailures(workflow, phase, count) for (workflow, phase), count in failures.most_common(most)],
            [
                SlowRun(run.job_id, run.workflow, run.series, run.duration_ns, run.at_ns)
                for run in slowest[: most * MOST_WORKFLOWS]
            ],
        )

    async def close(self) -> None:
        """See `Store.close`."""
        await trio.lowlevel.cancel_shielded_checkpoint()

    def _ended(self) -> list[tuple[int, JobRow]]:
        """Return the time of the end of each job that ended, and the job, the latest first."""
        ended = [(row.ended_ns, row) for row in self._jobs.values() if row.ended_ns is not None]
        return sorted(ended, key=lambda item: item[0], reverse=True)


def _last(items: list[Item], count: int) -> list[Item]:
    """Return the last `count` items, or all if there are fewer."""
    return items[max(0, len(items) - count) :]
