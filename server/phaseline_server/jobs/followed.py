"""The jobs of a log that another server leads: read from its feed, and changed by nothing else.

Everything that is published becomes visible at the same positions as on the leader. Reports go to the leader.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

import structlog
import trio

from phaseline.errors import PhaselineError, TooMany
from phaseline.model.events import Event
from phaseline.model.job import Job
from phaseline.model.record import decode_job
from phaseline.model.snapshot import Moment
from phaseline.stream import Position
from phaseline.wire import HostStatus
from phaseline_server.errors import LogUnavailable
from phaseline_server.jobs.joining import Failed
from phaseline_server.jobs.local_day import day_of
from phaseline_server.jobs.receipts import BatchReceipt, Outcome
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.jobs.turns import Turns
from phaseline_server.log.feed import Feed, Update

__all__ = ["FollowedJobs", "Leader", "decode_followed"]

_log: Final = structlog.get_logger()
_ROUND_S: Final = 1.0


class Leader(Protocol):
    """Takes the reports that arrive here, for the client that the current task serves."""

    async def report_all(self, events: Sequence[Event]) -> list[Outcome]:
        """Return the outcome of each report, once the leader has stored it."""
        ...

    def report_host(self, status: HostStatus) -> None:
        """Send the load of a machine to the leader, soon; raises LogUnavailable if too many wait."""
        ...


def decode_followed(records: Iterable[bytes], moment: Moment) -> list[Job]:
    """Return the jobs of records that the leader has stored; raises msgspec.DecodeError."""
    # Monotonic times are only comparable on one machine; the log may have times of several.
    return [decode_job(record, moment, same_clock=False, interrupted=False) for record in records]


class FollowedJobs(Tracker):
    """A tracker whose jobs come from a feed."""

    def __init__(self, leader: Leader, **parts: Any) -> None:
        """Send reports to `leader`; `parts` are the arguments of `Tracker`."""
        super().__init__(**parts)
        self._intake.failed = LogUnavailable("this server follows; send reports to the leader, which GET /health names")
        self._leader = leader
        self._workers: dict[str, str] = {}  # the local connection of each job's worker, for orders

    # ------------------------------------------------------------------ the feed

    async def follow(self, feed: Feed, learn: Callable[[Update], None]) -> None:
        """Apply each update of `feed`, and have `learn` called with those of ended jobs, until cancelled.

        Raises:
            LogReplaced: The log does not continue what was read from it.
            JournalFailed: The storage failed.
        """
        while True:
            update = await feed.read(day_of(self.clock().wall_ns))
            self._apply(update, await trio.to_thread.run_sync(decode_followed, update.records, self.clock()))
            if update.durations or update.runs:
                learn(update)
            await trio.lowlevel.checkpoint()
            await self.log.wait_room(large=False)

    def _apply(self, update: Update, jobs: Sequence[Job]) -> None:
        """Publish an update. There is no await, so other tasks never see a part of it."""
        for job in jobs:
            if job.dismissed and job.job_id not in self._jobs:
                continue  # the job was no longer in memory
            if (worker := self._workers.get(job.job_id)) is not None:
                job.workers = (worker,)
            self._jobs.put(job)
            self.workers.orders.publish(job)
        self._make_room()
        self.statistics.learn(update.durations)
        if update.counts is not None:
            self.statistics.generation_runs, self.statistics.cache_hits = update.counts
        if update.ends is not None:
            self._today.replace(update.ends, self.clock())
        self.log.publish(update.messages)

    def _make_room(self) -> None:
        # The leader has the same limits, and rejects further jobs.
        with suppress(TooMany):
            while (first := self._jobs.over_first(0, 0, lambda _: False)) is not None:
                self.forget(first)

    async def run_retention(self, retention_s: float) -> None:
        """Drop ended jobs from memory after a time, as the leader does, until cancelled."""
        while True:
            await trio.sleep(_ROUND_S)
            turns = Turns()
            for job in self.jobs():
                if (self.ended_s(job.job_id) or 0.0) > retention_s:
                    self.forget(job.job_id)
                await turns.offer()
            self._workers = {
                job_id: worker
                for job_id, worker in self._workers.items()
                if (known := self._jobs.get(job_id)) is not None and known.ended is None
            }
            self.tidy()

    # ------------------------------------------------------------------ reports

    async def report(self, event: Event, owner: str = "") -> Position:
        """See `Tracker.report`; the leader stores it."""
        [outcome] = (await self.take_all([event], owner=owner)).outcomes
        if isinstance(outcome, PhaselineError):
            raise outcome
        return Position(self.log.top.epoch, outcome)

    async def take_all(
        self,
        events: Sequence[Event],
        worker_of: Callable[[Event], str] | None = None,
        owner: str = "",  # noqa: ARG002 (the leader finds it out)
        failed: Failed = lambda: None,
    ) -> BatchReceipt:
        """See `Tracker.take_all`; the leader stores them."""
        if (error := failed()) is not None:
            return BatchReceipt([error] * len(events))
        outcomes = await self._leader.report_all(events)
        if worker_of is not None:
            taken = zip(events, outcomes, strict=True)
            self._workers.update((event.job_id, worker_of(event)) for event, seq in taken if isinstance(seq, int))
        # So that a client reads here what it has reported.
        await self.log.wait_published(max((outcome for outcome in outcomes if isinstance(outcome, int)), default=0))
        return BatchReceipt(outcomes)

    def report_host(self, status: HostStatus) -> None:
        """Send the load of a machine to the leader."""
        self._leader.report_host(status)
