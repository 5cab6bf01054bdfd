"""The stored series, of which the least recently used is evicted first, and the state that all of them share."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import islice
from math import isfinite, sqrt
from typing import Final, NamedTuple

import msgspec

from phaseline.eta.model.band import Band
from phaseline.eta.model.components import IGNORANT, OTHERS_WANTED_BELOW, Blend, Donor, Strangers
from phaseline.eta.model.fit import Fit
from phaseline.eta.model.history import History
from phaseline.eta.model.pace import Noise
from phaseline.eta.observed import Run

__all__ = ["MAX_SERIES", "Key", "Store"]

MAX_SERIES: Final = 2000
# Version of the result of `Store.encode`.
_VERSION: Final = 2
# Number of series that are compared for similarity: those that learned last.
_LOOKED_AT: Final = 200
# Minimum overlap of the phases of similar series in one workflow.
_OVERLAP_LEAST: Final = 0.5
# The default workflow, of jobs whose reporter names none. Jobs are not similar because of it.
UNNAMED: Final = "custom"
# Minimum overlap, and number of common phases, for series of another workflow or of the default one.
_OVERLAP_ELSEWHERE: Final = 0.75
_COMMON_ELSEWHERE: Final = 3
_STRANGERS_LIKENESS: Final = 0.15
_SPREAD_LEAST: Final = 1.0
# Maximum total size of the cached blends' `centre` arrays, in numbers of 8 bytes; a blend takes about eight such
# arrays.
_BLENDS_ROOM: Final = 400_000

Key = tuple[str, str]
"""A workflow and a series of it."""


class _Lengths(NamedTuple):
    """Sums over a workflow's series of the mean log length of their phases."""

    total: float = 0.0
    squares: float = 0.0
    series: int = 0

    @property
    def sound(self) -> bool:
        return isfinite(self.total) and isfinite(self.squares) and self.squares >= 0 and self.series >= 0

    def after(self, level: float) -> "_Lengths":
        return _Lengths(self.total + level, self.squares + level * level, self.series + 1)

    def strangers(self) -> Strangers:
        """Return mean and spread; ignorance counts as one series."""
        count = self.series + 1
        level = (self.total + IGNORANT.level) / count
        squares = (self.squares + IGNORANT.spread**2 + IGNORANT.level**2) / count
        return Strangers(level, sqrt(max(_SPREAD_LEAST, squares - level * level)), self.series)


_NO_LENGTHS: Final = _Lengths()


class _Common(msgspec.Struct, array_like=True, frozen=True):
    version: int
    band: Band
    cold: Band
    noise: Noise
    workflows: dict[str, _Lengths]


class _Fitted(NamedTuple):
    """A fit and its inputs: the number of changes of its series and of the store, and the donors."""

    own: int
    all: int
    donors: list[Donor]
    fit: Fit


class _Blended(NamedTuple):
    """A blend and its inputs, apart from its own fit and phases."""

    all: int
    donors: list[Donor]
    strangers: Strangers
    blend: Blend


class Store:
    """Series by key.

    Attributes:
        band: The whole server's levels of the band.
        cold: The same of series with few runs.
        noise: The whole server's noise of progress.
        changes: Number of changes of any series, or of the shared state.
    """

    def __init__(self, max_series: int = MAX_SERIES) -> None:
        """Start without series."""
        self._max = max_series
        self._all: OrderedDict[Key, History] = OrderedDict()
        self._fits: dict[Key, _Fitted] = {}
        self._alone: dict[Key, tuple[int, Fit]] = {}
        # In the order in which they learned last, so that queries do not change the donors.
        self._pairs: dict[Key, frozenset[str]] = {}
        self._blends: OrderedDict[Key, _Blended] = OrderedDict()
        self.changes = 0
        # The last call of `like`, cached: a series' fit and its blend make the same call.
        self._liked: tuple[object, list[Donor]] = (None, [])
        self._workflows: dict[str, _Lengths] = {}
        self.band = self.cold = Band()
        self.noise = Noise()

    def __len__(self) -> int:
        """Return the number of stored series."""
        return len(self._all)

    def keys(self) -> list[Key]:
        """Return the keys, the least recently used first."""
        return list(self._all)

    def get(self, key: Key) -> History | None:
        """Return a series, which is then the one used last."""
        found = self._all.get(key)
        if found is not None:
            self._all.move_to_end(key)
        return found

    def put(self, key: Key, history: History) -> None:
        """Store a series; evict the least recently used one if there are too many."""
        self._all[key] = history
        self._all.move_to_end(key)
        self._fits.pop(key, None)
        self._alone.pop(key, None)
        self._blends.pop(key, None)
        self.changes += 1
        self._pairs.pop(key, None)
        self._pairs[key] = _pairs(key)
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
            if not any(workflow == key[0] for workflow, _ in self._all):
                self._workflows.pop(key[0], None)

    def opened(self, key: Key) -> History:
        """Return a series; create and store it if it is new."""
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
            self.note_lengths(key[0], history.rows[0])

    def fit(self, key: Key) -> Fit | None:
        """Return the fit of a series, computed again only after one of its inputs has changed.

        While it has few runs, it gets priors from other series.
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
        """Return the blend for a run with the phases `names` of a series, without its covariates.

        Until one of its inputs changes, this is the same object.
        """
        fit = self.fit(key)
        kept = self._blends.get(key)
        if kept is not None and (kept.blend.own is not fit or kept.blend.names != names):
            kept = None
        if kept is None or kept.all != self.changes:
            donors = self.like(key, names) if fit is None or fit.n < OTHERS_WANTED_BELOW else []
            strangers = self.strangers(key[0])
            same = kept is not None and kept.donors == donors and kept.strangers == strangers
            made = kept.blend if kept is not None and same else Blend(names, fit, donors, strangers)
            kept = self._blends[key] = _Blended(self.changes, donors, strangers, made)
        self._blends.move_to_end(key)
        room = max(1, _BLENDS_ROOM // max(1, kept.blend.centre.size))  # a job that reports no phases has none
        while len(self._blends) > room:
            self._blends.popitem(last=False)
        return kept.blend

    def _lender(self, key: Key, history: History) -> Fit:
        """Return a series' fit without priors from others. Only this fit is shared, so no series learns from itself."""
        made = self._alone.get(key)
        if made is None or made[0] != history.changes:
            made = self._alone[key] = (history.changes, Fit(history))
        return made[1]

    def strangers(self, workflow: str) -> Strangers:
        """Return the prior for a series of this workflow without other data."""
        return self._workflows.get(workflow, _NO_LENGTHS).strangers()

    def note_lengths(self, workflow: str, logs: Sequence[float]) -> None:
        """Add the finite log lengths of the first run of a new series; each series counts once."""
        known = [value for value in logs if isfinite(value)]
        if known and workflow != UNNAMED:
            self._workflows[workflow] = self._workflows.pop(workflow, _NO_LENGTHS).after(sum(known) / len(known))
            self._bound()

    def _bound(self) -> None:
        """While there are too many workflows, forget the one without a new series for the longest time."""
        while len(self._workflows) > self._max:
            del self._workflows[next(iter(self._workflows))]
        self.changes += 1

    def encode(self) -> bytes:
        """Return the state that all series share, encoded."""
        return msgspec.msgpack.encode(_Common(_VERSION, self.band, self.cold, self.noise, self._workflows))

    def decode(self, data: bytes) -> None:
        """Restore the shared state from the result of `encode`.

        Raises:
            ValueError: `data` is damaged or from another version; nothing has changed.
        """
        kept = msgspec.msgpack.decode(data, type=_Common)  # its errors are ValueErrors
        sound = kept.band.sound and kept.cold.sound and kept.noise.sound
        if kept.version != _VERSION or not sound or not all(each.sound for each in kept.workflows.values()):
            raise ValueError(f"the shared state of all series, of version {kept.version}, is not valid")
        self.band, self.cold, self.noise, self._workflows = kept.band, kept.cold, kept.noise, kept.workflows
        self._bound()

    def like(self, key: Key, names: Sequence[str]) -> list[Donor]:
        """Return the other series that may be similar, the most similar first.

        The similarity of two series is overlap * (0.15 + similarity of names)^2. The overlap is Jaccard's index of
        their phases. The similarity of names is Dice's index of the pairs of adjacent letters in them; 0 between
        workflows.
        """
        asked = (key, tuple(names), self.changes)
        if self._liked[0] != asked:
            self._liked = (asked, self._like(key, names))
        return self._liked[1]

    def _like(self, key: Key, names: Sequence[str]) -> list[Donor]:
        mine, pairs = set(names), _pairs(key)
        found: list[tuple[float, Key]] = []
        for other, history in islice(self._recent(), _LOOKED_AT):
            if other == key or not history.rows:
                continue
            common = len(mine & history.index.keys())
            overlap = common / (len(mine) + len(history.index) - common)
            if _plausible(key, other, overlap, common):
                theirs = self._pairs[other]
                alike = 2 * len(pairs & theirs) / max(1, len(pairs) + len(theirs)) if key[0] == other[0] else 0.0
                found.append((overlap * (_STRANGERS_LIKENESS + alike) ** 2, other))
        found.sort(reverse=True)
        return [(likeness, self._lender(other, self._all[other])) for likeness, other in found[:24]]

    def _recent(self) -> Iterator[tuple[Key, History]]:
        for key in reversed(self._pairs):
            yield key, self._all[key]


def _plausible(key: Key, other: Key, overlap: float, common: int) -> bool:
    """Return whether two series may be similar: those of one workflow, or with phases hardly the same by chance."""
    if key[0] == other[0] and key[0] != UNNAMED:
        return overlap >= _OVERLAP_LEAST
    return overlap >= _OVERLAP_ELSEWHERE and common >= _COMMON_ELSEWHERE


def _pairs(key: Key) -> frozenset[str]:
    name = f"/{key[1]}"
    return frozenset(name[i : i + 2] for i in range(len(name) - 1))
