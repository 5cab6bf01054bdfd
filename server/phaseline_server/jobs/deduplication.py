"""Deduplication: the latest report of each producer, so that a report sent twice is recorded once."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

__all__ = ["Producers"]

_MOST: Final = 10_000


class Producers:
    """The latest report of each producer; the least recently active producer is dropped first."""

    def __init__(self, latest: Mapping[str, tuple[int, int]]) -> None:
        """Begin with what is known: of each its number, and the message's."""
        self._latest = OrderedDict(latest)

    def get(self, producer: str) -> tuple[int, int] | None:
        """Return a producer's latest number and the `seq` of its message, or None."""
        return self._latest.get(producer)

    def update(self, latest: Mapping[str, tuple[int, int]]) -> None:
        """Record later reports."""
        for producer, report in latest.items():
            self._latest[producer] = report
            self._latest.move_to_end(producer)
        while len(self._latest) > _MOST:
            self._latest.popitem(last=False)
