"""The stored state of a series: its last runs, its band, and the accuracy of its progress. At most 64 KiB."""

from array import array
from collections.abc import Mapping
from math import inf, log, nan
from typing import Final, Self

import msgspec

from phaseline.eta.model.band import Band
from phaseline.eta.model.covariates import MAX_KEYS, Value, read
from phaseline.eta.model.pace import Noise
from phaseline.eta.observed import Run, clean_ms

__all__ = ["MAX_NAMES", "MAX_RUNS", "SKIPPED", "UNKNOWN", "History", "log_ms"]

MAX_RUNS: Final = 128
MAX_NAMES: Final = 500
MAX_STATE_BYTES: Final = 65_536
# Space for the rows and for the phases' names. The rest is for covariates; if they need more, `encode` drops old runs.
_ROW_BYTES: Final = 36_000
_NAME_BYTES: Final = 16_000
SKIPPED: Final = -inf
UNKNOWN: Final = nan
# Version of the result of `encode`. In version 2, the noise of progress is a log mean.
VERSION: Final = 2
_SHORTEST_MS: Final = 0.5


def log_ms(ms: float) -> float:
    """Return the natural logarithm of a duration in milliseconds, of half a millisecond at least."""
    return log(max(ms, _SHORTEST_MS))


class _Kept(msgspec.Struct, array_like=True, frozen=True):
    version: int
    names: list[str]
    rows: list[bytes]
    known: list[dict[str, Value]]
    band: Band
    noise: Noise
    bias: Noise = Noise()


class History:
    """One series.

    Attributes:
        names: Its phases, in their order.
        rows: For each run, oldest first, the log of every phase's milliseconds, or SKIPPED, or UNKNOWN.
        known: For each run, its covariates.
        band: The levels of its band.
        noise: The noise of its workers' progress: log c over runs. See `pace`.
        bias: The bias of its workers' progress, over runs.
        changes: Number of changes.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.names: list[str] = []
        self.index: dict[str, int] = {}
        self.rows: list[array[float]] = []
        self.known: list[dict[str, Value]] = []
        self.band = Band()
        self.noise = Noise()
        self.bias = Noise()
        self.changes = 0

    def add(self, run: Run) -> None:
        """Add a run; drop the oldest ones if the history is full."""
        self._add_names([step.name for step in run.steps])
        row = array("f", [SKIPPED]) * len(self.names)
        for step in run.steps:
            at = self.index.get(step.name)
            if at is not None and not step.skipped:
                ms = clean_ms(step.ms)
                row[at] = UNKNOWN if ms is None else log_ms(ms)
        self.rows.append(row)
        self.known.append(self._bounded(read(run.covariates)))
        room = min(MAX_RUNS, max(4, _ROW_BYTES // (4 * len(self.names) + 9 * len(self.known[-1]) + 1)))
        del self.rows[:-room], self.known[:-room]
        self.changes += 1

    def _add_names(self, names: list[str]) -> None:
        """Insert each new name after its predecessor in the run."""
        if all(name in self.index for name in names):
            return
        used, place = sum(len(name.encode()) for name in self.names), 0
        for name in names:
            at = self.index.get(name)
            if at is not None:
                place = at + 1
                continue
            used += len(name.encode())
            if len(self.names) >= MAX_NAMES or used > _NAME_BYTES:
                break
            self.names.insert(place, name)
            for row in self.rows:
                row.insert(place, SKIPPED)
            self.index = {known: i for i, known in enumerate(self.names)}
            place += 1

    def _bounded(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Return the values of the keys that the series has already, and of as many new ones as `MAX_KEYS` allows."""
        keys = {key for known in self.known for key in known}
        free = MAX_KEYS - len(keys)
        new = [key for key in values if key not in keys][: max(0, free)]
        return {key: value for key, value in values.items() if key in keys or key in new}

    def encode(self) -> bytes:
        """Return the state as at most 64 KiB; leave out the oldest runs if long texts take their space."""
        for start in range(len(self.rows) + 1):
            rows = [row.tobytes() for row in self.rows[start:]]
            kept = _Kept(VERSION, self.names, rows, self.known[start:], self.band, self.noise, self.bias)
            data = msgspec.msgpack.encode(kept)
            if len(data) <= MAX_STATE_BYTES:
                return data
        return b""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the series that `encode` encoded as `data`.

        Raises:
            ValueError: `data` is damaged or from another version. Learn the series again.
        """
        kept = msgspec.msgpack.decode(data, type=_Kept)  # its errors are ValueErrors
        size = 4 * len(kept.names)
        whole = all(len(row) == size for row in kept.rows) and len(kept.rows) == len(kept.known)
        sound = kept.band.sound and kept.noise.sound and kept.bias.sound
        if kept.version != VERSION or not whole or not sound or len(set(kept.names)) < len(kept.names):
            raise ValueError(f"a series' state of version {kept.version} is not valid; it is learned again")
        series = cls()
        series.names = kept.names
        series.index = {name: i for i, name in enumerate(kept.names)}
        series.rows = [array("f", row) for row in kept.rows]
        series.known = kept.known
        series.band, series.noise, series.bias = kept.band, kept.noise, kept.bias
        return series
