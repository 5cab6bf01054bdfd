"""The requests of the history view: pages of jobs while the user scrolls, and totals."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Final

from textual.worker import Worker

from phaseline_tui.drawing.cells import Line
from phaseline_tui.drawing.palette import Palette
from phaseline_tui.model.changes import Changes
from phaseline_tui.model.connection import LinkState
from phaseline_tui.model.failures import LinkError
from phaseline_tui.model.history import History
from phaseline_tui.model.history_query import Query, query_of
from phaseline_tui.model.history_totals import RunTotals
from phaseline_tui.model.jobs import JobKey
from phaseline_tui.screens.framed import FramedScreen
from phaseline_tui.screens.history_requests import HistoryRequests
from phaseline_tui.widgets.past_rows import PastRows

__all__ = ["HistoryLoading"]

_PAGE: Final = 100
_AHEAD: Final = 300
"""Rows to have below the last visible one."""
_RENEW_S: Final = 2.0
_COUNT_S: Final = 10.0


class HistoryLoading(FramedScreen):
    """Keeps the loaded jobs and totals of one query."""

    def __init__(self, palette: Palette) -> None:
        super().__init__(palette)
        data = self.owner.data
        self.requests = HistoryRequests(self.owner.request, lambda: data.live_scene().now)
        self.query_now = self._new_query()
        self.history = History((), self.query_now.rest)
        self.totals: dict[str, RunTotals] = {}
        """The totals of each server by its label."""
        self.newer = False
        """Whether jobs ended that are not listed, because listing them would move the rows."""
        self.rows = PastRows(palette, lambda: len(self.history.rows), self.row_at)
        self._busy = 0
        self._worker: Worker[None] | None = None
        self._counter: Worker[None] | None = None
        self._stale: set[str] = set()
        """Servers on which jobs ended since their first page was read."""
        self._renewed_at = self._counted_at = 0.0

    @property
    def filter_text(self) -> str:
        """The filter; it stays while the program runs."""
        return self.owner.data.history_filter

    @property
    def reading(self) -> bool:
        """Whether jobs are being read."""
        return self._busy > 0

    @property
    def _idle(self) -> bool:
        return self._worker is None or self._worker.is_finished

    def reload(self, *, after: float = 0.0, keep: bool = False) -> None:
        """Reload everything.

        Args:
            after: Seconds to wait; a call during this time replaces this one.
            keep: Whether the cursor stays on its job.
        """
        self.query_now = self._new_query()
        self._start(partial(self._load, after, keep=keep))
        self._start_count(after)

    def load_more(self) -> None:
        """Read more pages if few rows remain below the visible ones."""
        if self._idle and self.history.wanted() and not self._enough():
            self._start(self._fill)

    def _start(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        self._worker = self.run_worker(work, group="history", exclusive=True)

    def _start_count(self, after: float = 0.0) -> None:
        work: Callable[[], Coroutine[None, None, None]] = partial(self._count, after)
        self._counter = self.run_worker(work, group="totals", exclusive=True)

    def show_changes(self, changes: Changes) -> None:
        """Record on which servers jobs ended, and query again those that have connected."""
        self._stale |= {key.origin for key in changes.ended}
        if changes.status:
            failed = {label for label, _ in self.history.problems}
            hosts = self.owner.data.hosts
            if any(hosts[label].status.state is LinkState.CONNECTED for label in failed) and self._idle:
                self.reload(keep=True)
        super().show_changes(changes)

    def tick(self) -> None:
        """Redraw; read what has changed on the servers."""
        super().tick()
        if self.owner.data.paused is not None or not self.is_mounted:
            return
        now = self.owner.data.live_scene().now
        if self._stale and self._idle and now - self._renewed_at >= _RENEW_S:
            self._renewed_at = now
            self._start(self._renew)
            if now - self._counted_at >= _COUNT_S:
                self._counted_at = now
                self._start_count()
        else:
            self.load_more()

    def adopted(self) -> None:
        """Drop what was measured on the rows of another query."""

    def _new_query(self) -> Query:
        hosts = {job.host for job in self.owner.state.jobs.values()}
        scene = self.owner.data.live_scene()
        return query_of(self.filter_text, hosts, scene.local, scene.wall)

    def _asked(self) -> list[str]:
        """Return the labels of the servers that the filter names."""
        parts = self.query_now.servers
        return [label for label in self.owner.data.labels if all(part in label.casefold() for part in parts)]

    @contextlib.contextmanager
    def _working(self) -> Iterator[None]:
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
        self.tick()

    async def _load(self, after: float, *, keep: bool) -> None:
        await asyncio.sleep(after)
        history = History(self._asked(), self.query_now.rest)
        least = self.rows.cursor + 1 if keep else 1
        with self._working():
            self.tick()
            while history.wanted() and len(history.rows) < least:
                await self._read_pages(history)
            self._stale.clear()
            self.newer = False
            self._adopt(history, keep=keep)
        await self._fill()

    async def _fill(self) -> None:
        """Read pages until there are enough rows below the visible ones."""
        history = self.history
        with self._working():
            while history.wanted() and not self._enough():
                await self._read_pages(history)
                if self.rows.to_end:
                    self.rows.action_last()
                super().tick()

    async def _read_pages(self, history: History) -> None:
        """Read the next page of each server that has to send one."""
        query = self.query_now.jobs

        async def read(label: str, cursor: str) -> None:
            try:
                jobs, page = await self.requests.page(label, query, cursor, _PAGE)
            except LinkError as error:
                history.fail(label, error.reason)
            else:
                history.add(label, jobs, page)

        await asyncio.gather(*(read(label, cursor) for label, cursor in history.wanted()))

    def _enough(self) -> bool:
        last = max(self.rows.cursor, self.rows.scroll_offset.y + self.rows.size.height)
        return not self.rows.to_end and len(self.history.rows) >= last + _AHEAD

    async def _renew(self) -> None:
        """Read the first pages again, because jobs have ended."""
        history, stale = self.history, self._stale
        self._stale = set()
        with self._working():
            before = self._chosen_key()
            for label in sorted(stale.intersection(history.labels)):
                try:
                    jobs, page = await self.requests.page(label, self.query_now.jobs, "", _PAGE)
                except LinkError:
                    continue  # its connection shows the reason, and the next end or `r` asks again
                self.newer |= not history.renew(label, jobs, page)
            if self.newer and self.rows.cursor == 0:
                self.reload()
            else:
                self._place(before)

    def _chosen_key(self) -> JobKey | None:
        rows = self.history.rows
        return rows[self.rows.cursor].key if self.rows.cursor < len(rows) else None

    def _adopt(self, history: History, *, keep: bool) -> None:
        """List the jobs of `history` from now on."""
        before = self._chosen_key() if keep else None
        self.history = history
        self.adopted()
        self._place(before)

    def _place(self, before: JobKey | None) -> None:
        """Keep the cursor on the job where it was, on the same line of the screen; a cursor at the top stays there."""
        line = self.rows.cursor - self.rows.scroll_offset.y
        at = 0
        if self.rows.cursor and before is not None:
            at = next((at for at, job in enumerate(self.history.rows) if job.key == before), 0)
        self.adopted()
        self.rows.place(at, at - line if at else 0)

    async def _count(self, after: float) -> None:
        """Read the totals of every server that is asked."""
        await asyncio.sleep(after)
        query = self.query_now

        async def read(label: str) -> RunTotals:
            try:
                return await self.requests.totals(label, query.totals, query.lines)
            except LinkError as error:
                return RunTotals(problem=error.reason)

        labels = self._asked()
        found = await asyncio.gather(*map(read, labels))
        self.totals = dict(zip(labels, found, strict=True))
        super().tick()

    def row_at(self, index: int, width: int) -> Line:
        """Return the row of a job."""
        raise NotImplementedError
