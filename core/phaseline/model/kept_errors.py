"""The stored errors of a job."""

from typing import Final

import msgspec

from phaseline.model.snapshot import ErrorSnapshot
from phaseline.model.weight import weight

__all__ = ["MAX_ERRORS", "KeptErrors"]

_encoder: Final = msgspec.json.Encoder()
# At this limit, a job keeps its first errors, which are the most informative, and the latest one.
MAX_ERRORS: Final = 100


class KeptErrors(msgspec.Struct, frozen=True):
    """The first errors of a job, and the latest one. A value never changes.

    Attributes:
        all: The errors, oldest first.
        bytes: Their encoded size.
        weight: The memory that they take, in bytes.
    """

    all: tuple[ErrorSnapshot, ...] = ()
    bytes: int = 0
    weight: int = 0

    def adding(self, error: ErrorSnapshot, most_bytes: int) -> "KeptErrors":
        """Return the errors with one more, in place of the latest if a limit is reached."""
        document = _encoder.encode(error)
        kept, size, taken = self.all, self.bytes, self.weight
        if kept and (len(kept) >= MAX_ERRORS or size + len(document) > most_bytes):
            dropped = _encoder.encode(kept[-1])
            kept, size, taken = kept[:-1], size - len(dropped), taken - weight(dropped)
        return KeptErrors((*kept, error), size + len(document), taken + weight(document))
