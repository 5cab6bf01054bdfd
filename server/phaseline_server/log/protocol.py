"""The protocol between a log and the engine that stores it.

`sqlite` stores a log in a file, and `postgres` in a database that servers share. `memory` forgets it at exit, and is
the executable specification: all engines behave alike (`tests/server/log/test_store_engines.py`). No method blocks
Trio's thread. Every method that reads or writes may also raise LogUnavailable, where the log is not on this machine.
"""

from collections.abc import Collection, Sequence
from typing import Final, Literal, NamedTuple, Protocol

import msgspec

from phaseline.model.snapshot import Moment
from phaseline.stream import Message
from phaseline_server.log.batch import Batch, Kept
from phaseline_server.log.learned import Learned, Outcomes
from phaseline_server.log.queries import JobPage, JobQuery, Total, TotalsQuery

__all__ = ["SINGLE", "Member", "Retention", "Standing", "Store"]


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of a log.

    Attributes:
        events: Number of the newest events.
        jobs: Number of ended jobs.
        age_s: Seconds that events are kept, and jobs that ended, are lost or were dismissed.
        producers: Number of producers, each with one job, whose reports are deduplicated.
        durations: Number of phase durations to compute percentiles from.
        runs: Number of ended runs to learn from.
    """

    events: int = 100_000
    jobs: int = 20_000
    age_s: float = 7 * 24 * 3600.0
    producers: int = 10_000
    durations: int = 100_000
    runs: int = 20_000


class Member(NamedTuple):
    """A server that shares a log, as it registered itself.

    Attributes:
        address: Its address.
        role: As of `Standing`, or `away` if it is silent.
        term: The number of the leader's term that it knows.
        lag_s: As of `Standing`; None if it is unknown.
        version: Its version of Phaseline.
        silent_s: Seconds since it registered last.
        answers: Whether it is this server.
    """

    address: str
    role: Literal["single", "leader", "follower", "mirror", "away"]
    term: int
    lag_s: float | None
    version: str
    silent_s: float = 0.0
    answers: bool = False


class Standing(NamedTuple):
    """The part of a server among those that share a log.

    Attributes:
        role: `single` if the log can't be shared; `leader` if the server writes it; `follower` if another one does;
            `mirror` if it copies the log of another server.
        term: The number of the leader's term; each leader begins one. 0 if it is not known.
        leader: The address of the leader, or of a mirror's source; or "".
        lag_s: For how long the server may lack what the leader has committed, in seconds; 0 if it lacks nothing. A
            leader without its database may lack what the next one commits.
        available: Whether the log's database answered last.
        members: All servers that share the log, this one included, as the database listed them last.
    """

    role: Literal["single", "leader", "follower", "mirror"]
    term: int = 0
    leader: str = ""
    lag_s: float = 0.0
    available: bool = True
    members: tuple[Member, ...] = ()


SINGLE: Final = Standing("single")


class Store(Protocol):
    """One open log. A single writer commits; reads may run at the same time as a commit."""

    @property
    def name(self) -> str:
        """The name of the log in error messages, such as a file's path."""
        ...

    @property
    def epoch(self) -> str:
        """The epoch of the stream; it stays the same until the log is replaced by another one, or by an older copy."""
        ...

    @property
    def top(self) -> int:
        """The number of the newest event, 0 before the first."""
        ...

    @property
    def oldest(self) -> int:
        """The number of the oldest event that `events` can return, `top + 1` if there is none."""
        ...

    @property
    def standing(self) -> Standing:
        """The part of this server."""
        ...

    @property
    def complete_s(self) -> float:
        """The time (`time.monotonic`) up to which `top` has certainly risen with all that was committed.

        Infinite if no other server writes the log, and for a mirror, which serves its copy however old that is.
        """
        ...

    async def load(self, ended_since_ns: int, most_jobs: int) -> Kept:
        """Return the state that a server starts with, and record that it starts now.

        Args:
            ended_since_ns: Jobs that ended before this wall-clock time are left out.
            most_jobs: Maximum number of jobs. All active ones come first, then those that ended last.

        Raises:
            JournalUnusable: The log can't be read.
        """
        ...

    async def commit(self, batch: Batch) -> None:
        """Store a batch, completely or not at all; when this returns, it survives a crash. It cannot be cancelled.

        The newest `Retention.events` events stay readable; older ones leave now or with a later commit.

        Raises:
            DiskFull: There is no room; nothing is stored, and the next batch may be.
            LogUnavailable: The database can't be reached; `settle` returns whether the batch is stored.
            Deposed: Another server leads; nothing is stored.
            JournalFailed: The storage failed; whether the batch is stored is unknown.
        """
        ...

    async def settle(self) -> bool:
        """Wait until the log is available again; return whether the batch is stored for which `commit` failed.

        Raises:
            Deposed: Another server leads.
            JournalFailed: The storage failed.
        """
        ...

    async def events(self, after: int, limit: int) -> tuple[Message, ...]:
        """Return the events after number `after`, at most `limit`, oldest first.

        Raises:
            JournalFailed: The storage failed.
        """
        ...

    async def job(self, job_id: str) -> bytes | None:
        """Return a job's record, or None.

        Raises:
            JournalFailed: The storage failed.
        """
        ...

    async def jobs(self, query: JobQuery) -> JobPage:
        """Return a page of the jobs that are kept; its last place continues it, also after later commits.

        Raises:
            JournalFailed: The storage failed.
        """
        ...

    async def totals(self, query: TotalsQuery) -> list[Total]:
        """Return the totals of runs, by workflow and series; only of those with a run since `query.since_ns`.

        An id that was started again has several runs. Lost jobs count as runs that ended with their latest event.

        Raises:
            JournalFailed: The storage failed.
        """
        ...

    async def ends(self, since_ns: int, until_ns: int) -> dict[str, int]:
        """Return how many runs ended in each state from `since_ns` to before `until_ns`, by the wall clock.

        A failed run does not count if its job was dismissed.

        Raises:
            JournalFailed: The storage failed.
        """
        ...

    async def prune(self, now: Moment) -> bool:
        """Remove some rows that are too old or too many; return whether more may remain.

        Ages count from the last commit about an event or job, on the log's own clock (`phaseline_server.log.clock`).

        The newest event stays whatever its age, since its number must never be used again.

        Raises:
            DiskFull: There is no room, not even for that.
            JournalFailed: The storage failed.
        """
        ...

    async def learned(self) -> Learned:
        """Return the learned states, and the runs to learn from.

        Raises:
            JournalFailed: The storage failed.
        """
        ...

    async def save_learned(
        self, states: Sequence[tuple[str, str, bytes]], gone: Collection[tuple[str, str]] = ()
    ) -> None:
        """Store learned states and remove others, all of it or nothing.

        Args:
            states: Kind, key and state of each.
            gone: Kind and key of those to remove.

        Raises:
            DiskFull: There is no room.
            JournalFailed: The storage failed.
        """
        ...

    async def outcomes(self, most: int) -> Outcomes:
        """Return how runs ended: the `most` phases with most failures, and the `most` slowest runs of each workflow.

        The slowest runs of all workflows come first, then the second ones; those of many workflows are cut.

        Raises:
            JournalFailed: The storage failed.
        """
        ...

    async def close(self) -> None:
        """Release the log; cancellation does not stop it."""
        ...
