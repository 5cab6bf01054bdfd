"""Deduplication: the latest report of each producer about each job, so that a report sent twice is recorded once.

A producer is a name that a client chooses, so it is only known within one token. A producer's numbers rise across all
its jobs. A number up to the latest one of the same job marks a repeated report. A number above that, but up to the
latest one of another job, was used for another report.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from phaseline.model.events import Event
from phaseline_server.errors import NumberReused
from phaseline_server.log.batch import OLD_OWNER, ProducerKey

__all__ = ["Numbers", "Producers", "find_recorded", "numbered_by"]

_MOST: Final = 10_000


class Numbers:
    """The numbers of some reports.

    Attributes:
        latest: The latest report of each producer about each job: its number, and the message's.
        highest: The highest number of each producer of each owner.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.latest: dict[ProducerKey, tuple[int, int]] = {}
        self.highest: dict[tuple[str, str], int] = {}

    def add(self, key: ProducerKey, number: int, seq: int) -> None:
        """Record the report with this number, which is the message `seq`."""
        self.latest[key] = (number, seq)
        self.highest[key[:2]] = number


class Producers(Numbers):
    """All numbers that are on disk; the least recently active are dropped first."""

    latest: OrderedDict[ProducerKey, tuple[int, int]]
    highest: OrderedDict[tuple[str, str], int]

    def __init__(self, latest: Mapping[ProducerKey, tuple[int, int]]) -> None:
        """Start with what was recorded before, the least recent first."""
        self.latest, self.highest = OrderedDict(), OrderedDict()
        for key, (number, seq) in latest.items():
            self._put(key, number, seq)

    def update(self, numbers: Numbers) -> None:
        """Record later reports."""
        for key, (number, seq) in numbers.latest.items():
            self._put(key, number, seq)

    def _put(self, key: ProducerKey, number: int, seq: int) -> None:
        self.latest[key] = (number, seq)
        self.highest[key[:2]] = max(number, self.highest.get(key[:2], 0))
        for table, at in ((self.latest, key), (self.highest, key[:2])):
            table.move_to_end(at)  # type: ignore[arg-type]
            if len(table) > _MOST:
                table.popitem(last=False)


def numbered_by(event: Event, owner: str) -> tuple[ProducerKey, int] | None:
    """Return the producer that numbered an event, and its number; None if it was not numbered."""
    if event.producer is None or event.producer_seq is None:
        return None
    return (owner, event.producer, event.job_id), event.producer_seq


def find_recorded(layers: Sequence[Numbers], key: ProducerKey, number: int) -> int | None:
    """Return the message of a report if it, or a later one of its producer and job, was recorded; None if it is new.

    Args:
        layers: Where to look, the latest first.
        key: The owner, producer and job of the report.
        number: Its number.

    Raises:
        NumberReused: The producer has used the number for another job.
    """
    for layer in layers:
        if (known := layer.latest.get(key)) is not None:
            if number <= known[0]:
                return known[1]
            break
    else:
        known = layers[-1].latest.get((OLD_OWNER, *key[1:]))
        if known is not None and number <= known[0]:
            return known[1]
    highest = next((found for layer in layers if (found := layer.highest.get(key[:2])) is not None), -1)
    if number <= highest:
        raise NumberReused(key[1], number, highest)
    return None
