"""The state learned from earlier batches of each box (a host, or one queue of it)."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from phaseline.eta.box import BoxScore, Look, Ratios

__all__ = ["MOST_BOXES", "BoxKey", "LearnedBoxes", "read_boxes"]

MOST_BOXES: Final = 1000

BoxKey = tuple[str, str]
"""A host and a queue."""


class LearnedBoxes:
    """The ratios of each box; the least recently updated boxes are evicted first.

    Attributes:
        changed: The boxes that have learned; the reader clears it.
    """

    def __init__(self) -> None:
        """Begin without batches."""
        self._ratios: OrderedDict[BoxKey, Ratios] = OrderedDict()
        self.changed: set[BoxKey] = set()

    def ratios(self, key: BoxKey) -> Ratios:
        """Return what a box has learned, to be read only."""
        return self._ratios.get(key) or Ratios()

    def learn(self, key: BoxKey, looks: Sequence[Look], free_ms: float) -> None:
        """Let a box learn from a batch; see `Ratios.learn`."""
        self._ratios.setdefault(key, Ratios()).learn(looks, free_ms)
        self._ratios.move_to_end(key)
        self.changed.add(key)
        if len(self._ratios) > MOST_BOXES:
            gone, _ = self._ratios.popitem(last=False)
            self.changed.discard(gone)

    def keys(self) -> list[BoxKey]:
        """Return the boxes that have learned, the least recent first."""
        return list(self._ratios)

    def state(self, key: BoxKey) -> bytes | None:
        """Return the learned state of a box as bytes; None if it has none."""
        ratios = self._ratios.get(key)
        return None if ratios is None else ratios.encode()

    def restore(self, key: BoxKey, state: bytes) -> None:
        """Restore the result of `state`.

        Raises:
            ValueError: It was not made by this version, or is damaged.
        """
        self._ratios[key] = Ratios.decode(state)


def read_boxes(states: Mapping[tuple[str, str], bytes]) -> list[tuple[BoxKey, BoxScore]]:
    """Return the scores of all boxes among the states in a journal, which are stored by kind and key.

    Raises:
        ValueError: The format is not that of this version.
    """
    found = [
        (msgspec.json.decode(name, type=tuple[str, str]), Ratios.decode(state).score)
        for (kind, name), state in states.items()
        if kind == "boxes"
    ]
    return sorted((key, score) for key, score in found if score is not None)
