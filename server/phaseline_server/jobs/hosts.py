"""The machines that do the work: their active jobs, and their load as it was reported last.

The load is no history: it is kept in memory only, of a limited number of machines.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from heapq import nsmallest
from typing import Final, NamedTuple

import msgspec

from phaseline.errors import TooLarge
from phaseline.model.job import Job
from phaseline.model.snapshot import Moment
from phaseline.wire import HostStatus, seconds, timestamp
from phaseline.wire.host_status import Gpu
from phaseline_server.jobs.turns import Turns

__all__ = ["HostItem", "HostJob", "HostLoad", "HostQuery", "HostsPage", "HostsReader", "Loads"]

MOST_HOSTS: Final = 1000
_MOST_BYTES: Final = 4096
_PUBLISHED_NS: Final = 5 * 10**9
"""Time between two messages about one machine, on which many reporters may run."""
_MOST_JOBS: Final = 250  # jobs of a page, each of which needs an estimate
_RECENT_NS: Final = 600 * 10**9
"""Time after which a machine without jobs is no longer listed."""

_encoder: Final = msgspec.json.Encoder()


class HostLoad(msgspec.Struct, frozen=True, kw_only=True):
    """The load of a machine, and its age; null for what is unknown. Memory is in bytes."""

    load: float | None
    processors: int | None
    memory_used: int | None
    memory_total: int | None
    gpus: tuple[Gpu, ...]
    age_seconds: float


class HostJob(msgspec.Struct, frozen=True, kw_only=True):
    """An active or stalled job of a machine; `silent_seconds` is the time since its last report."""

    job_id: str
    name: str
    state: str
    percent: float
    silent_seconds: float


class HostItem(msgspec.Struct, frozen=True, kw_only=True):
    """A machine. `active` is the number of its active and stalled jobs, `jobs` are some of them, the most silent first.

    `silent_seconds` is the longest time since the last report of one of them, and `load` the last one reported.
    """

    host: str
    active: int
    silent_seconds: float | None
    jobs: list[HostJob]
    load: HostLoad | None


class HostQuery(NamedTuple):
    """The machines to list: those after a name, at most `limit`, each with at most `jobs` jobs.

    A page has no further machine once it has 250 jobs or `most_bytes` bytes.
    """

    after: str
    limit: int
    jobs: int
    most_bytes: int


class HostsPage(NamedTuple):
    """A page of machines as JSON; `last` is the name after which the next page begins, or None on the last one."""

    documents: list[bytes]
    last: str | None


class _Known:
    __slots__ = ("at_ns", "published_ns", "status")

    def __init__(self) -> None:
        self.status: HostStatus | None = None
        self.at_ns = self.published_ns = -(2**63)


class Loads:
    """The last load of each machine; those without news for the longest are dropped first."""

    def __init__(self) -> None:
        """Start without any."""
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def take(self, status: HostStatus, now: Moment) -> bytes | None:
        """Record a load. Return the message about it, or None if the last one about this machine is recent.

        Raises:
            TooLarge: It has more than 4 KiB.
        """
        document = _encoder.encode(status)
        if len(document) > _MOST_BYTES:
            raise TooLarge("the host_status", len(document), _MOST_BYTES)
        known = self._known.setdefault(status.host, _Known())
        self._known.move_to_end(status.host)
        if len(self._known) > MOST_HOSTS:
            self._known.popitem(last=False)
        known.status, known.at_ns = status, now.mono_ns
        if now.mono_ns - known.published_ns < _PUBLISHED_NS:
            return None
        known.published_ns = now.mono_ns
        return _encoder.encode(_fields(status) | {"type": "host_status", "timestamp": timestamp(now.wall_ns)})

    def recent(self, now: Moment) -> list[str]:
        """Return the machines whose load was reported a short time ago."""
        return [name for name, known in self._known.items() if now.mono_ns - known.at_ns < _RECENT_NS]

    def load(self, host: str, now: Moment) -> HostLoad | None:
        """Return the last load of a machine; None if there is none."""
        known = self._known.get(host)
        if known is None or known.status is None:
            return None
        status = known.status
        return HostLoad(
            load=status.load,
            processors=status.processors,
            memory_used=status.memory_used,
            memory_total=status.memory_total,
            gpus=status.gpus,
            age_seconds=seconds(max(0, now.mono_ns - known.at_ns)) or 0.0,
        )


def _fields(status: HostStatus) -> dict[str, object]:
    fields = msgspec.structs.asdict(status)
    del fields["producer_seq"]
    return fields


class HostsReader:
    """Reads pages of machines; other tasks run meanwhile."""

    def __init__(
        self,
        hosts: Mapping[str, Mapping[str, Job]],
        loads: Loads,
        percent: Callable[[Job], float],
        reads: Callable[[str], bool] | None,
        now: Moment,
    ) -> None:
        """Read the jobs of machines.

        Args:
            hosts: The active and stalled jobs of each machine, as `JobTable.hosts` returns them.
            loads: The last loads.
            percent: Returns the percentage of a job that is done.
            reads: Returns whether a job may be read, by its id; None if all may be.
            now: The present.
        """
        self._hosts = hosts
        self._loads = loads
        self._percent = percent
        self._reads = reads
        self._now = now
        self._turns = Turns()

    async def read(self, query: HostQuery, *, idle: bool) -> HostsPage:
        """Return a page of machines, by their names.

        With `idle`, machines without active jobs are listed too, if they reported their load a short time ago.
        """
        names = {name for name in self._hosts if name > query.after}
        if idle:
            names.update(name for name in self._loads.recent(self._now) if name > query.after)
        documents: list[bytes] = []
        size, left, last = 0, _MOST_JOBS, ""
        for name in sorted(names):
            await self._turns.offer()
            jobs = self._jobs_of(name)
            if not (jobs or idle):
                continue
            if documents and (len(documents) == query.limit or size >= query.most_bytes or left <= 0):
                return HostsPage(documents, last)
            shown = nsmallest(query.jobs, jobs, key=_last_report)
            documents.append(_encoder.encode(await self._item(name, jobs, shown)))
            size, left, last = size + len(documents[-1]), left - len(shown), name
        return HostsPage(documents, None)

    def _jobs_of(self, host: str) -> list[Job]:
        jobs, reads = self._hosts.get(host, {}), self._reads
        return [job for job_id, job in jobs.items() if reads is None or reads(job_id)]

    async def _item(self, name: str, jobs: list[Job], most_silent: list[Job]) -> HostItem:
        shown: list[HostJob] = []
        for job in most_silent:
            shown.append(
                HostJob(
                    job_id=job.job_id,
                    name=job.name,
                    state=str(job.state),
                    percent=round(self._percent(job), 2),
                    silent_seconds=self._silence(job),
                )
            )
            await self._turns.offer()
        return HostItem(
            host=name,
            active=len(jobs),
            silent_seconds=self._silence(min(jobs, key=_last_report)) if jobs else None,
            jobs=shown,
            load=self._loads.load(name, self._now),
        )

    def _silence(self, job: Job) -> float:
        return seconds(max(0, self._now.mono_ns - job.last_report.mono_ns)) or 0.0


def _last_report(job: Job) -> int:
    return job.last_report.mono_ns
