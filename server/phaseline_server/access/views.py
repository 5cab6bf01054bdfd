"""The tracker and the log as routes see them: only as much as the present client was granted.

This is the one place where a permission meets a job, so no route can forget it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from phaseline.errors import Forbidden, PhaselineError, RateLimited
from phaseline.model.events import Event, JobStarted
from phaseline.model.snapshot import Snapshot
from phaseline.model.statistics import Statistics
from phaseline.stream import Message, Position
from phaseline_server.access.grant import OPEN
from phaseline_server.access.keeper import CURRENT, Keeper
from phaseline_server.fanout.broadcaster import BroadcasterStatistics
from phaseline_server.fanout.direct import DirectSubscriber, Sink
from phaseline_server.fanout.queued import QueuedSubscriber
from phaseline_server.fanout.subscriber import Subscriber
from phaseline_server.jobs.commit_group import Taken
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.jobs.workers import Workers
from phaseline_server.log.stream import PAGE, Log

__all__ = ["JobsView", "StreamView"]

_AnySubscriber = TypeVar("_AnySubscriber", bound=Subscriber)


class JobsView:
    """The tracker, as the present client may use it.

    Attributes:
        log: The log, likewise.
    """

    def __init__(self, tracker: Tracker, keeper: Keeper) -> None:
        """Show `tracker` to clients that `keeper` knows."""
        self._tracker = tracker
        self._keeper = keeper
        self.log = StreamView(tracker.log, keeper)

    # These say nothing about a single job; the guard checks who may read them.

    @property
    def statistics(self) -> Statistics:
        """As `Tracker.statistics`."""
        return self._tracker.statistics

    @property
    def ended(self) -> Counter[str]:
        """As `Tracker.ended`."""
        return self._tracker.ended

    @property
    def reports(self) -> int:
        """As `Tracker.reports`."""
        return self._tracker.reports

    @property
    def workers(self) -> Workers:
        """As `Tracker.workers`."""
        return self._tracker.workers

    def counts(self) -> Counter[str]:
        """As `Tracker.counts`."""
        return self._tracker.counts()

    # These are about jobs.

    async def report(self, event: Event) -> Position:
        """As `Tracker.report`; raises Unauthorized, Forbidden and RateLimited besides."""
        self._check(event)
        return await self._tracker.report(event)

    def take_all(self, events: Sequence[Event], worker_of: Callable[[Event], str] | None = None) -> Taken:
        """As `Tracker.take_all`, but that outcomes may be Forbidden and RateLimited too; raises Unauthorized.

        Behind the first event for which it is too early, all are too early, lest one overtake another.
        """
        if CURRENT.get().known is OPEN:
            return self._tracker.take_all(events, worker_of)
        allowed: list[Event] = []
        refused: dict[int, PhaselineError] = {}
        early: RateLimited | None = None
        for number, event in enumerate(events):
            try:
                if early is None:
                    self._check(event)
                    allowed.append(event)
            except RateLimited as error:
                early = error
            except Forbidden as error:
                refused[number] = error
            if early is not None:
                refused[number] = early
        taken = self._tracker.take_all(allowed, worker_of)
        outcomes = iter(taken.outcomes)
        return taken.among([refused[n] if n in refused else next(outcomes) for n in range(len(events))])

    def _check(self, event: Event) -> None:
        grant = CURRENT.get().known
        grant.check_report(event.job_id, event.workflow if isinstance(event, JobStarted) else None)
        if (wait_s := self._keeper.take_turn(grant)) > 0:
            raise RateLimited(
                f"the token has reported as much as it may; the next report is taken in {wait_s:.3f} s; "
                "allowed: as many in a second as max_reports says"
            )

    async def announce(self, kind: str, channel: str, encode: Callable[[Position], bytes]) -> Position:
        """As `Tracker.announce`, for an admin of everything: what is no report is checked by nobody else."""
        CURRENT.get().check_says_anything()
        return await self._tracker.announce(kind, channel, encode)

    def snapshot(self, job_id: str) -> Snapshot:
        """As `Tracker.snapshot`; raises Unauthorized and Forbidden besides."""
        CURRENT.get().known.check_read(job_id)
        return self._tracker.snapshot(job_id)

    async def find(self, job_id: str) -> Snapshot:
        """As `Tracker.find`; raises Unauthorized and Forbidden besides."""
        CURRENT.get().known.check_read(job_id)
        return await self._tracker.find(job_id)

    def snapshots(self) -> Iterator[Snapshot]:
        """Return those of the jobs that may be seen."""
        reads = CURRENT.get().reads
        return (snapshot for snapshot in self._tracker.snapshots() if reads(snapshot.job_id))


class StreamView:
    """The log, as the present client may use it."""

    def __init__(self, log: Log, keeper: Keeper) -> None:
        """Show `log` to clients that `keeper` knows."""
        self._log = log
        self._keeper = keeper

    @property
    def top(self) -> Position:
        """As `Log.top`."""
        return self._log.top

    @property
    def oldest(self) -> Position:
        """As `Log.oldest`."""
        return self._log.oldest

    def can_resume(self, position: Position) -> bool:
        """As `Log.can_resume`."""
        return self._log.can_resume(position)

    def statistics(self) -> BroadcasterStatistics:
        """As `Log.statistics`."""
        return self._log.statistics()

    async def since(self, position: Position, limit: int = PAGE) -> tuple[Message, ...]:
        """As `Log.since`. What may not be seen leaves an empty message behind, lest the numbers have a gap."""
        access = CURRENT.get()
        found = await self._log.since(position, limit)
        return tuple(message if access.reads(message.job_id) else _hidden(message) for message in found)

    def subscribe(self, channels: Iterable[str]) -> AbstractContextManager[QueuedSubscriber]:
        """As `Log.subscribe`. The subscriber gets what may be seen, and is ended when that is over."""
        return self._watched(self._log.subscribe(channels))

    def attach(self, sink: Sink) -> AbstractContextManager[DirectSubscriber]:
        """As `Log.attach`, with the same bounds as `subscribe`."""
        return self._watched(self._log.attach(sink))

    @contextmanager
    def _watched(self, subscribed: AbstractContextManager[_AnySubscriber]) -> Iterator[_AnySubscriber]:
        access = CURRENT.get()
        with subscribed as subscriber:
            # What is open to everybody stays so until it ends, and most servers never are anything else.
            subscriber.admits = None if access.grant is OPEN else access.reads
            self._keeper.add(access)
            access.at_end(subscriber.end)
            try:
                yield subscriber
            finally:
                access.not_at_end(subscriber.end)
                self._keeper.remove(access)


def _hidden(message: Message) -> Message:
    """Return what is in `message`'s place for those who may not see it: no channel carries it."""
    return Message(message.seq, "", "", frozenset(), b"")
