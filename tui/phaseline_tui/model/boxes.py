"""The forecasts of free boxes (a host, or one queue of it), decoded from `/progress/boxes`.

Pure. All texts are cleaned and all numbers finite and within bounds.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from phaseline.text import one_line
from phaseline_tui.model.decoding import decode_answer
from phaseline_tui.model.jobs import JobView, Remaining
from phaseline_tui.model.wire_values import seconds_of

__all__ = ["Box", "box_of", "latest_free", "read_boxes"]

_MOST_BOXES: Final = 1000
_MOST_JOBS: Final = 10**6


class Box(NamedTuple):
    """The jobs of one host and queue, as a server listed them at `received`, in monotonic seconds."""

    origin: str
    """Label of the connection to the server."""
    host: str
    queue: str
    """The queue, "" for jobs without one."""
    slots: int
    active: int
    queued: int
    free: Remaining | None
    """The time until all its jobs have ended; None if it is unknown."""
    received: float

    def free_at(self, now: float) -> Remaining | None:
        """Return the time until all its jobs have ended, counted down to `now`; None if it is unknown."""
        if self.free is None:
            return None
        passed = max(0.0, now - self.received)
        likely, low, high = self.free.likely, self.free.low, self.free.high
        return Remaining(
            max(0.0, likely - passed),
            None if low is None else max(0.0, low - passed),
            None if high is None else max(0.0, high - passed),
        )


class _Box(msgspec.Struct, frozen=True):
    host: str
    queue: str = ""
    slots: int = 1
    active: int = 0
    queued: int = 0
    free_seconds: float | None = None
    free_low_seconds: float | None = None
    free_high_seconds: float | None = None


class _BoxesAnswer(msgspec.Struct, frozen=True):
    boxes: list[_Box] = []


def read_boxes(body: bytes, origin: str, now: float) -> tuple[Box, ...]:
    """Return the boxes in an answer of `/progress/boxes`, received at `now` from the server labeled `origin`.

    Raises:
        ValueError: The body is invalid.
    """
    return tuple(_box(each, origin, now) for each in decode_answer(body, _BoxesAnswer).boxes[:_MOST_BOXES])


def _box(box: _Box, origin: str, now: float) -> Box:
    likely = seconds_of(box.free_seconds)
    low, high = seconds_of(box.free_low_seconds), seconds_of(box.free_high_seconds)
    slots, active, queued = (min(max(0, count), _MOST_JOBS) for count in (box.slots, box.active, box.queued))
    free = None if likely is None else Remaining(likely, low, high)
    return Box(origin, one_line(box.host), one_line(box.queue), slots, active, queued, free, now)


def box_of(boxes: Sequence[Box], job: JobView | None) -> Box | None:
    """Return the only box, or that of a job; None if there is none."""
    if len(boxes) == 1:
        return boxes[0]
    if job is None:
        return None
    key = (job.origin, job.host, job.queue)
    return next((box for box in boxes if (box.origin, box.host, box.queue) == key), None)


def latest_free(boxes: Iterable[Box], now: float) -> Remaining | None:
    """Return the time until the last of several boxes is free; None if that of one is unknown, or if there are none."""
    times = [box.free_at(now) for box in boxes]
    known = [time for time in times if time is not None]
    if not known or len(known) < len(times):
        return None
    lows, highs = [time.low for time in known], [time.high for time in known]
    return Remaining(
        max(time.likely for time in known),
        max((low for low in lows if low is not None), default=None),
        max((high for high in highs if high is not None), default=None),
    )
