"""The load of a machine, as its reporters send it. It is not an event of a job, and not stored in the log."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from phaseline.model.events import Count, Name, one_line

__all__ = ["MOST_GPUS", "Gpu", "HostStatus"]

MOST_GPUS: Final = 16

_Load = Annotated[float, Meta(ge=0, le=1e6, description="a number from 0 to 1,000,000")]
_Processors = Annotated[int, Meta(ge=1, le=1_000_000, description="an integer from 1 to 1,000,000")]
_Percent = Annotated[float, Meta(ge=0, le=100, description="a number from 0 to 100")]


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """A graphics processor: its use in percent, and its memory in bytes; null for unknown values."""

    name: Annotated[str, one_line(0, 60)] = ""
    use: _Percent | None = None
    memory_used: Count | None = None
    memory_total: Count | None = None


class HostStatus(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="host_status"):
    """The load of a machine; null for unknown values.

    Attributes:
        host: The machine, by the name that its jobs have as `host`.
        load: The load average of the last minute.
        processors: The number of processors that may be used.
        memory_used: Memory that is used and can't be freed, in bytes.
        memory_total: All memory, in bytes.
        gpus: The graphics processors.
        producer_seq: A number that an error repeats, if this is rejected.
    """

    host: Name
    load: _Load | None = None
    processors: _Processors | None = None
    memory_used: Count | None = None
    memory_total: Count | None = None
    gpus: Annotated[tuple[Gpu, ...], Meta(max_length=MOST_GPUS, description=f"a list of at most {MOST_GPUS}")] = ()
    producer_seq: Count | None = None
