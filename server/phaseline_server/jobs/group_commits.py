"""Committing groups: one after the other, each stored before it is published."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import trio

from phaseline.errors import DiskFull
from phaseline.model.snapshot import Moment
from phaseline.model.statistics import Statistics
from phaseline_server.errors import Deposed, JournalFailed, LogUnavailable
from phaseline_server.jobs.commit_group import Group
from phaseline_server.jobs.intake import Intake
from phaseline_server.jobs.rows import batch_of
from phaseline_server.jobs.turns import Turns
from phaseline_server.log.batch import Batch
from phaseline_server.log.stream import Log

__all__ = ["GroupCommits"]

_AGAIN: Final = "the log was not available; send the report again"


class GroupCommits:
    """Takes the reports that have gathered, stores them in the log, and publishes them."""

    def __init__(
        self,
        intake: Intake,
        log: Log,
        statistics: Statistics,
        clock: Callable[[], Moment],
        publish: Callable[[Group, Batch], None],
    ) -> None:
        """Take groups from `intake`; `publish` makes a stored one visible."""
        self._intake = intake
        self._log = log
        self._statistics = statistics
        self._clock = clock
        self._publish = publish
        self._work = trio.Event()

    def wake(self) -> None:
        """Record that there is something to commit."""
        self._work.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Commit for the duration of the block; at its end, all accepted reports are stored. See `Tracker.keeping`."""
        committing = trio.CancelScope(shield=True)

        async def keep_groups() -> None:
            with committing:
                await self._keep_groups()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_groups)
            try:
                # The tasks that the end of the block cancels may still report, so this continues until they are done.
                yield
            finally:
                intake = self._intake
                with trio.CancelScope(shield=True):
                    # While the log is not available, no report waits for its group.
                    while intake.failed is None and not (intake.gathering.empty and intake.committing.empty):
                        await (intake.gathering if intake.committing.empty else intake.committing).over.wait()
                committing.cancel()

    async def _keep_groups(self) -> None:
        while True:
            await self._work.wait()
            with trio.CancelScope(shield=True):
                await self._log.wait_room(large=False)
                group = await self._close_group()
                undecided = await self._keep(group)
            if undecided is not None:
                await self._settle(group, undecided)

    async def _close_group(self) -> Group:
        """Return the reports that have gathered; wait for a batch that is still joining them."""
        intake = self._intake
        try:
            # Without a checkpoint, during which the next batch would have to wait.
            intake.open.acquire_nowait()
        except trio.WouldBlock:
            await intake.open.acquire()
        try:
            self._work = trio.Event()
            return intake.close_group()
        finally:
            intake.open.release()

    async def _keep(self, group: Group) -> Batch | None:
        """Store and publish a group; return its batch if it is not known whether it is stored."""
        batch: Batch | None = None
        try:
            turns = Turns()
            for head in group.heads.values():
                self._intake.renew(head, group)
                await turns.offer()
            batch = await batch_of(group, self._statistics, self._clock(), turns)
            await self._log.keep(batch)
        except DiskFull as error:
            self._intake.roll_back(error)
        except LogUnavailable as error:
            self._intake.suspend(error)
            return batch
        except (JournalFailed, Deposed) as error:
            self._intake.failed = error
            self._intake.roll_back(error)
            raise
        except BaseException as error:
            # A bug, which ends the server; no task must wait for the group.
            failed = JournalFailed(f"a group of reports could not be stored: {error!r}; see the server's log")
            self._intake.failed = failed
            self._intake.roll_back(failed)
            raise
        else:
            self._publish(group, batch)
        return None

    async def _settle(self, group: Group, batch: Batch) -> None:
        """Wait until it is known whether a group is stored; then publish it, or roll it back."""
        try:
            stored = await self._log.settle()
        except (JournalFailed, Deposed) as error:
            self._intake.failed = error
            self._intake.roll_back(error)
            raise
        if stored:
            self._publish(group, batch)
        else:
            self._intake.roll_back(LogUnavailable(_AGAIN))
        self._intake.resume()
