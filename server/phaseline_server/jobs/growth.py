"""The memory that an event's facts take."""

from typing import Final

import msgspec

from phaseline.model.events import (
    ErrorOccurred,
    Event,
    JobCompleted,
    JobFailed,
    JobQueued,
    JobStarted,
    PhotoInfo,
)
from phaseline.model.job import Job
from phaseline.model.weight import weight

__all__ = ["GROWING", "growth_of"]

GROWING: Final = (JobQueued, JobStarted, PhotoInfo, ErrorOccurred)
"""The events that are rejected if memory has no room for their facts."""
_encode: Final = msgspec.json.Encoder().encode


def growth_of(event: Event) -> int:
    """Return how much more memory a job takes with `event`, in bytes; replaced facts are not subtracted."""
    match event:
        case JobStarted() | JobQueued():
            return Job.weight_of_start(event)
        case PhotoInfo():
            return weight(_encode(event.data))
        case ErrorOccurred():
            return weight(_encode(event))
        case JobCompleted() | JobFailed():
            return weight(_encode(event.result))
        case _:
            return 0
