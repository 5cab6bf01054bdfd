"""The messages of one job's progress, which most messages are: all that they have in common is encoded once."""

from typing import Final

import msgspec

from phaseline.model.events import JobProgress
from phaseline.model.snapshot import Brief
from phaseline.wire.message import encode_refrain, seconds, timestamp

__all__ = ["ProgressLines"]

_encode: Final = msgspec.json.Encoder().encode


class ProgressLines:
    """What `encode_message` would return for each report of progress, while the job's phase stays the same.

    A message is this, of which only what stands in angle brackets differs from the one before, and `t` and `e` only
    between reports that did not come together:

        {"type":…,"job_id":…,"photo_id":…,"stage":…,"progress":<p>,"message":<m>,"details":<d>,"timestamp":<t>,
        "seq":<s>,"epoch":…,<refrain>,"elapsed_seconds":<e>,"stage_elapsed_seconds":<e less the phase's offset>}
    """

    __slots__ = (
        "_elapsed_ns",
        "_end",
        "_epoch",
        "_offset_ns",
        "_phase_percent",
        "_refrain",
        "_stamp",
        "_start",
        "_wall_ns",
    )

    def __init__(
        self, job_id: str, phase: str, told: Brief, epoch: str, refrain: bytes | None = None, *, offset_ns: int = 0
    ) -> None:
        """Tell of a job that is in `phase`; the rest is as `encode_message` has it.

        Args:
            job_id: The job's.
            phase: Its current phase.
            told: What is told of it.
            epoch: The stream's.
            refrain: `told`, encoded, if it is known already.
            offset_ns: `Job.phase_offset_ns`.
        """
        known = {"type": "job_progress", "job_id": job_id, "photo_id": told.photo_id, "stage": phase}
        self._start = _encode(known)[:-1] + b',"progress":'
        self._phase_percent = told.estimate.phase_percent
        self._epoch = _encode(epoch)
        self._offset_ns = offset_ns
        self._refrain = refrain or encode_refrain(told)
        self._wall_ns = self._elapsed_ns = -1
        self._stamp = self._end = b""

    def encode(self, event: JobProgress, seq: int, wall_ns: int, elapsed_ns: int) -> bytes:
        """Return the message that tells of `event`; the arguments are those of `encode_message`."""
        if wall_ns != self._wall_ns or elapsed_ns != self._elapsed_ns:
            self._wall_ns, self._elapsed_ns = wall_ns, elapsed_ns
            self._stamp = timestamp(wall_ns).encode()
            self._end = b'%b,%b,"elapsed_seconds":%b,"stage_elapsed_seconds":%b}' % (
                self._epoch,
                self._refrain,
                _encode(seconds(elapsed_ns)),
                _encode(seconds(max(0, elapsed_ns - self._offset_ns))),
            )
        progress = event.progress if event.progress is not None else self._phase_percent
        details = _encode(event.details) if event.details else b"{}"
        return b'%b%b,"message":%b,"details":%b,"timestamp":"%b","seq":%d,"epoch":%b' % (
            self._start,
            _encode(round(progress, 2)),
            _encode(event.text),
            details,
            self._stamp,
            seq,
            self._end,
        )
