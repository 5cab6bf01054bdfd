"""The machines that do the work: their jobs, as the view knows them, and their load, decoded from `/progress/hosts`.

Pure. All texts are cleaned and all numbers finite and within bounds.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from phaseline.text import one_line
from phaseline_tui.model.boxes import Box
from phaseline_tui.model.decoding import decode_answer
from phaseline_tui.model.jobs import JobView, State
from phaseline_tui.model.wire_values import measured_seconds, percent_of

__all__ = ["Gpu", "HostKey", "Load", "WorkerHost", "filter_for", "hosts_of", "read_loads"]

_MOST_HOSTS: Final = 1000
_MOST_GPUS: Final = 16
_MOST_BYTES: Final = 2.0**60
_OLD_S: Final = 120.0
"""Age from which a load is outdated."""


class HostKey(NamedTuple):
    """A machine, by the label of its server and its name; the name is "" for jobs that name none."""

    origin: str
    name: str


class Gpu(NamedTuple):
    """A graphics processor; None for what is unknown. Memory is in bytes."""

    name: str
    use: float | None
    memory_used: float | None
    memory_total: float | None


@dataclass(frozen=True, slots=True)
class Load:
    """The load of a machine as it was reported last; None for what is unknown. Memory is in bytes."""

    load: float | None
    processors: int | None
    memory_used: float | None
    memory_total: float | None
    gpus: tuple[Gpu, ...]
    at: float
    """When it was measured, in monotonic seconds."""
    silence: float | None = None
    """The longest time without a report of one of the machine's jobs, in seconds, when the server was asked."""

    @property
    def share(self) -> float | None:
        """The load average as a percentage of the processors."""
        return None if self.load is None or not self.processors else 100.0 * self.load / self.processors

    @property
    def memory_share(self) -> float | None:
        """The used memory in percent."""
        return _percent(self.memory_used, self.memory_total)

    def is_old(self, now: float) -> bool:
        """Return whether it is outdated."""
        return now - self.at > _OLD_S


def _percent(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else percent_of(100.0 * part / whole)


@dataclass(slots=True)
class WorkerHost:
    """A machine with its jobs at work, and the number of those that wait there."""

    key: HostKey
    jobs: list[JobView] = field(default_factory=list)
    load: Load | None = None
    shared: bool = False
    """Whether jobs of another server name a machine that is called the same."""
    queued: int = 0
    boxes: list[Box] = field(default_factory=list)
    """When each of its queues is free, as far as the server was asked."""

    @property
    def label(self) -> str:
        """Its name, and its server's if that is needed to distinguish it."""
        name = self.key.name or "no host"
        return f"{name} · {self.key.origin}" if self.shared else name

    @property
    def stalled(self) -> int:
        """The number of its jobs that stalled."""
        return sum(job.state is State.STALLED for job in self.jobs)

    def silence_at(self, now: float) -> float | None:
        """Return the longest time without a report of one of its jobs; None if it is unknown or there are no jobs."""
        if not self.jobs:
            return None
        silences = [silence for job in self.jobs if (silence := job.silence_at(now)) is not None]
        if self.load is not None and self.load.silence is not None:
            silences.append(self.load.silence)
        return max(silences, default=None)


class _Gpu(msgspec.Struct, frozen=True):
    name: str = ""
    use: float | None = None
    memory_used: float | None = None
    memory_total: float | None = None


class _Load(msgspec.Struct, frozen=True):
    load: float | None = None
    processors: float | None = None
    memory_used: float | None = None
    memory_total: float | None = None
    gpus: list[_Gpu] = []
    age_seconds: float | None = None


class _Host(msgspec.Struct, frozen=True):
    host: str
    silent_seconds: float | None = None
    load: _Load | None = None


class _HostsAnswer(msgspec.Struct, frozen=True):
    hosts: list[_Host] = []


def read_loads(body: bytes, now: float) -> dict[str, Load]:
    """Return the load of each machine in an answer of `/progress/hosts`, received at `now`.

    Raises:
        ValueError: The body is invalid.
    """
    answer = decode_answer(body, _HostsAnswer)
    return {one_line(host.host): _load(host, now) for host in answer.hosts[:_MOST_HOSTS]}


def _load(host: _Host, now: float) -> Load:
    load = host.load or _Load()
    age = measured_seconds(load.age_seconds)
    return Load(
        load=_amount(load.load),
        processors=int(processors) if (processors := _amount(load.processors)) else None,
        memory_used=_amount(load.memory_used),
        memory_total=_amount(load.memory_total),
        gpus=tuple(
            Gpu(
                one_line(gpu.name, 60),
                None if gpu.use is None else percent_of(gpu.use),
                _amount(gpu.memory_used),
                _amount(gpu.memory_total),
            )
            for gpu in load.gpus[:_MOST_GPUS]
        ),
        at=-math.inf if age is None else now - age,
        silence=measured_seconds(host.silent_seconds),
    )


def _amount(value: float | None) -> float | None:
    return min(value, _MOST_BYTES) if value is not None and math.isfinite(value) and value >= 0 else None


def hosts_of(jobs: Iterable[JobView], loads: Mapping[HostKey, Load], boxes: Iterable[Box] = ()) -> list[WorkerHost]:
    """Return the machines with jobs, or whose load is known, by server and name; those without a name last."""
    found = {key: WorkerHost(key, load=load) for key, load in loads.items()}
    for job in jobs:
        if not job.state.unfinished:
            continue
        key = HostKey(job.origin, job.host)
        if key not in found:
            found[key] = WorkerHost(key, load=loads.get(key))
        if job.state is State.QUEUED:
            found[key].queued += 1
        else:
            found[key].jobs.append(job)
    for box in boxes:
        host = found.get(HostKey(box.origin, box.host))
        if host is not None:
            host.boxes.append(box)
    counts = Counter(key.name for key in found)
    for host in found.values():
        host.shared = counts[host.key.name] > 1
    return sorted(found.values(), key=lambda host: (not host.key.name, _in_order(host.key.name), host.key.origin))


def _in_order(name: str) -> list[tuple[int, str]]:
    """Return a sort key with which `box2` comes before `box10`."""
    parts = re.split(r"(\d{1,9})", name.casefold())
    return [(int(part), "") if part.isdecimal() and part.isascii() else (-1, part) for part in parts]


def filter_for(host: WorkerHost, hosts: Iterable[WorkerHost]) -> str:
    """Return the filter of the list that keeps the jobs of a machine, or "" if they name none."""
    name, others = host.key.name, [each.key for each in hosts if each.key != host.key]
    if not name:
        return ""
    words = f'host:"{name}"' if " " in name or name.startswith("/") else f"host:{name}"
    if any(name.casefold() in other.name.casefold() != name.casefold() for other in others) or '"' in name:
        words = f"host:/^{re.escape(name).replace('/', chr(92) + '/')}$/"
    shared = Counter(other.name.casefold() for other in others)[name.casefold()]
    return f'{words} server:"{host.key.origin}"' if shared else words
