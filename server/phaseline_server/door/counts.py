"""What a door counts of those it has turned away, refused, or cut off."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Counts", "Late"]


class Late(StrEnum):
    """What a client did not do in time, so that it was cut off."""

    WRITE = "write"
    """It did not take what was sent."""
    PONG = "pong"
    """Nothing was heard of it since the last ping."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there were so far.

    Attributes:
        refused: Connections closed at once, a limit being reached, by the status they were told: 429 for that of an
            address, 503 for that of the house.
        malformed: Requests that no route saw, by the status of the answer: 431 for a head too large, 408 for one too
            slow.
        broken: WebSockets closed because the client broke a rule or a bound, by the code of the close: 1009 for too
            large.
        late: Connections cut off, by what the client did not do in time.
    """

    refused: Counter[int] = field(default_factory=Counter)
    malformed: Counter[int] = field(default_factory=Counter)
    broken: Counter[int] = field(default_factory=Counter)
    late: Counter[Late] = field(default_factory=Counter)
