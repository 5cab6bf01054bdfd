"""Response types of the routes of the stream: positions, polling sessions, clients."""

from typing import Any, Literal

import msgspec

from phaseline.stream import Position
from phaseline.wire import DayStatus, JobStatus

__all__ = [
    "ClientList",
    "Disconnected",
    "Handshaken",
    "Missed",
    "Polled",
    "Published",
    "Replied",
    "StreamStatus",
    "Ticket",
]


class Missed(msgspec.Struct, kw_only=True):
    """A page of the stream. If `recovered` is false, messages are missing and `jobs` holds the current state."""

    success: Literal[True]
    recovered: bool
    position: Position
    messages: list[dict[str, Any]]
    count: int
    jobs: list[JobStatus] | msgspec.UnsetType = msgspec.UNSET
    today: DayStatus | msgspec.UnsetType | None = msgspec.UNSET


class Handshaken(msgspec.Struct, kw_only=True):
    """A polling session is open."""

    success: Literal[True]
    client_id: str
    protocol_version: str | int | float | None
    protocol: int
    server_time: str
    epoch: str
    position: Position
    channels: list[str]


class Polled(msgspec.Struct, kw_only=True):
    """The messages since the last poll. Send `ack` with the next poll to acknowledge them."""

    success: Literal[True]
    epoch: str
    recovered: bool
    messages: list[dict[str, Any]]
    count: int
    ack: int
    jobs: list[JobStatus] | msgspec.UnsetType = msgspec.UNSET
    today: DayStatus | msgspec.UnsetType | None = msgspec.UNSET


class Replied(msgspec.Struct, kw_only=True):
    """The reply that a WebSocket client would have received, under `response`; its fields also stand beside it."""

    success: Literal[True]
    response: dict[str, Any]
    timestamp: str
    type: str
    ignored: list[str] | msgspec.UnsetType = msgspec.UNSET
    hint: str | msgspec.UnsetType = msgspec.UNSET


class Disconnected(msgspec.Struct, kw_only=True):
    """The polling session is closed."""

    success: Literal[True]


class Published(msgspec.Struct, kw_only=True):
    """The message is published; `seq` is its number in the stream."""

    success: Literal[True]
    seq: int


class Ticket(msgspec.Struct, kw_only=True):
    """A ticket that replaces the sent token once, within `expires_seconds`.

    The other fields describe the token: its scope, its job prefix, and for a link, the only job that it shows.
    """

    success: Literal[True]
    ticket: str
    expires_seconds: float
    scope: Literal["read", "report", "admin"]
    prefix: str
    job: str | None


class ClientList(msgspec.Struct, kw_only=True):
    """The connected clients. All their `channels` are at most 1000; `channel_count` is the number of a client's own."""

    success: Literal[True]
    clients: list[dict[str, Any]]
    count: int


class StreamStatus(msgspec.Struct, kw_only=True):
    """The state of the stream. `channels` has at most about 1000, with their subscribers; `channel_count` is of all."""

    success: Literal[True]
    connected_clients: int
    channels: dict[str, int]
    channel_count: int
    queued_messages: int
    messages_sent: int
    slow_subscribers: int
    position: Position
    uptime_seconds: float
