"""The wire format: JSON messages between clients and server, with the names of the picture API and photo protocol."""

from phaseline.wire.client_messages import Auth, ClientMessage, Ping, Register, Subscribe, Unsubscribe
from phaseline.wire.decode import (
    decode_arrays,
    decode_client,
    decode_frames,
    decode_json,
    decode_object,
    encode_event,
)
from phaseline.wire.host_status import HostStatus
from phaseline.wire.ignored import ignored_fields, ignored_in_array, ignored_in_arrays, ignored_in_each
from phaseline.wire.message import encode_message, encode_refrain, needs_snapshot, seconds, timestamp
from phaseline.wire.picture_run import encode_run, run_snapshot
from phaseline.wire.progress import ProgressLines
from phaseline.wire.replication import Follow
from phaseline.wire.status import (
    DayStatus,
    JobStatus,
    OrderStatus,
    StageStatus,
    encode_snapshot,
    encode_status,
    job_status,
    join_statuses,
    order_status,
    short_status,
    state_parts,
)

__all__ = [
    "Auth",
    "ClientMessage",
    "DayStatus",
    "Follow",
    "HostStatus",
    "JobStatus",
    "OrderStatus",
    "Ping",
    "ProgressLines",
    "Register",
    "StageStatus",
    "Subscribe",
    "Unsubscribe",
    "decode_arrays",
    "decode_client",
    "decode_frames",
    "decode_json",
    "decode_object",
    "encode_event",
    "encode_message",
    "encode_refrain",
    "encode_run",
    "encode_snapshot",
    "encode_status",
    "ignored_fields",
    "ignored_in_array",
    "ignored_in_arrays",
    "ignored_in_each",
    "job_status",
    "join_statuses",
    "needs_snapshot",
    "order_status",
    "run_snapshot",
    "seconds",
    "short_status",
    "state_parts",
    "timestamp",
]
