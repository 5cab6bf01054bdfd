"""The counts of the fan-out."""

import msgspec

__all__ = ["BroadcasterStatistics"]


class BroadcasterStatistics(msgspec.Struct, frozen=True):
    """The numbers of subscribers and queued messages, and counters since the start."""

    subscribers: int
    queued: int
    published: int
    delivered: int
    ended_slow: int
