"""The output of jobs on disk."""

from typing import Final

import msgspec

from phaseline_server.jobs.output import Output, Outputs
from phaseline_server.jobs.state_storage import StateStorage
from phaseline_server.log.learned import Learned
from phaseline_server.log.protocol import Store

__all__ = ["OutputStorage"]

_encoder: Final = msgspec.json.Encoder()


class _Stored(msgspec.Struct, frozen=True):
    """The output of a job, and its place in the order in which jobs wrote last."""

    at: int
    text: str
    order: int


_decoder: Final = msgspec.json.Decoder(_Stored)


class OutputStorage(StateStorage):
    """Stores the output of jobs."""

    kind = "output"
    pace_s = 5.0
    most = 2**20  # characters

    def __init__(self, store: Store, outputs: Outputs) -> None:
        """Prepare to store `outputs` in `store`."""
        super().__init__(store, outputs)
        self._outputs = outputs
        self._order = 0

    def encode(self, job_id: str) -> bytes | None:
        """See `StateStorage.encode`."""
        output = self._outputs.get(job_id)
        if output is None:
            return None
        self._order += 1
        return _encoder.encode(_Stored(output.at, output.text, self._order))

    def restore(self, learned: Learned) -> None:
        """Remove the outputs from the loaded states, and keep them in memory again."""
        found: list[tuple[int, str, Output]] = []
        for job_id, state in self.stored(learned):
            try:
                stored = _decoder.decode(state)
                found.append((stored.order, job_id, Output(stored.at, stored.text)))
            except msgspec.DecodeError as error:
                self.dropped(job_id, error)
        for order, job_id, output in sorted(found, key=lambda each: each[0]):
            self._outputs.restore(job_id, output)
            self._order = order
