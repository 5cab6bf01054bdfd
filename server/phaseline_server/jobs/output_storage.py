"""The output of jobs on disk: written a few seconds later, and read when the server starts."""

from collections.abc import Sequence
from typing import Final

import msgspec
import structlog
import trio

from phaseline.errors import DiskFull
from phaseline_server.errors import LogUnavailable
from phaseline_server.jobs.output import Output, Outputs
from phaseline_server.log.learned import Learned
from phaseline_server.log.protocol import Store

__all__ = ["OutputStorage"]

PACE_S: Final = 5.0
"""Seconds between two writes; a crash loses as much output."""
_MOST_CHARACTERS: Final = 2**20
"""Characters that are written at a time."""
_KIND: Final = "output"
_log = structlog.get_logger(__name__)
_encoder: Final = msgspec.json.Encoder()


class _Stored(msgspec.Struct, frozen=True):
    """The output of a job, and its place in the order in which jobs wrote last."""

    at: int
    text: str
    order: int


_decoder: Final = msgspec.json.Decoder(_Stored)
_keys: Final = msgspec.json.Decoder(tuple[str])


class OutputStorage:
    """Stores the output of jobs in the log's engine, beside what the server has learned."""

    def __init__(self, store: Store, outputs: Outputs) -> None:
        """Prepare to store `outputs` in `store`."""
        self._store = store
        self._outputs = outputs
        self._order = 0
        self._warned = False

    def restore(self, learned: Learned) -> None:
        """Take the outputs out of what an engine has loaded, and keep them in memory again."""
        found: list[tuple[int, str, Output]] = []
        for kind, key in [each for each in learned.states if each[0] == _KIND]:
            state = learned.states.pop((kind, key))
            try:
                stored = _decoder.decode(state)
                found.append((stored.order, _keys.decode(key)[0], Output(stored.at, stored.text)))
            except msgspec.DecodeError as error:
                _log.warning("can't read the stored output of a job; it is dropped", job=key, error=str(error))
        for order, job_id, output in sorted(found, key=lambda each: each[0]):
            self._outputs.restore(job_id, output)
            self._order = order

    async def run(self) -> None:
        """Write what has changed, at intervals, until cancelled.

        Raises:
            JournalFailed: The disk failed.
        """
        while True:
            await trio.sleep(PACE_S)
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
        jobs, gone = self._outputs.take_changes(_MOST_CHARACTERS)
        states: list[tuple[str, str, bytes]] = []
        for job_id in jobs:
            output = self._outputs.get(job_id)
            if output is not None:
                self._order += 1
                states.append((_KIND, _key(job_id), _encoder.encode(_Stored(output.at, output.text, self._order))))
            await trio.lowlevel.checkpoint()
        if not states and not gone:
            return False
        try:
            await self._store.save_learned(states, [(_KIND, _key(job_id)) for job_id in gone])
        except (DiskFull, LogUnavailable) as error:
            if not self._warned:
                _log.warning("can't store the output of jobs; it is tried again", error=str(error))
            self._warned = True
            self._outputs.put_back(jobs, gone)
            return False
        self._warned = False
        return True


def _key(job_id: str) -> str:
    names: Sequence[str] = (job_id,)
    return _encoder.encode(names).decode()
