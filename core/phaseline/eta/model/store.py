"""All series that are remembered, the least recently used leaving first, and what they have in common."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import islice
from math import inf, isfinite, sqrt
from typing import Final, NamedTuple

import msgspec

from phaseline.eta.model.components import IGNORANT, OTHERS_WANTED_BELOW, Blend, Donor, Strangers
from phaseline.eta.model.fit import Fit
from phaseline.eta.model.history import LEVEL, History
from phaseline.eta.observed import Run

__all__ = ["MAX_SERIES", "Key", "Store"]

MAX_SERIES: Final = 2000
# Of so many series, those used last, is asked whether they are alike.
_LOOKED_AT: Final = 200
_OVERLAP_LEAST: Final = 0.5
_STRANGERS_LIKENESS: Final = 0.15
_SPREAD_LEAST: Final = 1.0
# Blends that are kept may have so many numbers like their centres, of 8 bytes each and eight like them.
_BLENDS_ROOM: Final = 400_000

Key = tuple[str, str]
"""A workflow and a series of it."""


class _Common(msgspec.Struct, array_like=True, frozen=True):
    version: int
    below: float
    above: float
    sum: float
    squares: float
    count: float


class _Fitted(NamedTuple):
    """A fit, and all that it stands on: how often its series, and any series, had changed, and who lent what."""

    own: int
    all: int
    donors: list[Donor]
    fit: Fit


class _Blended(NamedTuple):
    """A blend, and all that it stands on beside its own fit and phases."""

    all: int
    donors: list[Donor]
    strangers: Strangers
    blend: Blend


class Store:
    """Series by key.

    Attributes:
        below: The whole server's level for p10; `above` likewise.
        changes: Rises when any series, or what all have in common, changes.
    """

    def __init__(self, max_series: int = MAX_SERIES) -> None:
        """Begin with none."""
        self._max = max_series
        self._all: OrderedDict[Key, History] = OrderedDict()
        self._fits: dict[Key, _Fitted] = {}
        self._alone: dict[Key, tuple[int, Fit]] = {}
        # In the order in which they learned last: which ones are asked about must not change what they lend.
        self._pairs: dict[Key, frozenset[str]] = {}
        self._blends: OrderedDict[Key, _Blended] = OrderedDict()
        self.changes = 0
        # What `like` was asked last: a series' fit and its blend ask the same.
        self._liked: tuple[object, list[Donor]] = (None, [])
        self._sum, self._count = IGNORANT.level, 1.0
        self._squares = IGNORANT.spread**2 + IGNORANT.level**2
        self.below = self.above = LEVEL

    def __len__(self) -> int:
        """Return how many series are remembered."""
        return len(self._all)

    def keys(self) -> list[Key]:
        """Return them, the least recently used first."""
        return list(self._all)

    def get(self, key: Key) -> History | None:
        """Return a series, which is then the one used last."""
        found = self._all.get(key)
        if found is not None:
            self._all.move_to_end(key)
        return found

    def put(self, key: Key, history: History) -> None:
        """Remember a series; the least recently used one leaves when there are too many."""
        self._all[key] = history
        self._all.move_to_end(key)
        self._fits.pop(key, None)
        self._alone.pop(key, None)
        self._blends.pop(key, None)
        self.changes += 1
        self._pairs.pop(key, None)
        self._pairs[key] = _pairs("/".join(key))
        while len(self._all) > self._max:
            self.forget(next(iter(self._all)))

    def forget(self, key: Key) -> None:
        """Forget a series, if it is known."""
        if self._all.pop(key, None) is not None:
            self.changes += 1
            self._fits.pop(key, None)
            self._alone.pop(key, None)
            self._blends.pop(key, None)
            del self._pairs[key]

    def opened(self, key: Key) -> History:
        """Return a series, which is remembered from now on."""
        history = self.get(key)
        if history is None:
            history = History()
            self.put(key, history)
        return history

    def learn(self, key: Key, run: Run) -> None:
        """Add a run to a series."""
        history = self.opened(key)
        history.add(run)
        self._pairs[key] = self._pairs.pop(key)
        self.changes += 1
        if len(history.rows) == 1:
            self.note_lengths(history.rows[0])

    def fit(self, key: Key) -> Fit | None:
        """Return the fit of a series, computed again only after something that it stands on has changed.

        While it has few runs, other series lend to it.
        """
        history = self._all.get(key)
        if history is None or not history.rows:
            return None
        if len(history.rows) >= OTHERS_WANTED_BELOW:
            return self._lender(key, history)
        kept = self._fits.get(key)
        if kept is not None and kept.own == history.changes and kept.all == self.changes:
            return kept.fit
        donors = self.like(key, history.names)
        same = kept is not None and kept.own == history.changes and kept.donors == donors
        made = kept.fit if kept is not None and same else Fit(history, donors)
        self._fits[key] = _Fitted(history.changes, self.changes, donors, made)
        return made

    def blend(self, key: Key, names: tuple[str, ...]) -> Blend:
        """Return what is known of a run with the phases `names` of a series, but its covariates.

        As long as nothing that it stands on has changed, this is the same object.
        """
        fit = self.fit(key)
        kept = self._blends.get(key)
        if kept is not None and (kept.blend.own is not fit or kept.blend.names != names):
            kept = None
        if kept is None or kept.all != self.changes:
            donors = self.like(key, names) if fit is None or fit.n < OTHERS_WANTED_BELOW else []
            same = kept is not None and kept.donors == donors and kept.strangers == self.strangers
            made = kept.blend if kept is not None and same else Blend(names, fit, donors, self.strangers)
            kept = self._blends[key] = _Blended(self.changes, donors, self.strangers, made)
        self._blends.move_to_end(key)
        room = max(1, _BLENDS_ROOM // max(1, kept.blend.centre.size))  # a job that reports no phases has none
        while len(self._blends) > room:
            self._blends.popitem(last=False)
        return kept.blend

    def _lender(self, key: Key, history: History) -> Fit:
        """Return what a series says for itself; only this is lent, so that nothing comes back as news."""
        made = self._alone.get(key)
        if made is None or made[0] != history.changes:
            made = self._alone[key] = (history.changes, Fit(history))
        return made[1]

    @property
    def strangers(self) -> Strangers:
        """What is known of a series of which nothing is known; each series counts once, and ignorance once too."""
        level = self._sum / self._count
        return Strangers(level, sqrt(max(_SPREAD_LEAST, self._squares / self._count - level * level)))

    def note_lengths(self, logs: Sequence[float]) -> None:
        """Take in the finite ones of these log lengths, of the first run of a new series."""
        known = [value for value in logs if isfinite(value)]
        if known:
            level = sum(known) / len(known)
            self._sum += level
            self._squares += level * level
            self._count += 1
            self.changes += 1

    def encode(self) -> bytes:
        """Return what all series have in common."""
        return msgspec.msgpack.encode(_Common(1, self.below, self.above, self._sum, self._squares, self._count))

    def decode(self, data: bytes) -> None:
        """Take up what all series have in common as `encode` gave it.

        Raises:
            ValueError: It is another version's, or damaged; nothing has changed.
        """
        kept = msgspec.msgpack.decode(data, type=_Common)  # its errors are ValueErrors
        levels = 0 < kept.below < 0.5 and 0 < kept.above < 0.5  # noqa: PLR2004 - NaN is out of range too
        sums = -inf < kept.sum < inf and 0 <= kept.squares < inf and 1 <= kept.count < inf
        if kept.version != 1 or not levels or not sums:
            raise ValueError(f"what all series have in common, of version {kept.version}, can't be used")
        self.below, self.above = kept.below, kept.above
        self._sum, self._squares, self._count = kept.sum, kept.squares, kept.count
        self.changes += 1

    def like(self, key: Key, names: Sequence[str]) -> list[Donor]:
        """Return the other series whose phases overlap by half, the likest first.

        How alike two are is overlap * (0.15 + likeness of names)^2: Jaccard's index of the phases, Dice's of the
        pairs of neighbouring letters in the names.
        """
        asked = (key, tuple(names), self.changes)
        if self._liked[0] != asked:
            self._liked = (asked, self._like(key, names))
        return self._liked[1]

    def _like(self, key: Key, names: Sequence[str]) -> list[Donor]:
        mine, pairs = set(names), _pairs("/".join(key))
        found: list[tuple[float, Key]] = []
        for other, history in islice(self._recent(), _LOOKED_AT):
            if other == key or not history.rows:
                continue
            common = len(mine & history.index.keys())
            overlap = common / (len(mine) + len(history.index) - common)
            if overlap >= _OVERLAP_LEAST:
                theirs = self._pairs[other]
                alike = 2 * len(pairs & theirs) / max(1, len(pairs) + len(theirs))
                found.append((overlap * (_STRANGERS_LIKENESS + alike) ** 2, other))
        found.sort(reverse=True)
        return [(likeness, self._lender(other, self._all[other])) for likeness, other in found[:24]]

    def _recent(self) -> Iterator[tuple[Key, History]]:
        for key in reversed(self._pairs):
            yield key, self._all[key]


def _pairs(name: str) -> frozenset[str]:
    return frozenset(name[i : i + 2] for i in range(len(name) - 1))
