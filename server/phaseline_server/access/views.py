"""The view of the tracker that is limited to the permissions of the current client.

All checks of permissions on jobs are here and in `stream_view`, so no route can forget one.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

import msgspec

from phaseline.errors import PhaselineError, shown
from phaseline.model.events import Event, JobDismissed, JobQueued, JobStarted, OrderGiven
from phaseline.model.job import Job
from phaseline.model.snapshot import Snapshot
from phaseline.model.statistics import Statistics
from phaseline.stream import Position
from phaseline.wire import HostStatus, OrderStatus
from phaseline_server.access.grant import OPEN, Grant
from phaseline_server.access.keeper import CURRENT, Keeper
from phaseline_server.access.stream_view import StreamView
from phaseline_server.errors import Forbidden, RateLimited
from phaseline_server.jobs.history import HistoryPage
from phaseline_server.jobs.hosts import HostQuery, HostsPage, HostsReader
from phaseline_server.jobs.joining import Failed
from phaseline_server.jobs.output import Output, Outputs, output_message
from phaseline_server.jobs.published import Clock
from phaseline_server.jobs.receipts import BatchReceipt
from phaseline_server.jobs.replica import Replica
from phaseline_server.jobs.states import JobsState
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.jobs.workers import Workers
from phaseline_server.log.queries import JobFilter, JobQuery, Total, TotalsQuery

__all__ = ["JobsView"]

_CHECKED_NS: Final = 60 * 10**9
_MOST_CHECKED: Final = 1000

_AnyFilter = TypeVar("_AnyFilter", bound=JobFilter)


class JobsView:
    """The tracker, limited to the current client's permissions.

    Attributes:
        log: The log, limited likewise.
        outputs: The output of all jobs; the methods here check the permissions.
    """

    def __init__(self, tracker: Tracker, keeper: Keeper, outputs: Outputs) -> None:
        """Create a view of `tracker` and `outputs` with the rate limits of `keeper`."""
        self._tracker = tracker
        self._keeper = keeper
        self._reported_hosts: dict[tuple[str, str], int] = {}
        self.log = StreamView(tracker.log, keeper)
        self.outputs = outputs

    # Totals over all jobs: the guard checks the permission.

    @property
    def statistics(self) -> Statistics:
        """See `Tracker.statistics`."""
        return self._tracker.statistics

    @property
    def ended(self) -> Counter[str]:
        """See `Tracker.ended`."""
        return self._tracker.ended

    @property
    def reports(self) -> int:
        """See `Tracker.reports`."""
        return self._tracker.reports

    @property
    def clock(self) -> Clock:
        """See `Tracker.clock`."""
        return self._tracker.clock

    @property
    def workers(self) -> Workers:
        """As `Tracker.workers`."""
        return self._tracker.workers

    def counts(self) -> Counter[str]:
        """See `Tracker.counts`."""
        return self._tracker.counts()

    def replica(self) -> Replica:
        """Return what a mirror copies, for a client that may read everything.

        Raises:
            Forbidden: The token does not allow reading all jobs.
            ReadOnlyMirror: This server is a mirror itself.
        """
        CURRENT.get().known.check_reads_all()
        return Replica(self._tracker)

    # Single jobs: permissions are checked here.

    async def report(self, event: Event) -> Position:
        """See `Tracker.report`; also raises Unauthorized, Forbidden and RateLimited."""
        self._check(event)
        return await self._tracker.report(event, CURRENT.get().known.token)

    async def take_all(
        self,
        events: Sequence[Event],
        worker_of: Callable[[Event], str] | None = None,
        failed: Failed = lambda: None,
    ) -> BatchReceipt:
        """See `Tracker.take_all`; outcomes may also be Forbidden or RateLimited, and Unauthorized may be raised.

        After the first rate-limited event, all later events are rejected too, so that they stay in order.
        """
        if CURRENT.get().known is OPEN:
            return await self._tracker.take_all(events, worker_of, failed=failed)
        allowed: list[Event] = []
        rejected: dict[int, PhaselineError] = {}
        limited: RateLimited | None = None
        for number, event in enumerate(events):
            try:
                if limited is None:
                    self._check(event)
                    allowed.append(event)
            except RateLimited as error:
                limited = error
            except Forbidden as error:
                rejected[number] = error
            if limited is not None:
                rejected[number] = limited
        taken = await self._tracker.take_all(allowed, worker_of, CURRENT.get().known.token, failed)
        outcomes = iter(taken.outcomes)
        return taken.among([rejected[n] if n in rejected else next(outcomes) for n in range(len(events))])

    def _check(self, event: Event) -> None:
        self._check_report(event.job_id, event.workflow if isinstance(event, JobStarted | JobQueued) else None)

    def _check_report(self, job_id: str, workflow: str | None = None) -> None:
        grant = CURRENT.get().known
        grant.check_report(job_id, workflow)
        if (wait_s := self._keeper.take_turn(grant)) > 0:
            raise RateLimited(
                f"report rate limit reached; retry in {wait_s:.3f} s; allowed: max_reports per second and token"
            )

    async def dismiss(self, event: JobDismissed) -> Position:
        """See `Tracker.dismiss`; also raises Unauthorized, Forbidden and RateLimited."""
        self._check(event)
        return await self._tracker.dismiss(event, CURRENT.get().known.token)

    async def order(self, event: OrderGiven) -> Position:
        """Give a job's worker an order, and return its position once it is on disk; raises as `Tracker.take`.

        It needs scope `admin`, or `report` with a job prefix; also raises Unauthorized, Forbidden and RateLimited.
        """
        CURRENT.get().known.check_orders(event.job_id)
        self._check(event)
        return await self._tracker.report(event, CURRENT.get().known.token)

    def pending_orders(self, job_id: str) -> list[OrderStatus]:
        """Return the orders of a job that its worker has not answered, for the client that reports it."""
        return self._tracker.workers.orders.pending(job_id)

    async def announce(self, kind: str, channel: str, encode: Callable[[Position], bytes]) -> Position:
        """See `Tracker.announce`; requires `admin` without a prefix, because no other check applies to broadcasts."""
        CURRENT.get().check_may_broadcast()
        return await self._tracker.announce(kind, channel, encode)

    def snapshot(self, job_id: str) -> Snapshot:
        """See `Tracker.snapshot`; also raises Unauthorized and Forbidden."""
        CURRENT.get().known.check_read(job_id)
        return self._tracker.snapshot(job_id)

    async def add_output(self, job_id: str, at: int | None, data: bytes) -> int:
        """Add to a job's output, and send it to the subscribers of its channel; see `Outputs.add`.

        Returns:
            The number of characters of its output so far.

        Raises:
            UnknownJob: No such job is kept.
            JournalFailed: The disk failed.
            RateLimited: As for reports; also Unauthorized and Forbidden.
        """
        await self.find_reported(job_id)
        added = self.outputs.add(job_id, at, data)
        if added is not None:
            self._tracker.log.announce(output_message(job_id, added))
        kept = self.outputs.get(job_id)
        return 0 if kept is None else kept.end

    async def output(self, job_id: str) -> Output | None:
        """Return the output of a job, or None if none is kept; raises the errors of `find`."""
        await self.find(job_id)
        return self.outputs.get(job_id)

    async def find_reported(self, job_id: str) -> Snapshot:
        """Return a job that the client may report, as `find`; counts as a report, and may raise RateLimited."""
        self._check_report(job_id)
        return await self._tracker.find(job_id)

    async def find(self, job_id: str) -> Snapshot:
        """See `Tracker.find`; also raises Unauthorized and Forbidden."""
        CURRENT.get().known.check_read(job_id)
        return await self._tracker.find(job_id)

    def jobs(self) -> list[Job]:
        """Return the jobs in memory that the client may read, without dismissed ones, in their first order."""
        access = CURRENT.get()
        jobs = [job for job in self._tracker.jobs() if not job.dismissed]
        return jobs if access.grant is OPEN else [job for job in jobs if access.reads(job.job_id)]

    def report_host(self, status: HostStatus) -> None:
        """See `Tracker.report_host`; also raises Unauthorized, Forbidden and RateLimited.

        A token with a job prefix may report the machines that do one of its jobs.
        """
        grant = CURRENT.get().known
        if grant.prefix and grant.reports and not self._works_for(grant, status.host):
            raise Forbidden(
                f"the token does not allow reporting host {shown(status.host)}; "
                f"allowed: hosts of active jobs whose ids begin with {grant.prefix!a}"
            )
        self._check_report(grant.prefix)
        self._tracker.report_host(status)

    def _works_for(self, grant: Grant, host: str) -> bool:
        """Return whether a machine runs a job of the grant. A yes is cached for a minute: the search is slow."""
        now_ns, key = self._tracker.clock().mono_ns, (grant.token, host)
        if now_ns < self._reported_hosts.get(key, now_ns):
            return True
        if not any(job_id.startswith(grant.prefix) for job_id in self._tracker.hosts().get(host, ())):
            return False
        if len(self._reported_hosts) >= _MOST_CHECKED:
            self._reported_hosts.clear()
        self._reported_hosts[key] = now_ns + _CHECKED_NS
        return True

    async def hosts(self, query: HostQuery) -> HostsPage:
        """See `HostsReader.read`; limited to the jobs that the client may read; with a job prefix, to their hosts."""
        grant = CURRENT.get().known
        grant.check_reads()
        tracker, reads = self._tracker, grant.may_read if grant.prefix else None
        reader = HostsReader(tracker.hosts(), tracker.loads, tracker.percent, reads, tracker.clock())
        return await reader.read(query, idle=not grant.prefix)

    async def history(self, query: JobQuery) -> HistoryPage:
        """See `Tracker.history`; limited to the jobs that the client may read."""
        return await self._tracker.history(self._allowed(query))

    async def totals(self, query: TotalsQuery) -> list[Total]:
        """See `Log.totals`; limited to the jobs that the client may read."""
        return await self._tracker.log.totals(self._allowed(query))

    def _allowed(self, query: _AnyFilter) -> _AnyFilter:
        grant = CURRENT.get().known
        grant.check_reads()
        return msgspec.structs.replace(query, prefix=grant.prefix)

    async def statuses(self, jobs: Iterable[Job]) -> list[bytes]:
        """See `Tracker.statuses`; `jobs` are some of those that `jobs` returned."""
        return await self._tracker.statuses(jobs)

    async def state(self) -> JobsState:
        """See `Tracker.state`; limited to the jobs that the client may read."""
        access = CURRENT.get()
        whole = access.grant is not None and access.grant.reads_all
        return await self._tracker.state(None if whole else access.reads)
