"""The feed of a shared log: the leader's commits, for a server that follows it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from phaseline.model.phase import PhaseDuration
from phaseline.stream import Message
from phaseline_server.log.batch import Kept
from phaseline_server.log.learned import EncodedRun, Learned
from phaseline_server.log.protocol import Standing, Store

__all__ = ["Feed", "LocalDay", "Start", "Update"]

LocalDay = tuple[int, int]
"""The wall-clock times at which the server's local day begins and ends, in nanoseconds."""


class Start(NamedTuple):
    """The state that a follower starts with, all of one position, which is the store's top then.

    Attributes:
        kept: As of `Store.load`; without producers, which only a leader needs.
        learned: As of `Store.learned`.
        ends: As of `Store.ends`, of the day.
    """

    kept: Kept
    learned: Learned
    ends: Mapping[str, int]


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """The changes that were committed since the last update.

    Attributes:
        messages: In the order of their numbers, without a gap.
        records: The jobs of the messages. They may already include messages of the next update.
        runs: The ended runs to learn from.
        durations: The durations of the phases of ended jobs.
        counts: As in `Batch`; None if no job has ended.
        ends: As of `Store.ends`, of the day; None if they have not changed.
    """

    messages: Sequence[Message]
    records: Sequence[bytes]
    runs: Sequence[EncodedRun] = ()
    durations: Sequence[PhaseDuration] = ()
    counts: tuple[int, int] | None = None
    ends: Mapping[str, int] | None = None


class Feed(Store, Protocol):
    """A log that another server leads: it can be read, and followed. Writing raises LogUnavailable."""

    async def start(self, ended_since_ns: int, most_jobs: int, day: LocalDay) -> Start:
        """Return the state to start with; see `Store.load`.

        Raises:
            LogUnavailable: The database can't be reached, or has no log yet.
            JournalUnusable: The log is of another version.
            JournalFailed: The storage failed.
        """
        ...

    async def read(self, day: LocalDay) -> Update:
        """Wait until the leader has committed more, and return it; while the database is unreachable, wait for it, too.

        Raises:
            LogReplaced: The log does not continue what was read from it.
            JournalFailed: The storage failed.
        """
        ...

    def note(self, standing: Standing) -> None:
        """Record which server leads."""
        ...
