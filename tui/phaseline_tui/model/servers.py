"""The servers that share a log, decoded from `/progress/servers`.

Pure. All texts are cleaned and all numbers finite and within bounds.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from phaseline.text import one_line
from phaseline_tui.model.decoding import decode_answer
from phaseline_tui.model.wire_values import bounded_seconds, seconds_of

__all__ = ["Group", "Server", "read_group"]

_MOST: Final = 100
_LONGEST: Final = 200
_OLD_S: Final = 10.0
"""Lag from which the jobs of a server may be out of date."""


class Server(NamedTuple):
    """One of the servers that share a log."""

    name: str
    """Its host, with the port if others have the same host."""
    url: str
    role: str
    term: int
    lag_s: float | None
    version: str
    silent_s: float
    """Seconds since the others have seen it."""
    answers: bool
    """Whether it sent the list."""

    @property
    def is_away(self) -> bool:
        """Whether it is silent."""
        return self.role == "away"

    @property
    def is_behind(self) -> bool:
        """Whether it may lack so much that its jobs are out of date."""
        return (self.lag_s or 0.0) >= _OLD_S


class Group(NamedTuple):
    """The servers that share a log, as one of them listed them at `received`, in monotonic seconds."""

    servers: tuple[Server, ...]
    received: float
    leader: str = ""
    """Name of the leader, or of a mirror's source; empty while there is none."""

    @property
    def is_shared(self) -> bool:
        """Whether there is more to show than the address of a single server."""
        return len(self.servers) > 1 or self.is_mirror

    @property
    def is_mirror(self) -> bool:
        """Whether it is a mirror, which lists itself alone."""
        return any(server.answers and server.role == "mirror" for server in self.servers)

    @property
    def away(self) -> int:
        """Number of servers that are silent."""
        return sum(server.is_away for server in self.servers)

    @property
    def lag_s(self) -> float | None:
        """The longest lag of the servers that are there; None if all are unknown."""
        return max((server.lag_s for server in self.servers if server.lag_s is not None), default=None)

    @property
    def stale_since(self) -> float | None:
        """The moment when the listing server last had all messages, if that was long ago; in monotonic seconds."""
        behind = next((server for server in self.servers if server.answers and server.is_behind), None)
        return None if behind is None else self.received - (behind.lag_s or 0.0)


class _ListedServer(msgspec.Struct, frozen=True):
    address: str = ""
    role: str = ""
    term: int = 0
    lagSeconds: float | None = None  # noqa: N815 (name on the wire)
    version: str = ""
    silentSeconds: float = 0.0  # noqa: N815
    answers: bool = False


class _ServersAnswer(msgspec.Struct, frozen=True):
    leader: str = ""
    servers: list[_ListedServer] = []


def read_group(body: bytes, now: float) -> Group:
    """Return the servers in an answer of `/progress/servers`, received at `now`.

    Raises:
        ValueError: The body is invalid.
    """
    answer = decode_answer(body, _ServersAnswer)
    found = answer.servers[:_MOST]
    leader = one_line(answer.leader)[:_LONGEST]
    urls = [one_line(server.address)[:_LONGEST] for server in found]
    names = _names(urls)
    return Group(
        tuple(
            Server(
                name,
                url,
                one_line(server.role)[:_LONGEST],
                max(0, server.term),
                seconds_of(server.lagSeconds),
                one_line(server.version)[:_LONGEST],
                bounded_seconds(server.silentSeconds),
                server.answers,
            )
            for server, url, name in zip(found, urls, names, strict=True)
        ),
        now,
        dict(zip(urls, names, strict=True)).get(leader) or (_names([leader])[0] if leader else ""),
    )


def _names(urls: Sequence[str]) -> list[str]:
    """Return a short name for each URL: its host, or host and port if hosts are equal."""
    places = [url.partition("://")[2].partition("/")[0] or url for url in urls]
    hosts = [place.rpartition(":")[0].strip("[]") or place for place in places]
    return [host if hosts.count(host) == 1 else place for host, place in zip(hosts, places, strict=True)]
