"""The log of another server as a `Feed`: it is copied to this server's disk, and read from there."""

from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec
import structlog
import trio
from msgspec import Raw

from phaseline.errors import DiskFull
from phaseline.model.statistics import Statistics
from phaseline.stream import Position
from phaseline.text import one_line
from phaseline.wire.replication import LogFrame, LogJobs, LogProblem, LogStart, LogUpdate, job_in_log
from phaseline_server.errors import LogReplaced
from phaseline_server.jobs.tracker import Clock, now
from phaseline_server.log.batch import Batch
from phaseline_server.log.feed import LocalDay, Start, Update
from phaseline_server.log.learned import EncodedRun
from phaseline_server.log.mirrored import CopyStart, MirrorEngine
from phaseline_server.log.protocol import Standing
from phaseline_server.log.threaded_store import ThreadedStore
from phaseline_server.mirror.age import Age
from phaseline_server.mirror.estimates import SourceEstimates
from phaseline_server.mirror.rows import COUNTED, batch_of_start, batch_of_update
from phaseline_server.mirror.source import Source, SourceAway

__all__ = ["MirrorFeed"]

_log: Final = structlog.get_logger()
_FIRST_RETRY_S: Final = 0.25
_LAST_RETRY_S: Final = 5.0


class MirrorFeed(ThreadedStore):
    """A copy of the log of another server.

    Attributes:
        clock: Returns the time of which jobs are shown: the present, or that of the source's last sign of life.
        estimates: The source's estimates.
        problem: Why the mirror is not connected to its source, or "".
    """

    def __init__(self, engine: MirrorEngine, source: Source, url: str) -> None:
        """Continue the copy in `engine` from `source`, which has this `url`; `run` connects."""
        super().__init__(engine)
        self.problem = ""
        self._age = Age(now, engine.complete_ns)
        self.clock: Clock = self._age.clock
        self.estimates = SourceEstimates(lambda: self._age.away)
        self._copy = engine
        self._source = source
        self._url = url
        self._send, self._receive = trio.open_memory_channel[LogFrame](0)
        self._statistics = Statistics()
        self._held: LogFrame | None = None

    @property
    def has_copy(self) -> bool:
        """Whether there is a copy already, of before a restart."""
        return self._copy.complete_ns is not None

    @property
    def standing(self) -> Standing:
        """See `Store.standing`."""
        return Standing("mirror", leader=self._url, lag_s=self._age.lag_s)

    def note(self, standing: Standing) -> None:
        """See `Feed.note`; the source of a mirror stays the same."""

    # ------------------------------------------------------------------ the connection

    async def run(self) -> None:
        """Stay connected to the source, until cancelled."""
        pause_s = _FIRST_RETRY_S
        while True:
            position = Position(self.epoch, self.top) if self.has_copy else None
            try:
                await self._source.receive(position, self._take)
            except SourceAway as away:
                if str(away) != self.problem:
                    _log.warning("the source is unreachable; retrying", source=self._url, reason=str(away))
                pause_s = _FIRST_RETRY_S if not self.problem else min(2 * pause_s, _LAST_RETRY_S)
                self.problem = str(away)
            await trio.sleep(pause_s)

    async def _take(self, frame: LogFrame) -> None:
        if self.problem:
            _log.info("connected to the source", source=self._url)
            self.problem = ""
        await self._send.send(frame)

    # ------------------------------------------------------------------ the copy

    async def start(self, ended_since_ns: int, most_jobs: int, day: LocalDay) -> Start:
        """See `Feed.start`; waits for the source only if there is no copy so far."""
        while not self.has_copy:
            frame = await self._next()
            if isinstance(frame, LogStart):
                await self._begin(frame)
        kept = await self.load(ended_since_ns, most_jobs)
        self._statistics = Statistics(kept.averages, *kept.counts)
        return Start(kept, await self.learned(), await self.ends(*day))

    async def read(self, day: LocalDay) -> Update:
        """See `Feed.read`."""
        while True:
            frame = await self._next()
            match frame:
                case LogStart():
                    await self._begin(frame)
                    raise LogReplaced(f"{self._url} does not continue the log that was copied; it was copied again")
                case LogUpdate():
                    if update := await self._add(frame, day):
                        return update
                case LogJobs() | LogProblem():
                    pass

    async def _next(self) -> LogFrame:
        frame, self._held = self._held, None
        return await self._receive.receive() if frame is None else frame

    async def _begin(self, start: LogStart) -> None:
        """Replace the copy by one that starts again, once all of it has arrived."""
        _log.info("copying the log of the source", source=self._url, epoch=start.epoch)
        records = list[Raw]()
        while self._held is None:
            match frame := await self._receive.receive():
                case LogStart():  # the connection was lost meanwhile
                    start, records = frame, []
                case LogJobs():
                    records += frame.jobs
                case LogUpdate():
                    self._held = frame
                case LogProblem():
                    pass
        present = now()
        batch = await self._read_rows(partial(batch_of_start, start, records, present))
        copy = CopyStart(start.epoch, start.seq, batch)
        await self._write(partial(self._copy.replace, copy, present.wall_ns))
        self._age.note(present, complete=False)

    async def _add(self, frame: LogUpdate, day: LocalDay) -> Update | None:
        """Store an update; return None if it has no new messages."""
        present = now()
        batch = await self._read_rows(partial(batch_of_update, frame, self._statistics, self.top, present))
        if batch.messages:
            await self._write(partial(self._copy.commit, batch))
            self._statistics.update(batch.averages, batch.dropped)
            if batch.counts is not None:
                self._statistics.generation_runs, self._statistics.cache_hits = batch.counts
        self.estimates.note(frame.estimates, map(job_in_log, frame.jobs), present)
        if self._age.note(present, complete=self.top >= frame.top):
            await self._write(partial(self._copy.note_complete, present.wall_ns))
        if not batch.messages:
            return None
        is_counted = not COUNTED.isdisjoint(message.type for message in batch.messages)
        return _update_of(batch, await self.ends(*day) if is_counted else None)

    async def _read_rows(self, read: Callable[[], Batch]) -> Batch:
        """Return the rows of what the source sent; if this version can't read it, show the copy as it is."""
        try:
            return await trio.to_thread.run_sync(read)
        except msgspec.MsgspecError as error:
            self.problem = f"{self._url} sends jobs that this version can't read: {one_line(str(error))}"
            _log.error("the mirror stays as it is; upgrade it, then start it again", problem=self.problem)
        await trio.sleep_forever()
        raise AssertionError

    async def _write(self, write: Callable[[], None]) -> None:
        """Store something; wait while there is no room."""
        while True:
            try:
                with trio.CancelScope(shield=True):
                    await trio.to_thread.run_sync(write)
            except DiskFull as error:
                _log.warning("disk full; the mirror waits until there is space", error=str(error))
                await trio.sleep(_LAST_RETRY_S)
            else:
                return


def _update_of(batch: Batch, ends: dict[str, int] | None) -> Update:
    runs = [EncodedRun(run.seq, run.workflow, run.series, run.body) for run in batch.runs if run.body is not None]
    return Update(
        messages=batch.messages,
        records=[job.record for job in batch.jobs],
        runs=runs,
        durations=batch.durations,
        counts=batch.counts,
        ends=ends,
    )
