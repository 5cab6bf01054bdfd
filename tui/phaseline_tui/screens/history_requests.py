"""Requests for past jobs and their totals, and the reasons why there is no answer."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final
from urllib.parse import quote

from phaseline.filtering import Filter
from phaseline_tui.model.connection import Reply
from phaseline_tui.model.failures import LinkError
from phaseline_tui.model.history import Page, read_page, rows_of, whole_job
from phaseline_tui.model.history_totals import RunTotals, read_totals
from phaseline_tui.model.jobs import JobView

__all__ = ["HistoryRequests"]

_OK: Final = 200
_DENIED: Final = frozenset({401, 403})
_UNKNOWN: Final = frozenset({404, 405})
_INVALID: Final = 422
_AT_ONCE: Final = 25
"""Number of jobs decoded between two keys."""


class HistoryRequests:
    """Asks the servers. Every method raises `LinkError`, with a reason for the user, if there is no valid answer."""

    def __init__(self, request: Callable[[str, str, str], "Future[Reply]"], now: Callable[[], float]) -> None:
        """Prepare to ask.

        Args:
            request: Sends a request to the server with a label; see `Links.request`.
            now: Returns monotonic seconds.
        """
        self._request = request
        self._now = now

    async def page(self, label: str, query: str, cursor: str, limit: int) -> tuple[list[JobView], Page]:
        """Return a page of jobs: the first one, or that of `cursor`."""
        after = f"&cursor={quote(cursor, safe='')}" if cursor else ""
        body = await self._body(label, f"/progress/jobs?{query}&limit={limit}{after}", "history")
        try:
            page = read_page(body)
        except ValueError:
            raise _unreadable(label) from None
        found: list[JobView] = []
        for start in range(0, len(page.jobs), _AT_ONCE):
            found += rows_of(page.jobs[start : start + _AT_ONCE], self._now(), label)
            await asyncio.sleep(0)
        page.jobs = []
        return found, page

    async def totals(self, label: str, query: str, lines: Filter) -> RunTotals:
        """Return the totals of runs by workflow and series."""
        body = await self._body(label, f"/progress/totals?{query}", "totals")
        try:
            return read_totals(body, lines)
        except ValueError:
            raise _unreadable(label) from None

    async def job(self, row: JobView) -> JobView:
        """Return all that a server keeps of the job of a row."""
        key = row.key
        path = f"/progress/job/{quote(row.wire_id, safe='')}"
        reply = await asyncio.wrap_future(self._request(key.origin, "GET", path))
        if reply.status in _UNKNOWN:
            raise LinkError(f"{key.origin} no longer keeps this job")
        _check(reply, key.origin, "job")
        try:
            return whole_job(reply.body, self._now(), key)
        except ValueError:
            raise _unreadable(key.origin) from None

    async def _body(self, label: str, path: str, what: str) -> bytes:
        reply = await asyncio.wrap_future(self._request(label, "GET", path))
        _check(reply, label, what)
        return reply.body


def _check(reply: Reply, label: str, what: str) -> None:
    """Raise `LinkError` if the answer is an error."""
    if reply.status == _OK:
        return
    text = reply.problem
    if reply.status in _DENIED:
        raise LinkError(f"no permission: {text or f'HTTP {reply.status}'}; set PROGRESS_TOKEN to a token that may read")
    if reply.status in _UNKNOWN or (reply.status == _INVALID and "state" in text):
        raise LinkError(f"this server is older and has no {what}; update it")
    raise LinkError(f"{label} returned HTTP {reply.status}" + (f": {text}" if text else ""))


def _unreadable(label: str) -> LinkError:
    return LinkError(f"{label} sent an answer that progress-tui can't read")
