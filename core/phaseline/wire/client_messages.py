"""The messages that a client sends over a WebSocket."""

from typing import Annotated

import msgspec
from msgspec import Meta

from phaseline.model.events import Label, Report, one_line
from phaseline.stream import JOBS, PHOTOS, SYSTEM, Position
from phaseline.wire.host_status import HostStatus
from phaseline.wire.replication import Follow

__all__ = ["Auth", "ClientMessage", "Ping", "Register", "Subscribe", "Unsubscribe"]

Channel = Annotated[str, one_line(1, 210)]
Channels = Annotated[tuple[Channel, ...], Meta(max_length=1000, description="a list of at most 1000 channels")]


class Register(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="register"):
    """A client identifies itself.

    Attributes:
        client_type: Any string.
        client_name: Any string.
        acks: Whether the server answers each report with an `ack`.
        producer: The name under which a reporter sends reports. Its jobs do not stall while it is connected.
    """

    client_type: Label = ""
    client_name: Label = ""
    acks: bool = False
    producer: Label | None = None


class Subscribe(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="subscribe"):
    """A client subscribes to `channels`, in addition to those that it has.

    Attributes:
        snapshot: Send the current state first, with its position.
        since: Send all messages after this position first, or the current state if they are no longer available.
        coalesce_ms: Send at most one job_progress per job in this time, the latest; in milliseconds.
        batch: Send frames as JSON arrays of messages.
    """

    channels: Channels = (JOBS, PHOTOS, SYSTEM)
    snapshot: bool = False
    since: Position | None = None
    coalesce_ms: Annotated[int, Meta(ge=0, le=60_000, description="an integer from 0 to 60,000")] = 0
    batch: bool = False


class Unsubscribe(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="unsubscribe"):
    """A client unsubscribes from `channels`."""

    channels: Channels


class Ping(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="ping"):
    """A client checks the connection; the server answers with `pong`."""


class Auth(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="auth"):
    """A client sends its token."""

    token: Annotated[str, Meta(max_length=500, description="a string of at most 500 characters")]


ClientMessage = Register | Subscribe | Unsubscribe | Ping | Auth | Follow | HostStatus | Report
