"""The log in PostgreSQL as a `Feed`."""

import time
from typing import Final, Self

import structlog
import trio

from phaseline_server.errors import LogUnavailable
from phaseline_server.log.feed import LocalDay, Start, Update
from phaseline_server.log.postgres.connection import Address
from phaseline_server.log.postgres.follower_log import FollowerLog
from phaseline_server.log.postgres.members import aged
from phaseline_server.log.protocol import Standing
from phaseline_server.log.threaded_store import ThreadedStore

__all__ = ["PostgresFeed"]

_log: Final = structlog.get_logger()
_POLL_S: Final = 1.0
"""Time after which a follower looks without having been notified: the notification may be lost with its connection."""
_RETRY_S: Final = 0.5


class PostgresFeed(ThreadedStore):
    """A log in a database, which another server leads."""

    def __init__(self, follower_log: FollowerLog) -> None:
        """Use `open`."""
        super().__init__(follower_log)
        self._follower_log = follower_log
        self._standing, self._noted_s = Standing("follower"), time.monotonic()
        self._available = True

    @classmethod
    async def open(cls, url: str, *, schema: str = "phaseline") -> Self:
        """Open the log; then call `start`.

        Args:
            url: The address of the database, as libpq's connection URIs are.
            schema: The schema of the log's tables.

        Raises:
            JournalUnusable: The address is not valid, or the log is of another version.
            JournalFailed: There is no log yet, or the database rejects a query.
            LogUnavailable: The database can't be reached.
        """
        address = Address(url, schema)
        return cls(await trio.to_thread.run_sync(FollowerLog, address))

    @property
    def standing(self) -> Standing:
        """See `Store.standing`."""
        others = self._standing.members
        if not self._available:
            others = aged(others, time.monotonic() - self._noted_s)
        lag_s = round(self._follower_log.lag_s, 3)
        return self._standing._replace(lag_s=lag_s, available=self._available, members=others)

    @property
    def complete_s(self) -> float:
        """See `Store.complete_s`."""
        return self._follower_log.complete_s

    def note(self, standing: Standing) -> None:
        """See `Feed.note`."""
        self._standing, self._noted_s = standing, time.monotonic()

    async def start(self, ended_since_ns: int, most_jobs: int, day: LocalDay) -> Start:
        """See `Feed.start`."""
        return await trio.to_thread.run_sync(self._follower_log.start, ended_since_ns, most_jobs, day)

    async def read(self, day: LocalDay) -> Update:
        """See `Feed.read`."""
        while True:
            try:
                await self._wait()
                update = await trio.to_thread.run_sync(self._follower_log.read, day)
            except LogUnavailable as error:
                if self._available:
                    _log.warning("the log is not available", cause=error.cause)
                self._available = False
                await trio.sleep(_RETRY_S)
                continue
            if not self._available:
                _log.info("the log is available again")
            self._available = True
            if update.messages:
                return update

    async def _wait(self) -> None:
        """Wait until the leader may have committed something."""
        fd = self._follower_log.fd
        if fd is None or self._follower_log.notified:
            await trio.lowlevel.checkpoint()
            return
        with trio.move_on_after(_POLL_S):
            await trio.lowlevel.wait_readable(fd)
