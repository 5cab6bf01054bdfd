"""Fast encoding of job_progress messages, the most frequent ones: their common parts are encoded once."""

from typing import Final

import msgspec

from phaseline.model.events import JobProgress
from phaseline.model.snapshot import Brief
from phaseline.wire.message import count_of, encode_refrain, seconds, timestamp

__all__ = ["ProgressLines"]

_encode: Final = msgspec.json.Encoder().encode
_MOST_PERCENTS: Final = 4096
_percents: Final[dict[float, bytes]] = {}


class ProgressLines:
    """Encodes reports of progress as `encode_message` does, while the job's phase stays the same.

    Only the parts in angle brackets differ between two messages, `t` and `e` only between reports of different times:

        {"type":…,"job_id":…,"photo_id":…,"stage":…,"progress":<p>,"message":<m>,"details":<d>[,"done":…],"timestamp":<t>,
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
        self, job_id: str, phase: str, brief: Brief, epoch: str, refrain: bytes | None = None, *, offset_ns: int = 0
    ) -> None:
        """Encode the common parts of the messages.

        Args:
            job_id: The job's id.
            phase: Its current phase.
            brief: Its state.
            epoch: The stream's epoch.
            refrain: The result of `encode_refrain(brief)`, if known.
            offset_ns: `Job.phase_offset_ns`.
        """
        known = {"type": "job_progress", "job_id": job_id, "photo_id": brief.photo_id, "stage": phase}
        self._start = _encode(known)[:-1] + b',"progress":'
        self._phase_percent = brief.estimate.phase_percent
        self._epoch = _encode(epoch)
        self._offset_ns = offset_ns
        self._refrain = refrain or encode_refrain(brief)
        self._wall_ns = self._elapsed_ns = -1
        self._stamp = self._end = b""

    def encode(self, event: JobProgress, seq: int, wall_ns: int, elapsed_ns: int) -> bytes:
        """Return the message that publishes `event`; the arguments are those of `encode_message`."""
        if wall_ns != self._wall_ns or elapsed_ns != self._elapsed_ns:
            self._wall_ns, self._elapsed_ns = wall_ns, elapsed_ns
            self._stamp = b',"timestamp":"%b","seq":' % timestamp(wall_ns).encode()
            self._end = b',"epoch":%b,%b,"elapsed_seconds":%b,"stage_elapsed_seconds":%b}' % (
                self._epoch,
                self._refrain,
                _encode(seconds(elapsed_ns)),
                _encode(seconds(max(0, elapsed_ns - self._offset_ns))),
            )
        return self.encode_next(event, seq)

    def encode_next(self, event: JobProgress, seq: int) -> bytes:
        """Return the message that publishes `event`, at the times of the message before it."""
        progress = event.progress
        percent = _percents.get(self._phase_percent if progress is None else progress)
        if percent is None:
            percent = _encode_percent(self._phase_percent if progress is None else progress)
        details = _encode(event.details) if event.details else b"{}"
        if event.done is not None:
            details = b"%b,%b" % (details, _encode(count_of(event))[1:-1])
        text = _encode(event.text) if event.text else b'""'
        number = b"%d" % seq
        return b"".join(
            (self._start, percent, b',"message":', text, b',"details":', details, self._stamp, number, self._end)
        )


def _encode_percent(percent: float) -> bytes:
    """Return a percentage as JSON, rounded; rounding takes as long as the rest of a message, so results are reused."""
    if len(_percents) >= _MOST_PERCENTS:
        _percents.clear()
    encoded = _encode(round(float(percent), 2))
    if percent:  # the two zeros are equal, but are written differently
        _percents[percent] = encoded
    return encoded
