"""State of single jobs on disk, for a part of the server: written some seconds later, and read at the start."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from typing import ClassVar, Final, Protocol

import msgspec
import structlog
import trio

from phaseline.errors import DiskFull
from phaseline_server.errors import LogUnavailable
from phaseline_server.log.learned import Learned
from phaseline_server.log.protocol import Store

__all__ = ["Changes", "StateStorage"]

_log = structlog.get_logger(__name__)
_encoder: Final = msgspec.json.Encoder()
_keys: Final = msgspec.json.Decoder(tuple[str])


class Changes(Protocol):
    """The changes of a part since they were taken last."""

    def take_changes(self, most: int) -> tuple[list[str], set[str]]:
        """Return jobs that have changed, about `most` in the part's own measure, and those that are dropped."""
        ...

    def put_back(self, jobs: Iterable[str], gone: Iterable[str]) -> None:
        """Return changes that could not be stored to those of the next call of `take_changes`."""
        ...


class StateStorage(ABC):
    """Stores states of jobs in the log's engine, beside what the server has learned.

    Attributes:
        kind: The kind of the states in the engine.
        pace_s: Seconds between two writes; a crash loses at most this much.
        most: The maximum amount written at a time, in the unit of the part.
    """

    kind: ClassVar[str]
    pace_s: ClassVar[float]
    most: ClassVar[int]

    def __init__(self, store: Store, changes: Changes) -> None:
        """Prepare to store `changes` in `store`."""
        self._store = store
        self._changes = changes
        self._warned = False

    @abstractmethod
    def encode(self, job_id: str) -> bytes | None:
        """Return the state of a job; None if there is none."""

    def stored(self, learned: Learned) -> Iterator[tuple[str, bytes]]:
        """Remove the states of this kind from the loaded ones, and yield each with its job."""
        for kind, key in [each for each in learned.states if each[0] == self.kind]:
            state = learned.states.pop((kind, key))
            try:
                yield _keys.decode(key)[0], state
            except msgspec.DecodeError as error:
                self.dropped(key, error)

    def dropped(self, job: str, error: Exception) -> None:
        """Log that a stored state can't be read."""
        _log.warning("can't read a stored state of a job; dropping it", kind=self.kind, job=job, error=str(error))

    async def run(self) -> None:
        """Write what has changed, at intervals, until cancelled.

        Raises:
            JournalFailed: The disk failed.
        """
        while True:
            await trio.sleep(self.pace_s)
            await self._save_some()

    async def save(self) -> None:
        """Write everything that has changed.

        Raises:
            JournalFailed: The disk failed.
        """
        while await self._save_some():
            pass

    async def _save_some(self) -> bool:
        """Write what changed first, up to a bound; return whether more is left and may be written."""
        jobs, gone = self._changes.take_changes(self.most)
        states: list[tuple[str, str, bytes]] = []
        for job_id in jobs:
            if (state := self.encode(job_id)) is not None:
                states.append((self.kind, _key(job_id), state))
            await trio.lowlevel.checkpoint()
        if not states and not gone:
            return False
        return await self._write(states, jobs, gone)

    async def _write(self, states: list[tuple[str, str, bytes]], jobs: list[str], gone: Collection[str]) -> bool:
        try:
            await self._store.save_learned(states, [(self.kind, _key(job_id)) for job_id in gone])
        except (DiskFull, LogUnavailable) as error:
            if not self._warned:
                _log.warning("can't store states of jobs; retrying", kind=self.kind, error=str(error))
            self._warned = True
            self._changes.put_back(jobs, gone)
            return False
        self._warned = False
        return True


def _key(job_id: str) -> str:
    return _encoder.encode((job_id,)).decode()
