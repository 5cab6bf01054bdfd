"""The log in PostgreSQL as a `Store`."""

import time
from collections.abc import Callable
from typing import Final, Self

import structlog
import trio

from phaseline_server.errors import LogUnavailable
from phaseline_server.log.postgres.connection import Address
from phaseline_server.log.postgres.leader_log import LeaderLog
from phaseline_server.log.postgres.leadership import Leadership
from phaseline_server.log.postgres.members import Registration, aged
from phaseline_server.log.protocol import Retention, Standing
from phaseline_server.log.threaded_store import ThreadedStore

__all__ = ["PostgresStore"]

_log: Final = structlog.get_logger()
_RETRY_S: Final = 0.5
_BEAT_S: Final = 1.0


class PostgresStore(ThreadedStore):
    """A log in a database, which this server leads."""

    def __init__(self, leader_log: LeaderLog, leadership: Leadership) -> None:
        """Use `lead`."""
        super().__init__(leader_log)
        self._leader_log = leader_log
        self._leadership = leadership
        self._available = True

    @classmethod
    async def lead(
        cls,
        url: str,
        limits: Retention | None = None,
        *,
        server: str = "",
        schema: str = "phaseline",
        lag: Callable[[], float | None] = lambda: None,
        waiting: Callable[[Standing | LogUnavailable], None] = lambda _: None,
    ) -> Self:
        """Wait until this server leads the log, and open it; it is created if it is missing. Then run `attend`.

        Args:
            url: The address of the database, as libpq's connection URIs are.
            limits: The limits of the log.
            server: The address of this server, shown to others.
            schema: The schema of the log's tables.
            lag: Returns this server's lag in seconds while it follows; None if it is unknown.
            waiting: Called after each attempt, with the reason to wait.

        Raises:
            JournalUnusable: The address is not valid, the database rejects what the log needs, or the log is of a newer
                version.
            JournalFailed: The database rejects a query.
            DiskFull: The database has no room.
        """
        address = Address(url, schema)
        leadership = Leadership(address, server, Registration(server, lag))
        try:
            while True:
                try:
                    other = await trio.to_thread.run_sync(leadership.lead)
                    if other is None:
                        leader_log = await trio.to_thread.run_sync(
                            LeaderLog, address, leadership, limits or Retention()
                        )
                        return cls(leader_log, leadership)
                    waiting(other)
                except LogUnavailable as error:
                    waiting(error)
                await trio.sleep(_RETRY_S)
        except BaseException:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(leadership.close)
            raise

    @property
    def standing(self) -> Standing:
        """See `Store.standing`."""
        leads = self._leadership
        if self._available:
            return Standing("leader", leads.term, leads.server, members=leads.members)
        # Another server may lead meanwhile.
        silent_s = time.monotonic() - leads.beat_s if leads.beat_s > 0 else 0.0
        others = aged(leads.members, silent_s)
        return Standing("leader", leads.term, leads.server, round(silent_s, 3), available=False, members=others)

    @property
    def complete_s(self) -> float:
        """See `Store.complete_s`."""
        return self._leader_log.complete_s

    async def settle(self) -> bool:
        """See `Store.settle`."""
        while True:
            try:
                return await trio.to_thread.run_sync(self._leader_log.settle)
            except LogUnavailable:
                await trio.sleep(_RETRY_S)

    async def attend(self) -> None:
        """Show the other servers each second that this one leads, until cancelled.

        Raises:
            Deposed: Another server leads.
            JournalFailed: The database rejects it.
        """
        while True:
            try:
                await trio.to_thread.run_sync(self._leadership.beat)
            except LogUnavailable as error:
                if self._available:
                    _log.warning("the log is not available", cause=error.cause)
                self._available = False
            else:
                if not self._available:
                    _log.info("the log is available again")
                self._available = True
            await trio.sleep(_BEAT_S)
