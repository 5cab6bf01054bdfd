"""What routes are given of the tracker and the log: only as much as the client at hand was granted.

This is the one place where a permission meets a job, so no route can forget it. What is not named here is not there
for a route.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

from phaseline.errors import Forbidden, PhaselineError, RateLimited
from phaseline.model.events import Event, JobStarted
from phaseline.model.snapshot import Snapshot
from phaseline.stream import Message, Position
from phaseline_server.access.grant import OPEN
from phaseline_server.access.keeper import CURRENT, Keeper
from phaseline_server.fanout.broadcaster import Subscriber
from phaseline_server.jobs.commit_group import Taken
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.log.stream import PAGE, Log

__all__ = ["confined"]

# What tells of no job, or is asked of whole routes by the guard.
_TRACKER: Final = frozenset({"counts", "ended", "reports", "statistics"})
_LOG: Final = frozenset({"can_resume", "oldest", "statistics", "top"})


def confined(tracker: Tracker, keeper: Keeper) -> Tracker:
    """Return `tracker` as routes may use it."""
    return cast("Tracker", _Tracker(tracker, keeper))


class _Tracker:
    def __init__(self, tracker: Tracker, keeper: Keeper) -> None:
        self._tracker = tracker
        self._keeper = keeper
        self.log = _Log(tracker.log, keeper)

    def __getattr__(self, name: str) -> Any:
        if name in _TRACKER:
            return getattr(self._tracker, name)
        raise AttributeError(f"routes have no tracker.{name}; if they may, confined.py says so")

    async def report(self, event: Event) -> Position:
        """As `Tracker.report`; raises Unauthorized, Forbidden and RateLimited besides."""
        self._check(event)
        return await self._tracker.report(event)

    def take_all(self, events: Sequence[Event]) -> Taken:
        """As `Tracker.take_all`, but that outcomes may be Forbidden and RateLimited too; raises Unauthorized.

        Behind the first event for which it is too early, all are too early, lest one overtake another.
        """
        if CURRENT.get().known is OPEN:
            return self._tracker.take_all(events)
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
        taken = self._tracker.take_all(allowed)
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


class _Log:
    def __init__(self, log: Log, keeper: Keeper) -> None:
        self._log = log
        self._keeper = keeper

    def __getattr__(self, name: str) -> Any:
        if name in _LOG:
            return getattr(self._log, name)
        raise AttributeError(f"routes have no log.{name}; if they may, confined.py says so")

    async def since(self, position: Position, limit: int = PAGE) -> tuple[Message, ...]:
        """As `Log.since`. What may not be seen leaves an empty message behind, lest the numbers have a gap."""
        access = CURRENT.get()
        found = await self._log.since(position, limit)
        return tuple(message if access.reads(message.job_id) else _hidden(message) for message in found)

    @contextmanager
    def subscribe(self, channels: Iterable[str]) -> Iterator[Subscriber]:
        """As `Log.subscribe`. The subscriber gets what may be seen, and is ended when that is over."""
        access = CURRENT.get()
        with self._log.subscribe(channels) as subscriber:
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
