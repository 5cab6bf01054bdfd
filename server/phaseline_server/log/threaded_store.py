"""A `Store` whose engine blocks: every call runs in a thread, so that none blocks Trio's."""

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

import trio

from phaseline.model.snapshot import Moment
from phaseline.stream import Message
from phaseline_server.log.batch import Batch, Kept
from phaseline_server.log.learned import Learned, Outcomes
from phaseline_server.log.protocol import SINGLE, Standing
from phaseline_server.log.queries import JobPage, JobQuery, Total, TotalsQuery

__all__ = ["BlockingEngine", "ThreadedStore"]


class BlockingEngine(Protocol):
    """The methods of `Store`, which may be called from several threads at once."""

    @property
    def name(self) -> str: ...  # noqa: D102 (see Store)
    @property
    def epoch(self) -> str: ...  # noqa: D102
    @property
    def top(self) -> int: ...  # noqa: D102
    @property
    def oldest(self) -> int: ...  # noqa: D102
    def load(self, ended_since_ns: int, most_jobs: int) -> Kept: ...  # noqa: D102
    def commit(self, batch: Batch) -> None: ...  # noqa: D102
    def events(self, after: int, limit: int) -> tuple[Message, ...]: ...  # noqa: D102
    def job(self, job_id: str) -> bytes | None: ...  # noqa: D102
    def jobs(self, query: JobQuery) -> JobPage: ...  # noqa: D102
    def totals(self, query: TotalsQuery) -> list[Total]: ...  # noqa: D102
    def ends(self, since_ns: int, until_ns: int) -> dict[str, int]: ...  # noqa: D102
    def prune(self, now: Moment) -> bool: ...  # noqa: D102
    def learned(self) -> Learned: ...  # noqa: D102
    def save_learned(self, states: Iterable[tuple[str, str, bytes]], gone: Iterable[tuple[str, str]] = ()) -> None: ...  # noqa: D102
    def outcomes(self, most: int) -> Outcomes: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class ThreadedStore:
    """A log behind a blocking engine; the methods are those of `Store`."""

    def __init__(self, engine: BlockingEngine) -> None:
        """Use an open engine."""
        self._engine = engine

    @property
    def name(self) -> str:
        """See `Store.name`."""
        return self._engine.name

    @property
    def epoch(self) -> str:
        """See `Store.epoch`."""
        return self._engine.epoch

    @property
    def top(self) -> int:
        """See `Store.top`."""
        return self._engine.top

    @property
    def oldest(self) -> int:
        """See `Store.oldest`."""
        return self._engine.oldest

    @property
    def standing(self) -> Standing:
        """See `Store.standing`."""
        return SINGLE

    @property
    def complete_s(self) -> float:
        """See `Store.complete_s`."""
        return math.inf

    async def load(self, ended_since_ns: int, most_jobs: int) -> Kept:
        """See `Store.load`."""
        return await trio.to_thread.run_sync(self._engine.load, ended_since_ns, most_jobs)

    async def commit(self, batch: Batch) -> None:
        """See `Store.commit`."""
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._engine.commit, batch)

    async def settle(self) -> bool:
        """See `Store.settle`; an engine that never raises LogUnavailable is not asked."""
        await trio.lowlevel.checkpoint()
        return False

    async def events(self, after: int, limit: int) -> tuple[Message, ...]:
        """See `Store.events`."""
        return await trio.to_thread.run_sync(self._engine.events, after, limit)

    async def job(self, job_id: str) -> bytes | None:
        """See `Store.job`."""
        return await trio.to_thread.run_sync(self._engine.job, job_id)

    async def jobs(self, query: JobQuery) -> JobPage:
        """See `Store.jobs`."""
        return await trio.to_thread.run_sync(self._engine.jobs, query)

    async def totals(self, query: TotalsQuery) -> list[Total]:
        """See `Store.totals`."""
        return await trio.to_thread.run_sync(self._engine.totals, query)

    async def ends(self, since_ns: int, until_ns: int) -> dict[str, int]:
        """See `Store.ends`."""
        return await trio.to_thread.run_sync(self._engine.ends, since_ns, until_ns)

    async def prune(self, now: Moment) -> bool:
        """See `Store.prune`."""
        return await trio.to_thread.run_sync(self._engine.prune, now)

    async def learned(self) -> Learned:
        """See `Store.learned`."""
        return await trio.to_thread.run_sync(self._engine.learned)

    async def save_learned(
        self, states: Sequence[tuple[str, str, bytes]], gone: Collection[tuple[str, str]] = ()
    ) -> None:
        """See `Store.save_learned`."""
        await trio.to_thread.run_sync(self._engine.save_learned, states, gone)

    async def outcomes(self, most: int) -> Outcomes:
        """See `Store.outcomes`."""
        return await trio.to_thread.run_sync(self._engine.outcomes, most)

    async def close(self) -> None:
        """See `Store.close`."""
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._engine.close)
