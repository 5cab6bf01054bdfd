"""What routes are given of the tracker and the log: only as much as the client at hand was granted.

This is the one place where a permission meets a job, so no route can forget it. What is not named here is not there
for a route.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

from phaseline.errors import RateLimited
from phaseline.events import Event, JobStarted
from phaseline.snapshot import Snapshot
from phaseline.stream import Message
from phaseline_server.access import CURRENT, Keeper
from phaseline_server.broadcaster import Subscriber
from phaseline_server.grant import OPEN
from phaseline_server.tracker import Tracker

__all__ = ["confined"]

# What tells of no job, or is asked of whole routes by the guard.
_TRACKER: Final = frozenset({"counts", "ended", "reports", "statistics"})
_LOG: Final = frozenset({"can_resume", "check", "oldest", "statistics", "top"})


def confined(tracker: Tracker, keeper: Keeper) -> Tracker:
    """Return `tracker` as routes may use it."""
    return cast("Tracker", _Tracker(tracker, keeper))


class _Tracker:
    def __init__(self, tracker: Any, keeper: Keeper) -> None:
        self._tracker = tracker
        self._keeper = keeper
        self.log = _Log(tracker.log, keeper)

    def __getattr__(self, name: str) -> Any:
        if name in _TRACKER:
            return getattr(self._tracker, name)
        raise AttributeError(f"routes have no tracker.{name}; if they may, confined.py says so")

    async def report(self, event: Event) -> Any:
        """As `Tracker.report`; raises Unauthorized, Forbidden and RateLimited besides."""
        self._check(event)
        return await self._tracker.report(event)

    def take(self, event: Event) -> Any:
        """As `Tracker.take`; raises Unauthorized, Forbidden and RateLimited besides."""
        self._check(event)
        return self._tracker.take(event)

    def _check(self, event: Event) -> None:
        grant = CURRENT.get().known
        grant.check_report(event.job_id, event.workflow if isinstance(event, JobStarted) else None)
        if (wait_s := self._keeper.take_turn(grant)) > 0:
            raise RateLimited(
                f"the token has reported as much as it may; the next report is taken in {wait_s:.3f} s; "
                "allowed: as many in a second as max_reports says"
            )

    async def announce(self, *args: Any) -> Any:
        """As `Tracker.announce`, for an admin of everything: what is no report is checked by nobody else."""
        CURRENT.get().check_says_anything()
        return await self._tracker.announce(*args)

    def snapshot(self, job_id: str) -> Snapshot:
        """As `Tracker.snapshot`; raises Unauthorized and Forbidden besides."""
        CURRENT.get().known.check_read(job_id)
        return cast("Snapshot", self._tracker.snapshot(job_id))

    async def find(self, job_id: str) -> Snapshot:
        """As `Tracker.find`; raises Unauthorized and Forbidden besides."""
        CURRENT.get().known.check_read(job_id)
        return cast("Snapshot", await self._tracker.find(job_id))

    def snapshots(self) -> Iterator[Snapshot]:
        """Return those of the jobs that may be seen."""
        reads = CURRENT.get().reads
        return (snapshot for snapshot in self._tracker.snapshots() if reads(snapshot.job_id))


class _Log:
    def __init__(self, log: Any, keeper: Keeper) -> None:
        self._log = log
        self._keeper = keeper

    def __getattr__(self, name: str) -> Any:
        if name in _LOG:
            return getattr(self._log, name)
        raise AttributeError(f"routes have no log.{name}; if they may, confined.py says so")

    def append(self, *args: Any) -> Any:
        """As `Log.append`, for an admin of everything."""
        CURRENT.get().check_says_anything()
        return self._log.append(*args)

    def since(self, *args: Any) -> Any:
        """As `Log.since`. What may not be seen leaves an empty message behind, lest the numbers have a gap."""
        reads = CURRENT.get().reads
        found = self._log.since(*args)
        return _admitted(found, reads) if isinstance(found, tuple) else _awaited(found, reads)

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


async def _awaited(found: Awaitable[tuple[Message, ...]], reads: Callable[[str], bool]) -> tuple[Message, ...]:
    return _admitted(await found, reads)


def _admitted(messages: tuple[Message, ...], reads: Callable[[str], bool]) -> tuple[Message, ...]:
    """Return the messages, with nothing in the place of those that may not be seen: no channel carries it."""
    return tuple(
        message if reads(message.job_id) else Message(message.seq, "", "", frozenset(), b"") for message in messages
    )
