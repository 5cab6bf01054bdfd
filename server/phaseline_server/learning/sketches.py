"""Rolling percentiles of durations, in bounded memory: t-digests (Dunning, https://arxiv.org/abs/1902.04023)."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

import msgspec
from fastdigest import TDigest

__all__ = ["Rolling", "Sketches"]

_CENTROIDS: Final = 50
_GENERATION: Final = 500  # samples per digest; percentiles cover the latest 500 to 1,000

Key = tuple[str, ...]


class _Record(msgspec.Struct, frozen=True, array_like=True):
    young: bytes
    old: bytes | None


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_Record)


class Rolling:
    """Percentiles of the latest samples, from two digests: the current one and the previous, full one."""

    __slots__ = ("_old", "_young")

    def __init__(self) -> None:
        """Begin without samples."""
        self._young = TDigest(_CENTROIDS)
        self._old: TDigest | None = None

    def add(self, sample: float) -> None:
        """Add a sample, any finite number."""
        if self._young.n_values >= _GENERATION:
            self._young, self._old = TDigest(_CENTROIDS), self._young
        self._young.update(sample)

    @property
    def count(self) -> int:
        """The number of samples."""
        return self._young.n_values + (self._old.n_values if self._old else 0)

    def quantiles(self, *shares: float) -> tuple[float, ...]:
        """Return the quantiles at `shares`, each from 0 to 1.

        Raises:
            ValueError: There is no sample.
        """
        digest = self._young if self._old is None else self._young.merge(self._old)
        return tuple(digest.quantile_vec(list(shares)))

    def encode(self) -> bytes:
        """Return the digests as bytes."""
        return _encoder.encode(_Record(self._young.to_bytes(), self._old.to_bytes() if self._old else None))

    @classmethod
    def decode(cls, record: bytes) -> "Rolling":
        """Return the percentiles that `encode` turned into bytes.

        Raises:
            ValueError: The bytes are not valid.
        """
        kept, rolling = _decoder.decode(record), cls()
        rolling._young = TDigest.from_bytes(kept.young)
        rolling._old = TDigest.from_bytes(kept.old) if kept.old else None
        return rolling


class Sketches:
    """Percentiles by key. The least recently updated keys are dropped first.

    Attributes:
        changed: The updated keys; the reader clears it.
        evicted: The number of keys evicted because there were too many.
    """

    def __init__(self, most: int) -> None:
        """Keep at most `most` keys."""
        self._most = most
        self._rolling: OrderedDict[Key, Rolling] = OrderedDict()
        self.changed: set[Key] = set()
        self.evicted = 0

    def add(self, key: Key, sample: float) -> None:
        """Add a sample."""
        rolling = self._rolling.get(key)
        if rolling is None:
            rolling = self._rolling[key] = Rolling()
            if len(self._rolling) > self._most:
                gone, _ = self._rolling.popitem(last=False)
                self.changed.discard(gone)
                self.evicted += 1
        else:
            self._rolling.move_to_end(key)
        rolling.add(sample)
        self.changed.add(key)

    def get(self, key: Key) -> Rolling | None:
        """Return the percentiles of `key`, or None."""
        return self._rolling.get(key)

    def put(self, key: Key, rolling: Rolling) -> None:
        """Add stored percentiles, if there is space."""
        if len(self._rolling) < self._most:
            self._rolling[key] = rolling

    def items(self) -> Iterator[tuple[Key, Rolling]]:
        """Yield all keys with their percentiles."""
        yield from self._rolling.items()
