"""Counters of the connections and requests that a door rejected or cut off."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Counts", "Late"]


class Late(StrEnum):
    """The time-out that cut a client off."""

    WRITE = "write"
    """The client did not read."""
    PONG = "pong"
    """The client sent nothing after a ping."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Counters since the start.

    Attributes:
        refused: Connections rejected by a limit, by status: 429 for the limit per address, 503 for the total.
        malformed: Requests rejected before any route, by status: 431 for a head too large, 408 for one too slow.
        broken: WebSockets closed for a protocol error, by close code: 1009 for a message too large.
        late: Connections cut off by a time-out.
    """

    refused: Counter[int] = field(default_factory=Counter)
    malformed: Counter[int] = field(default_factory=Counter)
    broken: Counter[int] = field(default_factory=Counter)
    late: Counter[Late] = field(default_factory=Counter)
